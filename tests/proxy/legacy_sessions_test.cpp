// What the registry knows of legacy sessions alone: that an initialize has to begin them, and until
// when it says so; the ids of the calls whose answers only their stream can bring.
#include "tests/proxy/registry_fixture.h"
#include "tests/support/hf_test.h"

using namespace holdfast;
using namespace holdfast::proxy;
using namespace holdfast::proxy::test;

HF_TEST(a_session_that_begins_with_initialize_says_so_until_it_has_come) {
  RegistryFixture t;
  SessionIdentity identity;
  identity.id = "legacy-1";
  identity.transport = Transport::sse;
  identity.initialize_first = true;
  (void)t.registry.bind(identity, false, kOpener);
  const auto begin = [&](ExchangeRef exchange) {
    HF_CHECK(t.registry.begin("legacy-1", "-", exchange, true, t.view));
    return t.view.awaits_initialize;
  };
  HF_CHECK(begin(kFirst));
  const mcp::RpcMessage other[] = {request("tools/call", "1"), notification("initialized")};
  t.registry.classify("legacy-1", kFirst, other);
  HF_CHECK(begin(kSecond));
  const mcp::RpcMessage first[] = {request("initialize", "1")};
  t.registry.classify("legacy-1", kSecond, first);
  HF_CHECK(!begin({0, 9}));
  HF_CHECK(t.begin(kFirst) && !t.view.awaits_initialize);  // a session without that rule
}

HF_TEST(calls_the_backend_took_are_in_flight_until_their_answer) {
  RegistryFixture t;
  SessionIdentity identity;
  identity.id = "legacy-1";
  identity.transport = Transport::sse;
  (void)t.registry.bind(identity, false, kOpener);
  HF_CHECK(t.registry.begin("legacy-1", "-", kFirst, true, t.view));
  const mcp::RpcMessage calls[] = {request("tools/call", "1"), request("tools/list", "\"p\""),
                                   notification("notifications/x")};
  t.registry.classify("legacy-1", kFirst, calls);
  HF_CHECK(t.registry.calls_in_flight("legacy-1").empty());  // the POST itself may still fail
  (void)t.registry.finish("legacy-1", kFirst, SessionRegistry::Finish::open_ended);
  HF_CHECK(t.registry.calls_in_flight("legacy-1") == (std::vector<std::string>{"1", "\"p\""}));
  t.registry.on_response("legacy-1", "1");
  HF_CHECK(t.registry.calls_in_flight("legacy-1") == std::vector<std::string>{"\"p\""});
  t.clock.advance(std::chrono::hours{2});  // the time has passed in which an answer may come
  HF_CHECK(t.registry.calls_in_flight("legacy-1").empty());
  // A streamable session's answers have streams of their own.
  HF_CHECK(t.begin(kSecond));
  t.registry.classify(kId, kSecond, calls);
  (void)t.registry.finish(kId, kSecond, SessionRegistry::Finish::open_ended);
  HF_CHECK(t.registry.calls_in_flight(kId).empty());
}

HF_TEST(a_lost_backend_is_opened_again_over_the_client_s_stream_as_long_as_it_stands) {
  using Start = SessionRecovery::Start;
  RegistryFixture t;
  SessionIdentity identity;
  identity.id = "legacy-1";
  identity.transport = Transport::sse;
  identity.target = "/sse?x=1";
  identity.backend_session = "/message?sessionId=b1";
  (void)t.registry.bind(identity, false, kOpener);
  t.registry.add_stream("legacy-1", kOpener);
  HF_CHECK(!t.registry.awaits_result("legacy-1", "0"));  // no initialize was kept
  HF_CHECK(!t.registry.stream_waits("legacy-1"));
  t.registry.keep_initialize("legacy-1", "refused", "1");
  t.registry.keep_initialize("legacy-1", "kept", "0");
  HF_CHECK(t.registry.awaits_result("legacy-1", "0") == true);
  HF_CHECK(t.registry.awaits_result("legacy-1", "1") == false);
  HF_CHECK(!t.registry.stream_waits("legacy-1"));  // there is nothing to compare with
  t.registry.keep_result("legacy-1", 17);
  t.registry.keep_initialize("legacy-1", "another", "0");
  HF_CHECK(!t.registry.awaits_result("legacy-1", "0"));
  HF_CHECK(t.registry.stream_waits("legacy-1"));
  HF_CHECK(t.registry.begin("legacy-1", "-", kFirst, true, t.view) && t.view.streams_wait);

  RecoveryPlan plan;
  HF_CHECK(t.registry.start_recovery("legacy-1", kFirst, 0, plan) == Start::lead);
  HF_CHECK(plan.stream == kOpener);
  HF_EQ(plan.target, "/sse?x=1");
  HF_EQ(plan.initialize, "kept");
  const auto recovered =
      t.registry.finish_recovery("legacy-1", kNoBackend, "/message?sessionId=b2");
  HF_CHECK(recovered && recovered->waiting == std::vector<ExchangeRef>{kFirst});
  HF_CHECK(t.registry.look("legacy-1", t.view));
  HF_EQ(t.view.backend_session, "/message?sessionId=b2");
  HF_CHECK(!t.view.streams_wait && t.view.generation == 1);
  // Between the stream's end and the session's there is nobody to open it for.
  (void)t.registry.finish("legacy-1", kOpener, SessionRegistry::Finish::answered);
  HF_CHECK(t.registry.start_recovery("legacy-1", kFirst, 1, plan) == Start::hopeless);
}

int main() {
  const CMUnitTest tests[] = {
      HF_UNIT(a_lost_backend_is_opened_again_over_the_client_s_stream_as_long_as_it_stands),
      HF_UNIT(calls_the_backend_took_are_in_flight_until_their_answer),
      HF_UNIT(a_session_that_begins_with_initialize_says_so_until_it_has_come),
  };
  return HF_RUN(tests);
}
