// What is kept of a session for opening its backend session again: one recovery at a time, spaced
// tries, what is said again, and the fence between generations.
#include "proxy/session_recovery.h"

#include <algorithm>

#include "common/ids.h"
#include "tests/support/hf_test.h"

using namespace holdfast;
using namespace holdfast::proxy;

namespace {

using Start = SessionRecovery::Start;
using Kept = SessionRecovery::Kept;

constexpr ExchangeRef kFirst{0, 1};
constexpr ExchangeRef kSecond{1, 2};
constexpr uint64_t kResult = 17;
const MonoTime kStart{std::chrono::hours{1}};

// Ready to be recovered.
SessionRecovery ready() {
  SessionRecovery recovery("{}");
  recovery.set_result(kResult);
  return recovery;
}

void recover(SessionRecovery &recovery, MonoTime now) {
  HF_CHECK(recovery.start(std::nullopt, recovery.generation(), now) == Start::lead);
  (void)recovery.succeeded(now);
}

}  // namespace

HF_TEST(the_first_to_ask_leads_and_the_others_wait_for_it) {
  SessionRecovery recovery = ready();
  HF_CHECK(recovery.start(kFirst, 0, kStart) == Start::lead);
  HF_CHECK(recovery.start(kSecond, 0, kStart) == Start::wait);
  HF_CHECK((recovery.succeeded(kStart) == std::vector<ExchangeRef>{kFirst, kSecond}));
  HF_EQ(recovery.generation(), 1U);
  // Who found the earlier generation lost has only to look again.
  HF_CHECK(recovery.start(kFirst, 0, kStart) == Start::moved_on);
  HF_CHECK(recovery.start(kFirst, 1, kStart) == Start::lead);
}

HF_TEST(waiters_are_bounded) {
  SessionRecovery recovery = ready();
  for (uint64_t i = 0; i < kRecoveryWaitersMax; ++i)
    (void)recovery.start(ExchangeRef{0, i}, 0, kStart);
  HF_CHECK(recovery.start(kSecond, 0, kStart) == Start::resting);
  HF_EQ(recovery.succeeded(kStart).size(), kRecoveryWaitersMax);
}

HF_TEST(without_a_result_to_compare_there_is_no_recovery) {
  SessionRecovery recovery("{}");
  HF_CHECK(recovery.start(kFirst, 0, kStart) == Start::hopeless);
  recovery.set_result(kResult);
  HF_CHECK(recovery.start(kFirst, 0, kStart) == Start::lead);
}

HF_TEST(the_answer_to_the_initialize_is_told_from_others) {
  SessionRecovery recovery("{}", "\"i-1\"");
  HF_CHECK(recovery.awaits("\"i-1\""));
  HF_CHECK(!recovery.awaits("1"));
  recovery.set_result(kResult);
  HF_CHECK(!recovery.awaits("\"i-1\""));  // the id may be used again
}

HF_TEST(failed_tries_are_spaced_ever_wider_up_to_a_bound) {
  SessionRecovery recovery = ready();
  MonoTime now = kStart;
  Millis before{0};
  for (int tries = 0; tries < 20; ++tries) {
    HF_CHECK(recovery.start(kFirst, 0, now) == Start::lead);
    HF_CHECK(recovery.failed(now) == std::vector<ExchangeRef>{kFirst});
    const Millis rest = recovery.rest(now);
    HF_CHECK(rest >= before && rest >= kRecoveryRestMin && rest <= kRecoveryRestMax);
    HF_CHECK(recovery.start(kFirst, 0, now + rest - Millis{1}) == Start::resting);
    before = rest;
    now += rest;
  }
  HF_CHECK(before == kRecoveryRestMax);
  // A success forgets them.
  recover(recovery, now);
  HF_CHECK(recovery.rest(now) == Millis{0});
}

HF_TEST(a_session_that_is_lost_again_and_again_is_given_up_until_things_calm) {
  SessionRecovery recovery = ready();
  for (unsigned i = 0; i < kRecoveriesInRowMax; ++i) recover(recovery, kStart);
  const uint32_t generation = recovery.generation();
  HF_CHECK(recovery.hopeless(kStart) && !recovery.hopeless(kStart + kRecoveryCalm));
  HF_CHECK(recovery.start(kFirst, generation, kStart) == Start::hopeless);
  HF_CHECK(recovery.start(kFirst, generation, kStart + kRecoveryCalm) == Start::lead);
}

HF_TEST(what_is_said_again_is_the_last_word_on_each_matter) {
  SessionRecovery recovery = ready();
  recovery.remember(Kept::subscribe, 1, "sub a");
  recovery.remember(Kept::subscribe, 2, "sub b");
  recovery.remember(Kept::log_level, 0, "info");
  recovery.remember(Kept::log_level, 0, "error");
  recovery.remember(Kept::unsubscribe, 1, "unsub a");
  recovery.remember(Kept::subscribe, 2, "sub b again");
  HF_CHECK((recovery.replays() == std::vector<std::string>{"error", "sub b again"}));
}

