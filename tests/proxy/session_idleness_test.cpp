// The two idlenesses besides the activity clock by which sessiond may have a session dropped:
// orphaned (nobody has spoken to it) and unused (nobody ever asked it anything).
#include "proxy/session_registry.h"
#include "tests/proxy/registry_fixture.h"
#include "tests/support/hf_test.h"

using namespace holdfast;
using namespace holdfast::proxy;
using namespace holdfast::proxy::test;
using std::chrono::seconds;

HF_TEST(an_orphan_has_neither_a_stream_nor_had_any_exchange_for_so_long) {
  RegistryFixture t;
  const auto orphan = [&](Millis min) {
    return t.registry.drop_if_idle(kId, min, EndReason::orphan_timeout);
  };
  t.clock.advance(seconds{10});
  t.post({request("ping", "1")});  // counts for nothing but a sign of life
  t.clock.advance(seconds{5});
  const auto early = orphan(seconds{10});
  HF_CHECK(std::get<StillAlive>(early).idle == seconds{15});
  HF_CHECK(std::get<StillAlive>(early).unused_for == seconds{5});
  HF_CHECK(!std::get<StillAlive>(early).used);
  t.begin(kFirst, false);
  t.registry.add_stream(kId, kFirst);
  t.clock.advance(seconds{60});
  HF_CHECK(std::get<StillAlive>(orphan(seconds{10})).unused_for == Millis{0});
  t.finish(kFirst);
  t.clock.advance(seconds{10});
  const auto late = orphan(seconds{10});
  HF_CHECK(std::get<EndedSession>(late).reason == EndReason::orphan_timeout);
}

// Of a newer sessiond, which will be told the age and decide anew.
HF_TEST(idleness_in_a_sense_that_is_not_known_drops_nothing) {
  RegistryFixture t;
  t.clock.advance(std::chrono::hours{10});
  const auto verdict = t.registry.drop_if_idle(kId, seconds{10}, EndReason::unknown);
  HF_CHECK(std::get<StillAlive>(verdict).idle == std::chrono::hours{10});
}

HF_TEST(a_session_is_unused_until_its_first_request_after_initialize) {
  const struct {
    const char *name;
    mcp::RpcMessage message;
    bool used;
  } cases[] = {
      {"the handshake's notification", notification("notifications/initialized"), false},
      {"a legacy initialize", request("initialize", "0"), false},
      {"a ping", request("ping", "1"), false},
      {"a list", request("tools/list", "1"), true},
      {"a call", request("tools/call", "1"), true},
  };
  for (const auto &c : cases) {
    RegistryFixture t;
    t.post({c.message});
    t.clock.advance(seconds{10});
    const auto verdict = t.registry.drop_if_idle(kId, seconds{10}, EndReason::unused_timeout);
    const auto *alive = std::get_if<StillAlive>(&verdict);
    if ((alive != nullptr) != c.used) HF_FAIL(c.name);
    HF_CHECK(alive == nullptr || alive->used);
  }
  RegistryFixture young;
  young.clock.advance(seconds{9});
  HF_CHECK(std::holds_alternative<StillAlive>(
      young.registry.drop_if_idle(kId, seconds{10}, EndReason::unused_timeout)));
}

HF_TEST(a_session_handed_back_is_not_taken_for_unused) {
  FakeClock clock;
  SessionRegistry registry{clock};
  link::Record record;
  record.session = kId;
  record.user = kAlice;
  record.age_ms = 60'000;
  HF_CHECK(registry.restore(record, 0));
  const auto verdict = registry.drop_if_idle(kId, seconds{10}, EndReason::unused_timeout);
  HF_CHECK(std::get<StillAlive>(verdict).used);
}

HF_TEST(a_stream_that_kept_its_session_begins_the_idle_time_at_its_end) {
  for (const bool keeps : {false, true}) {
    RegistryFixture f;
    link::PolicyInfo rules = policy("", seconds{60});
    rules.stream_keeps_alive = keeps;
    f.registry.set_policies({rules});
    f.begin(kFirst, false);
    f.registry.add_stream(kId, kFirst);
    f.clock.advance(seconds{3600});
    const Millis idle = f.finish(kFirst);
    HF_CHECK(idle == (keeps ? Millis{0} : seconds{3600}));
    HF_EQ(std::holds_alternative<StillAlive>(f.registry.drop_if_idle(kId, seconds{60})), keeps);
  }
}

int main() {
  const CMUnitTest tests[] = {
      HF_UNIT(an_orphan_has_neither_a_stream_nor_had_any_exchange_for_so_long),
      HF_UNIT(idleness_in_a_sense_that_is_not_known_drops_nothing),
      HF_UNIT(a_session_is_unused_until_its_first_request_after_initialize),
      HF_UNIT(a_session_handed_back_is_not_taken_for_unused),
      HF_UNIT(a_stream_that_kept_its_session_begins_the_idle_time_at_its_end),
  };
  return HF_RUN(tests);
}
