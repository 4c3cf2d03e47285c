// The demo backend without anything in front: what the other end-to-end tests take for granted.
#include "tests/support/hf_test.h"
#include "tests/support/pair.h"
#include "tests/support/scripted_backend.h"

using namespace holdfast::test;

HF_TEST(streamable_client_gets_a_session_answers_and_notifications) {
  const DemoBackend backend;
  StreamableClient client(backend.port());
  client.open();
  HF_CHECK(!client.session().empty());
  HF_EQ(tool_text(client.call("echo", R"({"message":"héllo"})")), "héllo");

  SseClient stream = client.get();
  HF_CHECK(stream.streaming());
  HF_EQ(client.post(rpc("resources/subscribe", "2", R"({"uri":"demo://counter"})")).status, 200);
  HF_EQ(tool_text(client.call("bump")), "1");
  const Event event = stream.next();
  HF_EQ(Json{event.data}["method"].text(), "notifications/resources/updated");

  HF_EQ(client.remove().status, 200);
  HF_CHECK(stream.wait_end() == BodyEnd::framed);
  HF_EQ(client.remove().status, 404);
}

HF_TEST(get_stream_replays_what_followed_the_last_event_id) {
  const DemoBackend backend;
  StreamableClient client(backend.port());
  client.open();
  (void)client.post(rpc("resources/subscribe", "2", R"({"uri":"demo://counter"})"));
  for (int i = 0; i < 3; ++i) (void)client.call("bump");
  SseClient stream = client.get("evt-1");
  HF_EQ(stream.next().id, "evt-2");
  HF_EQ(stream.next().id, "evt-3");
}

HF_TEST(progress_arrives_while_a_slow_call_is_still_running) {
  const DemoBackend backend;
  StreamableClient client(backend.port());
  client.open();
  SseClient stream = client.stream_post(
      tool_call("7", "slow", R"({"steps":100000,"interval_ms":20})", R"({"progressToken":"p"})"));
  (void)stream.next();  // priming event
  HF_EQ(Json{stream.next().data}["params"]["progress"].integer(), 1);
  HF_EQ(backend.state()["exchanges"].integer(), 1);
  HF_EQ(client.post(rpc("notifications/cancelled", {}, R"({"requestId":7})")).status, 202);
  HF_CHECK(stream.wait_end() == BodyEnd::framed);
}

HF_TEST(a_question_to_the_client_is_answered_by_its_post) {
  const DemoBackend backend;
  StreamableClient client(backend.port());
  client.open();
  SseClient stream = client.stream_post(tool_call("5", "ask", R"({"kind":"sampling"})"));
  (void)stream.next();  // priming event
  const Json question{stream.next().data};
  HF_EQ(question["method"].text(), "sampling/createMessage");
  const std::string id = question["id"].dump();
  const Response accepted =
      client.post(R"({"jsonrpc":"2.0","id":)" + id + R"(,"result":{"content":"42"}})");
  HF_EQ(accepted.status, 202);
  HF_EQ(tool_text(Json{stream.next().data}), R"(answer: {"content":"42"})");
  HF_CHECK(stream.wait_end() == BodyEnd::framed);
}

HF_TEST(legacy_client_lives_on_its_stream) {
  const DemoBackend backend;
  LegacyClient client(backend.port());
  client.open();
  HF_EQ(tool_text(client.call("add", R"({"a":2,"b":3})")), "5");
  client.stream().close();
  HF_CHECK(eventually([&] { return backend.state()["sessions"].size() == 0; }));
  HF_EQ(backend.state()["ended"][size_t{0}]["how"].text(), "client_left");
}

HF_TEST(modern_requests_need_no_session_and_are_checked) {
  const DemoBackend backend;
  const Response answer =
      fetch(backend.port(),
            modern_request("tools/call", "1", R"({"name":"echo","arguments":{"message":"m"}})"));
  HF_EQ(answer.status, 200);
  HF_CHECK(!answer.header("Mcp-Session-Id"));
  HF_EQ(tool_text(answer_in(answer, "1")), "m");
  check_refusal(fetch(backend.port(), modern_request("tools/nope", "\"x\"")), 404, -32601, "\"x\"");
  Request mismatch = modern_request("tools/list", "1");
  mismatch.headers.back().second = "ping";  // Mcp-Method
  check_refusal(fetch(backend.port(), mismatch), 400, -32020, "1");
}

HF_TEST(a_listener_is_acknowledged_and_told) {
  const DemoBackend backend;
  SseClient stream(
      backend.port(),
      modern_request("subscriptions/listen", "\"l1\"",
                     R"({"notifications":{"resourceSubscriptions":["demo://counter"]}})"));
  HF_EQ(Json{stream.next().data}["method"].text(), "notifications/subscriptions/acknowledged");
  (void)fetch(backend.port(), modern_request("tools/call", "2", R"({"name":"bump"})"));
  const Json updated{stream.next().data};
  HF_EQ(updated["params"]["_meta"]["io.modelcontextprotocol/subscriptionId"].text(), "l1");
}

HF_TEST(streams_end_and_break_as_ordered) {
  const DemoBackend backend;
  SseClient ended(backend.port(), modern_request("subscriptions/listen", "1"));
  (void)ended.next();
  (void)backend.tell("close-streams", R"({"how":"end"})");
  HF_CHECK(ended.wait_end() == BodyEnd::framed);
  SseClient broken(backend.port(), modern_request("subscriptions/listen", "1"));
  (void)broken.next();
  (void)backend.tell("close-streams", R"({"how":"cut"})");
  HF_CHECK(broken.wait_end() == BodyEnd::cut);
}

HF_TEST(a_script_records_what_it_was_sent_and_answers_what_it_says) {
  ScriptedBackend backend([](Peer &peer) {
    (void)peer.read_request();
    peer.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n");
    peer.reset();
  });
  const Response response = fetch(backend.port(), mcp_post("/mcp", rpc("ping", "1")));
  HF_EQ(response.status, 200);
  HF_CHECK(response.end == BodyEnd::reset || response.end == BodyEnd::cut);
  HF_EQ(backend.requests().size(), 1U);
  HF_CHECK(backend.requests()[0].find(R"("method":"ping")") != std::string::npos);
  HF_EQ(backend.failure(), "");
}

int main() {
  const CMUnitTest tests[] = {
      HF_UNIT(streamable_client_gets_a_session_answers_and_notifications),
      HF_UNIT(get_stream_replays_what_followed_the_last_event_id),
      HF_UNIT(progress_arrives_while_a_slow_call_is_still_running),
      HF_UNIT(a_question_to_the_client_is_answered_by_its_post),
      HF_UNIT(legacy_client_lives_on_its_stream),
      HF_UNIT(modern_requests_need_no_session_and_are_checked),
      HF_UNIT(a_listener_is_acknowledged_and_told),
      HF_UNIT(streams_end_and_break_as_ordered),
      HF_UNIT(a_script_records_what_it_was_sent_and_answers_what_it_says),
  };
  return HF_RUN(tests);
}