HF_TEST(what_is_said_again_is_bounded) {
  SessionRecovery recovery = ready();
  for (uint64_t uri = 0; uri < kReplaysMax + 5; ++uri) recovery.remember(Kept::subscribe, uri, "s");
  HF_EQ(recovery.replays().size(), kReplaysMax);
  recovery.remember(Kept::subscribe, 1000, std::string(kReplayBytesMax + 1, 'x'));
  HF_EQ(recovery.replays().size(), kReplaysMax);
  recovery.remember(Kept::log_level, 0, std::string(kReplayBytesMax + 1, 'x'));
  HF_EQ(recovery.replays().size(), kReplaysMax);
}

HF_TEST(answers_go_to_whoever_asked_and_is_still_there) {
  SessionRecovery recovery = ready();
  recovery.on_server_request("0", 0);
  HF_CHECK(!recovery.answers_the_lost("0"));
  recovery.on_server_request("0", 0);
  recovery.on_server_request("1", 0);
  recover(recovery, kStart);
  recovery.on_server_request("0", 1);
  HF_CHECK(recovery.answers_the_lost("0"));   // the older question's
  HF_CHECK(!recovery.answers_the_lost("0"));  // the newer's
  HF_CHECK(recovery.answers_the_lost("1"));
  HF_CHECK(!recovery.answers_the_lost("1"));  // nobody asked: the backend may say so
}

HF_TEST(a_stream_of_the_lost_session_that_still_asks_is_fenced) {
  SessionRecovery recovery = ready();
  recover(recovery, kStart);
  recovery.on_server_request("7", 0);
  HF_CHECK(recovery.answers_the_lost("7"));
}

HF_TEST(where_lost_questions_had_to_be_forgotten_unknown_answers_are_stale) {
  SessionRecovery recovery = ready();
  recovery.on_server_request("old", 0);
  recover(recovery, kStart);
  for (size_t i = 0; i < kServerRequestsMax; ++i) recovery.on_server_request(std::to_string(i), 1);
  HF_CHECK(recovery.answers_the_lost("old"));
  HF_CHECK(!recovery.answers_the_lost("3"));
}

HF_TEST(an_answer_whose_id_is_not_known_yet_is_stale_while_lost_questions_remain) {
  SessionRecovery recovery = ready();
  recovery.on_server_request("0", 0);
  HF_CHECK(!recovery.answers_the_lost(""));
  recover(recovery, kStart);
  recovery.on_server_request("0", 1);
  HF_CHECK(recovery.answers_the_lost(""));
  HF_CHECK(recovery.answers_the_lost("0"));  // the lost one's: none remains
  HF_CHECK(!recovery.answers_the_lost(""));
}

HF_TEST(event_ids_are_good_for_their_own_generation) {
  SessionRecovery recovery = ready();
  recovery.on_event_id(1, 0);
  HF_CHECK(recovery.may_resume_after(1));
  HF_CHECK(recovery.may_resume_after(99));  // the backend knows better
  recover(recovery, kStart);
  HF_CHECK(!recovery.may_resume_after(1));
  recovery.on_event_id(2, 0);  // a stream of the lost one that goes on
  HF_CHECK(!recovery.may_resume_after(2));
  recovery.on_event_id(3, 1);
  HF_CHECK(recovery.may_resume_after(3));
  for (uint64_t id = 100; id < 100 + kEventIdsMax; ++id) recovery.on_event_id(id, 1);
  HF_CHECK(!recovery.may_resume_after(3));
  HF_CHECK(recovery.may_resume_after(100));
  recover(recovery, kStart);
  HF_CHECK(!recovery.may_resume_after(100));
}

int main() {
  const CMUnitTest tests[] = {
      HF_UNIT(the_first_to_ask_leads_and_the_others_wait_for_it),
      HF_UNIT(waiters_are_bounded),
      HF_UNIT(without_a_result_to_compare_there_is_no_recovery),
      HF_UNIT(the_answer_to_the_initialize_is_told_from_others),
      HF_UNIT(failed_tries_are_spaced_ever_wider_up_to_a_bound),
      HF_UNIT(a_session_that_is_lost_again_and_again_is_given_up_until_things_calm),
      HF_UNIT(what_is_said_again_is_the_last_word_on_each_matter),
      HF_UNIT(what_is_said_again_is_bounded),
      HF_UNIT(answers_go_to_whoever_asked_and_is_still_there),
      HF_UNIT(a_stream_of_the_lost_session_that_still_asks_is_fenced),
      HF_UNIT(where_lost_questions_had_to_be_forgotten_unknown_answers_are_stale),
      HF_UNIT(an_answer_whose_id_is_not_known_yet_is_stale_while_lost_questions_remain),
      HF_UNIT(event_ids_are_good_for_their_own_generation),
  };
  return HF_RUN(tests);
}
