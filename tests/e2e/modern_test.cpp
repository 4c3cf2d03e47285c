// The sessionless era (2026-07-28) through the pair: nothing is minted, nothing is changed; listen
// streams are the only thing that lives.
#include "tests/support/hf_test.h"
#include "tests/support/pair.h"

using namespace holdfast::test;

namespace {

constexpr const char *kListenParams =
    R"({"notifications":{"resourceSubscriptions":["demo://counter"]}})";

Request echo(std::string_view id, Headers more = {}) {
  return modern_request("tools/call", id, R"({"name":"echo","arguments":{"message":"m"}})", "/mcp",
                        std::move(more));
}

}  // namespace

HF_TEST(no_session_id_is_minted_or_echoed) {
  const Pair pair;
  const Response plain = fetch(pair.proxy_port(), echo("1"));
  HF_EQ(tool_text(answer_in(plain, "1")), "m");
  HF_CHECK(!plain.header("Mcp-Session-Id"));
  // A stale id of an earlier life is no reason to refuse.
  const Response stale =
      fetch(pair.proxy_port(), echo("2", {{"Mcp-Session-Id", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"}}));
  HF_EQ(tool_text(answer_in(stale, "2")), "m");
  HF_CHECK(!stale.header("Mcp-Session-Id"));
  pair.wait_sessions(0);
}

HF_TEST(headers_and_body_reach_the_backend_unchanged) {
  const Pair pair;
  Request request = echo("\"id-ü\"", {{"Mcp-Param-Region", "=?base64?w6k=?="},
                                      {"Mcp-Param-Other", "a b"},
                                      {"X-Trace", "t1"},
                                      {"Host", "localhost"}});
  HF_EQ(fetch(pair.proxy_port(), request).status, 200);
  const Json last = backend_state(pair.backend_port())["last"]["tools/call"];
  HF_EQ(last["body"].text(), request.body);
  const Json headers = last["headers"];
  HF_EQ(headers["mcp-method"].text(), "tools/call");
  HF_EQ(headers["mcp-name"].text(), "echo");
  HF_EQ(headers["mcp-protocol-version"].text(), "2026-07-28");
  HF_EQ(headers["mcp-param-region"].text(), "=?base64?w6k=?=");
  HF_EQ(headers["mcp-param-other"].text(), "a b");
  HF_EQ(headers["x-trace"].text(), "t1");
  HF_EQ(headers["host"].text(), "localhost");
}

HF_TEST(the_backends_refusals_pass_as_they_are) {
  const Pair pair;
  check_refusal(fetch(pair.proxy_port(), modern_request("no/such", "\"q\"")), 404, -32601, "\"q\"");
  Request mismatch = modern_request("tools/list", "4");
  mismatch.headers.back().second = "tools/call";  // Mcp-Method
  check_refusal(fetch(pair.proxy_port(), mismatch), 400, -32020, "4");
  const Response get = fetch(
      pair.proxy_port(), {"GET",
                          "/mcp",
                          {{"Accept", "text/event-stream"}, {"MCP-Protocol-Version", "2026-07-28"}},
                          {}});
  HF_EQ(get.status, 405);
  HF_EQ(get.header("Allow").value_or(""), "POST");
}

HF_TEST(input_required_is_answered_by_a_repeated_call) {
  const Pair pair;
  const Response asked =
      fetch(pair.proxy_port(), modern_request("tools/call", "1", R"({"name":"ask"})"));
  HF_EQ(answer_in(asked, "1")["result"]["resultType"].text(), "input_required");
  const Response told =
      fetch(pair.proxy_port(),
            modern_request("tools/call", "2",
                           R"({"name":"ask","inputResponses":{"answer":{"action":"decline"}}})"));
  HF_EQ(tool_text(answer_in(told, "2")), R"(answer: {"action":"decline"})");
}

HF_TEST(a_listener_hears_updates_and_heartbeats) {
  PairOptions options;
  options.location = "sse_heartbeat 100ms;";
  const Pair pair(options);
  SseClient stream(pair.proxy_port(),
                   modern_request("subscriptions/listen", "\"l\"", kListenParams));
  HF_CHECK(stream.streaming());
  HF_CHECK(!stream.head().header("Mcp-Session-Id"));
  HF_EQ(Json{stream.next().data}["method"].text(), "notifications/subscriptions/acknowledged");
  const Event heartbeat = stream.next_frame();
  HF_EQ(heartbeat.raw, ": ping\n\n");
  HF_EQ(fetch(pair.proxy_port(), modern_request("tools/call", "2", R"({"name":"bump"})")).status,
        200);
  HF_EQ(Json{stream.next().data}["method"].text(), "notifications/resources/updated");
  pair.wait_sessions(1);
  const Json sessions = pair.admin_json("show sess json");
  HF_EQ(sessions[size_t{0}]["transport"].text(), "listen");
  stream.close();
  pair.wait_sessions(0);
  HF_CHECK(eventually([&] { return backend_state(pair.backend_port())["streams"].size() == 0; }));
}

HF_TEST(an_expired_listener_gets_its_result_and_a_clean_end) {
  PairOptions options;
  options.sessiond = "session_timeout 300ms; session_cleanup_interval 50ms; persistent_mode off;";
  options.location = "sse_heartbeat 50ms;";  // must not keep it
  const Pair pair(options);
  for (const char *id : {"\"listen:0\"", "17"}) {
    SseClient stream(pair.proxy_port(), modern_request("subscriptions/listen", id, kListenParams));
    HF_EQ(Json{stream.next().data}["method"].text(), "notifications/subscriptions/acknowledged");
    const Event last = stream.next();
    HF_EQ(last.raw, std::string("event: message\ndata: {\"jsonrpc\":\"2.0\",\"id\":") + id +
                        R"(,"result":{"resultType":"complete","_meta":{)" +
                        R"("io.modelcontextprotocol/subscriptionId":)" + id + "}}}\n\n");
    HF_CHECK(stream.wait_end() == BodyEnd::framed);
  }
  HF_CHECK(eventually([&] { return backend_state(pair.backend_port())["streams"].size() == 0; }));
}

// Notifications are what a listen is used for; comments are not.
HF_TEST(a_listener_that_hears_something_is_not_idle) {
  PairOptions options;
  options.sessiond = "session_timeout 1500ms; session_cleanup_interval 50ms; persistent_mode off;";
  options.location = "sse_heartbeat 50ms;";
  Pair pair(options);
  SseClient stream(pair.proxy_port(), modern_request("subscriptions/listen", "1", kListenParams));
  (void)stream.next();
  const holdfast::SystemClock clock;
  const holdfast::MonoTime begin = clock.now();
  while (clock.now() - begin < std::chrono::seconds{2}) {
    (void)pair.backend().tell(
        "emit", R"({"message":{"jsonrpc":"2.0","method":"notifications/resources/updated",)"
                R"("params":{"uri":"demo://counter"}}})");
    HF_EQ(Json{stream.next().data}["method"].text(), "notifications/resources/updated");
  }
  HF_CHECK(stream.next().data.find("\"resultType\":\"complete\"") != std::string::npos);
  HF_CHECK(stream.wait_end() == BodyEnd::framed);
}

HF_TEST(a_client_that_leaves_has_cancelled) {
  const Pair pair;
  SseClient stream(pair.proxy_port(),
                   modern_request("tools/call", "1",
                                  R"({"name":"slow","arguments":{"steps":100000,"interval_ms":10},)"
                                  R"("_meta":{"progressToken":"p"}})"));
  HF_EQ(Json{stream.next().data}["params"]["progress"].integer(), 1);
  HF_EQ(backend_state(pair.backend_port())["exchanges"].integer(), 1);
  stream.close();
  HF_CHECK(eventually([&] { return backend_state(pair.backend_port())["exchanges"] == 0; }));
}

int main() {
  const CMUnitTest tests[] = {
      HF_UNIT(no_session_id_is_minted_or_echoed),
      HF_UNIT(headers_and_body_reach_the_backend_unchanged),
      HF_UNIT(the_backends_refusals_pass_as_they_are),
      HF_UNIT(input_required_is_answered_by_a_repeated_call),
      HF_UNIT(a_listener_hears_updates_and_heartbeats),
      HF_UNIT(an_expired_listener_gets_its_result_and_a_clean_end),
      HF_UNIT(a_listener_that_hears_something_is_not_idle),
      HF_UNIT(a_client_that_leaves_has_cancelled),
  };
  return HF_RUN(tests);
}
