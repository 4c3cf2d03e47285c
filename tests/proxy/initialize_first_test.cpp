// Legacy sessions nothing but an initialize may begin: until when the registry says so.
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

int main() {
  const CMUnitTest tests[] = {
      HF_UNIT(a_session_that_begins_with_initialize_says_so_until_it_has_come),
  };
  return HF_RUN(tests);
}
