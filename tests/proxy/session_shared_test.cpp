// Sessions that other proxies hold, too (PROTOCOL.md 1.6): a probe keeps an idle session idle, and
// who waits for that is never forgotten; what sessiond hands over.
#include "common/limits.h"
#include "tests/proxy/registry_fixture.h"
#include "tests/support/hf_test.h"

using namespace holdfast;
using namespace holdfast::proxy;
using namespace holdfast::proxy::test;

namespace {

constexpr Millis kIdle{60'000};

// A session that has been idle for a minute.
struct Idle : RegistryFixture {
  Idle() { clock.advance(kIdle); }
  bool probe() { return std::holds_alternative<HeldIdle>(registry.probe(kId, kIdle)); }
  bool drop() { return std::holds_alternative<EndedSession>(registry.drop_if_idle(kId, kIdle)); }
};

link::Record handed(const std::string &id, Millis idle) {
  link::Record record;
  record.session = id;
  record.user = kAlice;
  record.backend_session = "b-" + id;
  record.idle_ms = idle.count();
  record.age_ms = idle.count();
  return record;
}

}  // namespace

HF_TEST(a_probe_ends_nothing_and_says_how_long_it_has_been_idle) {
  Idle t;
  const auto verdict = t.registry.probe(kId, kIdle);
  HF_CHECK(std::get<HeldIdle>(verdict).idle == kIdle);
  HF_CHECK(t.registry.knows(kId, kAlice));
  HF_CHECK(std::holds_alternative<StillAlive>(t.registry.probe(kId, kIdle + Millis{1})));
  HF_CHECK(std::holds_alternative<UnknownSession>(t.registry.probe("no such", kIdle)));
}

HF_TEST(a_request_in_flight_is_alive_to_a_probe) {
  Idle t;
  HF_CHECK(t.begin(kFirst));
  HF_CHECK(!t.probe());
}

HF_TEST(requests_wait_while_others_are_asked_and_go_on_when_released) {
  Idle t;
  HF_CHECK(t.probe());
  HF_CHECK(!t.begin(kFirst));
  HF_CHECK(t.view.held);
  HF_CHECK(!t.begin(kSecond, false));  // streams, too
  const auto waiting = t.registry.release(kId);
  HF_EQ(waiting.size(), 2u);
  HF_CHECK(waiting[0] == kFirst);
  HF_CHECK(t.begin(kFirst));
  HF_CHECK(!t.drop());
}

HF_TEST(a_stranger_is_not_told_that_the_session_is_held) {
  Idle t;
  HF_CHECK(t.probe());
  HF_CHECK(!t.registry.begin(kId, "mallory", kFirst, true, t.view));
  HF_CHECK(!t.view.held);
}

HF_TEST(a_drop_in_time_ends_the_session_and_tells_who_waits) {
  Idle t;
  HF_CHECK(t.probe());
  HF_CHECK(!t.begin(kFirst));
  const auto verdict = t.registry.drop_if_idle(kId, kIdle);
  HF_EQ(std::get<EndedSession>(verdict).waiting.size(), 1u);
  HF_CHECK(std::get<EndedSession>(verdict).exchanges.empty());
  HF_CHECK(!t.begin(kFirst));
  HF_CHECK(!t.view.held);
}

HF_TEST(without_a_decision_requests_go_on_and_a_late_drop_spares_who_has_waited) {
  Idle t;
  HF_CHECK(t.probe());
  t.clock.advance(kSharedWaitMax - Millis{1});
  HF_CHECK(!t.begin(kFirst));
  t.clock.advance(Millis{1});
  HF_CHECK(!t.drop());  // it is about to look again
  HF_CHECK(t.begin(kFirst));
}

HF_TEST(a_client_that_left_while_it_waited_holds_nothing_for_long) {
  Idle t;
  HF_CHECK(t.probe());
  HF_CHECK(!t.begin(kFirst));
  t.clock.advance(Millis{10'000});
  HF_CHECK(t.drop());
}

// Or no probe would ever find the session idle again.
HF_TEST(nor_is_a_client_that_left_while_it_waited_a_sign_of_life_to_a_later_probe) {
  Idle t;
  HF_CHECK(t.probe());
  HF_CHECK(!t.begin(kFirst));
  t.clock.advance(kSharedWaitMax);
  HF_CHECK(!t.probe());  // it may be about to look again
  t.clock.advance(Millis{10'000});
  HF_CHECK(t.probe());
}

HF_TEST(who_waits_makes_the_next_probe_find_it_alive) {
  Idle t;
  HF_CHECK(t.probe());
  HF_CHECK(!t.begin(kFirst));
  const auto verdict = t.registry.probe(kId, kIdle);
  HF_EQ(std::get<StillAlive>(verdict).waiting.size(), 1u);
  HF_CHECK(t.begin(kFirst));
}

HF_TEST(what_another_holder_told_moves_the_clock_forward_only) {
  Idle t;
  HF_CHECK(!t.registry.restore(handed(kId, Millis{10'000}), 0));
  HF_CHECK(t.look().idle == Millis{10'000});
  HF_CHECK(!t.registry.restore(handed(kId, Millis{50'000}), 0));
  HF_CHECK(t.look().idle == Millis{10'000});
  std::vector<link::ActivityEntry> told;
  t.registry.collect_activity(10, told);
  HF_EQ(told.size(), 1u);  // by which clock it goes now
}

HF_TEST(another_users_record_changes_nothing) {
  Idle t;
  link::Record record = handed(kId, Millis{0});
  record.user = "mallory";
  HF_CHECK(!t.registry.restore(record, 0));
  HF_CHECK(t.look().idle == kIdle);
}

HF_TEST(a_session_follows_its_backend_session_to_where_another_holder_found_it) {
  Idle t;
  link::Record record = handed(kId, Millis{0});
  record.backend_session = "recovered";
  HF_CHECK(!t.registry.restore(record, 7));
  HF_CHECK(t.begin(kFirst));
  HF_EQ(t.view.backend, BackendId{7});
  HF_EQ(t.view.backend_session, "recovered");
}

HF_TEST(who_awaits_a_session_is_told_when_it_comes) {
  RegistryFixture t;
  const std::string id(kSessionIdChars, 'n');
  t.registry.await(id, kFirst);
  t.registry.await(std::string(kSessionIdChars, 'm'), kSecond);
  std::vector<ExchangeRef> came;
  HF_CHECK(t.registry.restore(handed(id, Millis{0}), 0, &came));
  HF_EQ(came.size(), 1u);
  HF_CHECK(came[0] == kFirst);
}

HF_TEST(what_the_client_has_ended_does_not_come_back_by_what_was_on_its_way) {
  for (const EndReason reason : {EndReason::client_delete, EndReason::backend_ended}) {
    RegistryFixture t;
    HF_CHECK(t.registry.end(kId, reason));
    HF_CHECK(!t.registry.restore(handed(kId, Millis{0}), 0));
    HF_CHECK(!t.registry.knows(kId, kAlice));
  }
  RegistryFixture t;
  HF_CHECK(t.registry.end(kId, EndReason::idle_timeout));  // speaks for this holder alone
  HF_CHECK(t.registry.restore(handed(kId, Millis{0}), 0));
}

HF_TEST(what_sessiond_says_once_it_has_heard_of_an_end_holds) {
  RegistryFixture t;
  HF_CHECK(t.registry.end(kId, EndReason::client_delete));
  t.registry.end_acknowledged("another");
  HF_CHECK(!t.registry.restore(handed(kId, Millis{0}), 0));
  t.registry.end_acknowledged(kId);
  HF_CHECK(t.registry.restore(handed(kId, Millis{0}), 0));
}

HF_TEST(those_who_await_are_bounded_whatever_ids_are_invented) {
  RegistryFixture t;
  const std::string id(kSessionIdChars, 'n');
  for (uint64_t i = 0; i < 10'000; ++i) t.registry.await(id, {0, i});
  std::vector<ExchangeRef> came;
  HF_CHECK(t.registry.restore(handed(id, Millis{0}), 0, &came));
  HF_CHECK(came.size() <= 64);
  HF_EQ(came.back().exchange, uint64_t{9'999});
}

int main() {
  const CMUnitTest tests[] = {
      HF_UNIT(what_the_client_has_ended_does_not_come_back_by_what_was_on_its_way),
      HF_UNIT(what_sessiond_says_once_it_has_heard_of_an_end_holds),
      HF_UNIT(a_probe_ends_nothing_and_says_how_long_it_has_been_idle),
      HF_UNIT(a_request_in_flight_is_alive_to_a_probe),
      HF_UNIT(requests_wait_while_others_are_asked_and_go_on_when_released),
      HF_UNIT(a_stranger_is_not_told_that_the_session_is_held),
      HF_UNIT(a_drop_in_time_ends_the_session_and_tells_who_waits),
      HF_UNIT(without_a_decision_requests_go_on_and_a_late_drop_spares_who_has_waited),
      HF_UNIT(a_client_that_left_while_it_waited_holds_nothing_for_long),
      HF_UNIT(nor_is_a_client_that_left_while_it_waited_a_sign_of_life_to_a_later_probe),
      HF_UNIT(who_waits_makes_the_next_probe_find_it_alive),
      HF_UNIT(what_another_holder_told_moves_the_clock_forward_only),
      HF_UNIT(another_users_record_changes_nothing),
      HF_UNIT(a_session_follows_its_backend_session_to_where_another_holder_found_it),
      HF_UNIT(who_awaits_a_session_is_told_when_it_comes),
      HF_UNIT(those_who_await_are_bounded_whatever_ids_are_invented),
  };
  return HF_RUN(tests);
}
