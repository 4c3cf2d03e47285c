// Health: sessiond's view while it is there, the proxy's own while it is not; never an error.
#include "tests/support/hf_test.h"
#include "tests/support/pair.h"

using namespace holdfast;
using namespace holdfast::test;

HF_TEST(health_counts_sessions_and_users) {
  PairOptions options;
  options.location = "session_user header X-User;";
  const Pair pair(options);
  const Json empty = pair.health();
  HF_EQ(empty["status"].text(), "ok");
  HF_EQ(empty["sessions"]["total"].integer(), 0);
  StreamableClient a(pair.proxy_port(), "/mcp", {{"X-User", "user123"}});
  StreamableClient b(pair.proxy_port(), "/mcp", {{"X-User", "user123"}});
  StreamableClient c(pair.proxy_port());
  a.open();
  b.open();
  c.open();
  pair.wait_sessions(3);
  const Response response = fetch(pair.proxy_port(), {"GET", "/health", {}, {}});
  HF_EQ(response.status, 200);
  HF_CHECK(response.header("Content-Type").value_or("").starts_with("application/json"));
  const Json sessions = Json{response.body}["sessions"];
  HF_EQ(sessions["total"].integer(), 3);
  HF_EQ(sessions["active"].integer(), 3);
  HF_EQ(sessions["byUser"]["user123"].integer(), 2);
  HF_EQ(a.remove().status / 100, 2);
  HF_CHECK(eventually([&] { return pair.health()["sessions"]["total"] == 2; }));
}

HF_TEST(active_means_idle_for_less_than_the_timeout) {
  PairOptions options;
  // Longer than the second within which activity is told.
  options.sessiond = "session_timeout 1500ms; session_cleanup_interval 50ms; persistent_mode on;";
  const Pair pair(options);
  StreamableClient client(pair.proxy_port());
  client.open();
  pair.wait_sessions(1);
  HF_CHECK(eventually([&] { return pair.health()["sessions"]["active"] == 0; }));
  HF_EQ(pair.health()["sessions"]["total"].integer(), 1);
  (void)client.call("clock");
  HF_CHECK(eventually([&] { return pair.health()["sessions"]["active"] == 1; }));
}

HF_TEST(without_sessiond_the_proxy_answers_degraded_from_its_own_counts) {
  PairOptions options;
  options.location = "session_user header X-User;";
  Pair pair(options);
  StreamableClient client(pair.proxy_port(), "/mcp", {{"X-User", "alice"}});
  client.open();
  pair.kill_sessiond();
  HF_CHECK(eventually([&] { return pair.health()["status"] == "degraded"; }));
  const Response response = fetch(pair.proxy_port(), {"GET", "/health", {}, {}});
  HF_EQ(response.status, 200);
  const Json health{response.body};
  HF_EQ(health["sessions"]["total"].integer(), 1);
  HF_EQ(health["sessions"]["byUser"]["alice"].integer(), 1);
  pair.start_sessiond();
  pair.wait_linked();
  HF_CHECK(eventually([&] { return pair.health()["sessions"]["total"] == 1; }));
}

HF_TEST(a_proxy_that_never_saw_sessiond_is_degraded_and_alive) {
  PairOptions options;
  options.start_sessiond = false;
  options.locations =
      "location = /live { holdfast_health; } location = /ready { holdfast_health; }";
  const Pair pair(options);
  HF_EQ(pair.health()["status"].text(), "degraded");
  HF_EQ(fetch(pair.proxy_port(), {"GET", "/live", {}, {}}).status, 200);
  HF_EQ(fetch(pair.proxy_port(), {"GET", "/ready", {}, {}}).status, 200);
}

HF_TEST(draining_is_not_ready_but_alive) {
  PairOptions options;
  options.locations =
      "location = /live { holdfast_health; } location = /ready { holdfast_health; }";
  const Pair pair(options);
  HF_EQ(fetch(pair.proxy_port(), {"GET", "/ready", {}, {}}).status, 200);
  (void)pair.admin("drain on");
  HF_EQ(pair.health()["status"].text(), "draining");
  HF_CHECK(eventually([&] {
    return fetch(pair.proxy_port(), {"GET", "/ready", {}, {}}).status == 503;
  }));
  HF_EQ(fetch(pair.proxy_port(), {"GET", "/live", {}, {}}).status, 200);
  HF_EQ(fetch(pair.proxy_port(), {"GET", "/health", {}, {}}).status, 200);
  (void)pair.admin("drain off");
  HF_CHECK(eventually([&] {
    return fetch(pair.proxy_port(), {"GET", "/ready", {}, {}}).status == 200;
  }));
}

HF_TEST(a_dead_backend_makes_it_unready_and_not_unhealthy) {
  PairOptions options;
  options.locations =
      "location = /live { holdfast_health; } location = /ready { holdfast_health; }";
  Pair pair(options);
  pair.backend().process().kill();
  StreamableClient client(pair.proxy_port());
  const auto ready = [&] { return fetch(pair.proxy_port(), {"GET", "/ready", {}, {}}).status; };
  HF_EQ(client.initialize().status, 502);  // a failure is what counts a backend out
  HF_CHECK(eventually([&] { return ready() == 503; }, Millis{1000}));
  HF_EQ(fetch(pair.proxy_port(), {"GET", "/health", {}, {}}).status, 200);
  HF_EQ(fetch(pair.proxy_port(), {"GET", "/live", {}, {}}).status, 200);
}

int main() {
  const CMUnitTest tests[] = {
      HF_UNIT(health_counts_sessions_and_users),
      HF_UNIT(active_means_idle_for_less_than_the_timeout),
      HF_UNIT(without_sessiond_the_proxy_answers_degraded_from_its_own_counts),
      HF_UNIT(a_proxy_that_never_saw_sessiond_is_degraded_and_alive),
      HF_UNIT(draining_is_not_ready_but_alive),
      HF_UNIT(a_dead_backend_makes_it_unready_and_not_unhealthy),
  };
  return HF_RUN(tests);
}
