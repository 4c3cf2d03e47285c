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

int main() {
  const CMUnitTest tests[] = {
      HF_UNIT(calls_the_backend_took_are_in_flight_until_their_answer),
      HF_UNIT(a_session_that_begins_with_initialize_says_so_until_it_has_come),
  };
  return HF_RUN(tests);
}
