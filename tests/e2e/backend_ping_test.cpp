// backend_ping: backends of silent persistent sessions are kept awake, on nobody's behalf, and for
// nobody who shows credentials.
#include "tests/support/hf_test.h"
#include "tests/support/pair.h"

using namespace holdfast;
using namespace holdfast::test;

namespace {

PairOptions pinging(std::string location, std::vector<std::string> backend_args = {}) {
  PairOptions options;
  options.backend_args = std::move(backend_args);
  options.location = "backend_ping 50ms; " + std::move(location);
  return options;
}

// Of all sessions the backend has.
int64_t pings(const Pair &pair) {
  const Json count = backend_state(pair.backend_port())["requests"]["ping"];
  return count.present() ? count.integer() : 0;
}

bool pings_reach(const Pair &pair, int64_t count) {
  return eventually([&] { return pings(pair) >= count; });
}

int64_t metric(const Pair &pair, const std::string &name) {
  const std::string text = fetch(pair.proxy_port(), {"GET", "/metrics", {}, {}}).body;
  const size_t at = text.find("\n" + name + " ");
  return at == std::string::npos ? -1 : std::stoll(text.substr(at + name.size() + 2));
}

}  // namespace

HF_TEST(a_silent_session_outlives_its_backends_patience) {
  const Pair pair(pinging("", {"--forget-idle-ms", "1000"}));
  StreamableClient client(pair.proxy_port());
  client.open();
  HF_CHECK(pings_reach(pair, 40));  // two seconds of silence
  HF_EQ(tool_text(client.call("echo", R"({"message":"awake"})")), "awake");
  const Json last = backend_state(pair.backend_port())["last"]["ping"];
  HF_EQ(Json{last["body"].text()}["id"].text().substr(0, 14), "holdfast-ping-");
  HF_EQ(last["headers"]["mcp-protocol-version"].text(), "2025-11-25");
}

HF_TEST(a_ping_moves_no_clock_and_reaches_no_client) {
  const Pair pair(pinging("sse_heartbeat off;"));
  StreamableClient client(pair.proxy_port());
  client.open();
  SseClient stream = client.get();
  (void)client.call("echo", R"({"message":"x"})");
  pair.wait_created();
  const int64_t before = pings(pair);
  HF_CHECK(pings_reach(pair, before + 20));  // 900 ms at least
  HF_CHECK(pair.admin_json("show sess json")[size_t{0}]["idle_ms"].integer() >= 800);
  HF_CHECK(!stream.poll(Millis{0}));
}

HF_TEST(sessions_whose_clients_show_credentials_are_left_alone_and_counted) {
  PairOptions options = pinging("");
  options.locations = "location = /metrics { holdfast_metrics; }";
  const Pair pair(options);
  for (const char *field : {"Authorization", "X-Api-Key", "Cookie"}) {
    StreamableClient known(pair.proxy_port(), "/mcp", {{field, "t"}});
    known.open();
    HF_EQ(known.post(rpc("ping", "1")).status, 200);
  }
  const int64_t own = pings(pair);
  HF_EQ(own, 3);
  // Another client's pings show that theirs would have come.
  StreamableClient client(pair.proxy_port());
  client.open();
  const std::string awake =
      backend_state(
          pair.backend_port())["last"]["notifications/initialized"]["headers"]["mcp-session-id"]
          .text();
  HF_CHECK(pings_reach(pair, own + 10));
  for (size_t i = 0; i < 4; ++i) {
    const Json session = backend_state(pair.backend_port())["sessions"][i];
    HF_EQ(session["pings"].integer() > 1, session["id"].text() == awake);
  }
  HF_CHECK(eventually([&] { return metric(pair, "holdfast_sessions_not_pinged_total") == 3; },
                      Millis{15'000}));
}

HF_TEST(sessions_that_may_expire_are_not_kept_awake) {
  PairOptions options = pinging("");
  options.sessiond = "persistent_mode off;";
  options.locations =
      "location /kept { proxy_pass http://backend; backend_ping 50ms; "
      "session_policy kept; }";
  options.sessiond += " policy kept { persistent_mode on; }";
  const Pair pair(options);
  StreamableClient client(pair.proxy_port());
  client.open();
  StreamableClient kept(pair.proxy_port(), "/kept/mcp");
  kept.open();
  HF_CHECK(pings_reach(pair, 10));
  HF_EQ(backend_state(pair.backend_port())["last"]["ping"]["target"].text(), "/kept/mcp");
  int64_t pinged = 0;
  for (size_t i = 0; i < 2; ++i) {
    if (backend_state(pair.backend_port())["sessions"][i]["pings"].integer() > 0) ++pinged;
  }
  HF_EQ(pinged, 1);
}

HF_TEST(a_session_lost_all_the_same_is_opened_again_before_its_client_asks) {
  Pair pair(pinging("session_recovery on;"));
  StreamableClient client(pair.proxy_port());
  client.open();
  HF_EQ(client.post(rpc("resources/subscribe", "2", R"({"uri":"demo://counter"})")).status, 200);
  SseClient stream = client.get();
  HF_CHECK(pings_reach(pair, 1));
  (void)pair.backend().tell("forget");
  (void)pair.proxy().wait_for_line("event=session_recovered");
  // The old stream may stand there still; what matters is that another was asked for.
  HF_CHECK(
      eventually([&] { return pair.backend().state()["requests"]["GET /mcp"].integer() == 2; }));
  (void)client.call("bump");
  HF_EQ(Json{stream.next().data}["method"].text(), "notifications/resources/updated");
}

HF_TEST(without_recovery_a_session_its_backend_ended_is_ended) {
  Pair pair(pinging(""));
  StreamableClient client(pair.proxy_port());
  client.open();
  pair.wait_created();
  HF_CHECK(pings_reach(pair, 1));
  (void)pair.backend().tell("forget");
  (void)pair.sessiond().wait_for_line("\"reason\":\"backend_ended\"");
  check_refusal(client.post(rpc("ping", "6")), 404, -32001, "6");
}

int main() {
  const CMUnitTest tests[] = {
      HF_UNIT(a_silent_session_outlives_its_backends_patience),
      HF_UNIT(a_ping_moves_no_clock_and_reaches_no_client),
      HF_UNIT(sessions_whose_clients_show_credentials_are_left_alone_and_counted),
      HF_UNIT(sessions_that_may_expire_are_not_kept_awake),
      HF_UNIT(a_session_lost_all_the_same_is_opened_again_before_its_client_asks),
      HF_UNIT(without_recovery_a_session_its_backend_ended_is_ended),
  };
  return HF_RUN(tests);
}
