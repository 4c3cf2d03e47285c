// What the registry remembers of sessions that are over, and what it tells of those that live:
// bounded, and never to another user.
#include "proxy/recently_ended.h"
#include "proxy/session_registry.h"
#include "tests/proxy/registry_fixture.h"
#include "tests/support/hf_test.h"

using namespace holdfast;
using namespace holdfast::proxy;
using namespace holdfast::proxy::test;
using std::chrono::hours;
using std::chrono::seconds;

HF_TEST(the_reason_of_an_end_is_told_to_its_user_and_to_nobody_else) {
  RegistryFixture t;
  HF_CHECK(t.registry.why_ended(kId, kAlice) == EndReason::unknown);  // it lives
  HF_CHECK(t.registry.end(kId, EndReason::admin).has_value());
  HF_CHECK(t.registry.why_ended(kId, kAlice) == EndReason::admin);
  HF_CHECK(t.registry.why_ended(kId, "bob") == EndReason::unknown);
  HF_CHECK(t.registry.why_ended("q0ZrBBBB", kAlice) == EndReason::unknown);
}

HF_TEST(the_latest_end_of_an_id_counts) {
  RegistryFixture t;
  HF_CHECK(t.registry.end(kId, EndReason::admin).has_value());
  t.bind(kId);
  t.clock.advance(seconds{60});
  const auto verdict = t.registry.drop_if_idle(kId, seconds{60}, EndReason::capacity);
  HF_CHECK(std::holds_alternative<EndedSession>(verdict));
  HF_CHECK(t.registry.why_ended(kId, kAlice) == EndReason::capacity);
}

HF_TEST(a_reason_is_forgotten_after_its_lifetime) {
  RegistryFixture t;
  HF_CHECK(t.registry.end(kId, EndReason::admin).has_value());
  t.clock.advance(hours{1});
  HF_CHECK(t.registry.why_ended(kId, kAlice) == EndReason::admin);
  t.registry.keep_ends_for(seconds{10});
  HF_CHECK(t.registry.why_ended(kId, kAlice) == EndReason::unknown);
}

HF_TEST(a_shard_keeps_the_latest_ends_only) {
  RecentlyEnded ended;
  const MonoTime now{seconds{5}};
  for (uint64_t id = 0; id <= RecentlyEnded::kMax; ++id) {
    ended.add(id, 7, id % 2 == 0 ? EndReason::admin : EndReason::capacity, now);
  }
  HF_CHECK(!ended.find(0, 7, MonoTime{}));
  HF_CHECK(ended.find(1, 7, MonoTime{}) == EndReason::capacity);
  HF_CHECK(ended.find(RecentlyEnded::kMax, 7, MonoTime{}) == EndReason::admin);
  HF_CHECK(!ended.find(1, 8, MonoTime{}));
  HF_CHECK(!ended.find(1, 7, now + Millis{1}));
}

HF_TEST(a_request_learns_how_long_its_session_lives) {
  RegistryFixture t;
  t.begin(kFirst);
  HF_CHECK(!t.view.life.persistent);
  HF_CHECK(t.view.life.timeout == seconds{60});
  HF_CHECK(t.registry.set_persistent(kId, true));
  t.begin(kSecond);
  HF_CHECK(t.view.life.persistent);
}

HF_TEST(a_change_of_policy_moves_all_but_those_an_admin_spoke_of) {
  RegistryFixture t;
  const std::string pinned = "q0ZrBBBBBBBBBBBBBBBBBBBBBBBBBBBB";
  t.bind(pinned);
  HF_CHECK(t.registry.set_persistent(pinned, true));
  const auto is_persistent = [&](const std::string &id) {
    HF_CHECK(t.registry.begin(id, kAlice, kFirst, false, t.view));
    t.registry.finish(id, kFirst, SessionRegistry::Finish::answered);
    return t.view.life.persistent;
  };
  link::PolicyInfo persistent = policy("", seconds{60});
  persistent.persistent = true;
  t.registry.set_policies({persistent});
  HF_CHECK(is_persistent(kId) && is_persistent(pinned));
  t.registry.set_policies({policy("", seconds{60})});
  HF_CHECK(!is_persistent(kId) && is_persistent(pinned));
}

int main() {
  const CMUnitTest tests[] = {
      HF_UNIT(the_reason_of_an_end_is_told_to_its_user_and_to_nobody_else),
      HF_UNIT(the_latest_end_of_an_id_counts),
      HF_UNIT(a_reason_is_forgotten_after_its_lifetime),
      HF_UNIT(a_shard_keeps_the_latest_ends_only),
      HF_UNIT(a_request_learns_how_long_its_session_lives),
      HF_UNIT(a_change_of_policy_moves_all_but_those_an_admin_spoke_of),
  };
  return HF_RUN(tests);
}
