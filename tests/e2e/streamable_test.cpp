// Streamable HTTP through the pair: the client's session id is the proxy's, the backend's never
// leaves, and everything the transport allows passes.
#include <algorithm>

#include "tests/support/hf_test.h"
#include "tests/support/pair.h"

using namespace holdfast::test;

namespace {

bool is_our_id(const std::string &id) {
  return id.size() == 32 && std::all_of(id.begin(), id.end(), [](unsigned char c) {
           return std::isalnum(c) != 0 || c == '-' || c == '_';
         });
}

bool mentions(const Response &response, const std::string &secret) {
  return response.body.find(secret) != std::string::npos ||
         std::any_of(response.headers.begin(), response.headers.end(), [&](const auto &header) {
           return header.second.find(secret) != std::string::npos;
         });
}

int64_t requests_seen(const Pair &pair, const char *kind) {
  const Json count = backend_state(pair.backend_port())["requests"][kind];
  return count.present() ? count.integer() : 0;
}

}  // namespace

HF_TEST(initialize_gets_an_id_of_ours_and_the_backends_never_leaves) {
  const Pair pair;
  StreamableClient client(pair.proxy_port());
  const Response opened = client.initialize();
  HF_EQ(opened.status, 200);
  HF_EQ(opened.count("Mcp-Session-Id"), 1U);
  HF_CHECK(is_our_id(client.session()));
  const std::string backend_id =
      backend_state(pair.backend_port())["sessions"][size_t{0}]["id"].text();
  HF_CHECK(backend_id != client.session());
  HF_CHECK(!mentions(opened, backend_id));
  HF_CHECK(!mentions(client.post(tool_call("1", "clock")), backend_id));
  HF_EQ(client.get().head().header("Mcp-Session-Id").value_or(""), client.session());
  // What the backend was asked with is its own id.
  HF_EQ(
      backend_state(pair.backend_port())["last"]["tools/call"]["headers"]["mcp-session-id"].text(),
      backend_id);
}

HF_TEST(calls_are_answered_as_event_streams) {
  const Pair pair;
  StreamableClient client(pair.proxy_port());
  client.open();
  const Response answer = client.post(tool_call("\"a-1\"", "echo", R"({"message":"grüße"})"));
  HF_EQ(answer.header("Content-Type").value_or(""), "text/event-stream");
  HF_EQ(tool_text(answer_in(answer, "\"a-1\"")), "grüße");
  HF_CHECK(answer.end == BodyEnd::framed);
}

HF_TEST(calls_are_answered_as_json) {
  PairOptions options;
  options.backend_args = {"--answer", "json"};
  const Pair pair(options);
  StreamableClient client(pair.proxy_port());
  client.open();
  const Response answer = client.post(tool_call("7", "add", R"({"a":20,"b":22})"));
  HF_EQ(answer.header("Content-Type").value_or(""), "application/json");
  HF_EQ(tool_text(answer_in(answer, "7")), "42");
}

HF_TEST(notifications_arrive_on_the_get_stream_and_are_replayed_after_a_reconnect) {
  const Pair pair;
  StreamableClient client(pair.proxy_port());
  client.open();
  HF_EQ(client.post(rpc("resources/subscribe", "2", R"({"uri":"demo://counter"})")).status, 200);
  SseClient stream = client.get();
  HF_CHECK(stream.streaming());
  (void)client.call("bump");
  const Event first = stream.next();
  HF_EQ(Json{first.data}["method"].text(), "notifications/resources/updated");
  HF_EQ(first.id, "evt-1");
  stream.close();
  (void)client.call("bump");
  (void)client.call("bump");
  // The backend allows one GET stream: ours must be gone there before the next one is opened.
  SseClient resumed = client.get("evt-1");
  HF_CHECK(resumed.streaming());
  HF_EQ(resumed.next().id, "evt-2");
  HF_EQ(resumed.next().id, "evt-3");
}

HF_TEST(delete_ends_the_session_here_and_at_the_backend) {
  const Pair pair;
  StreamableClient client(pair.proxy_port());
  client.open();
  SseClient stream = client.get();
  HF_EQ(client.remove().status / 100, 2);
  HF_CHECK(stream.wait_end() == BodyEnd::framed);
  const Json ended = backend_state(pair.backend_port())["ended"];
  HF_EQ(ended.size(), 1U);
  HF_EQ(ended[size_t{0}]["how"].text(), "delete");

  check_refusal(client.post(tool_call("17", "clock")), 404, -32001, "17");
  check_refusal(client.post(tool_call("\"x\"", "clock")), 404, -32001, "\"x\"");
  check_refusal(client.remove(), 404, -32001, "null");
  check_refusal(fetch(pair.proxy_port(),
                      {"GET",
                       "/mcp",
                       {{"Accept", "text/event-stream"}, {"Mcp-Session-Id", client.session()}},
                       {}}),
                404, -32001, "null");
}

HF_TEST(initialize_with_a_stale_id_opens_a_new_session) {
  const Pair pair;
  StreamableClient client(pair.proxy_port());
  client.open();
  const std::string old = client.session();
  HF_EQ(client.remove().status / 100, 2);
  const Response again = client.initialize("\"again\"");
  HF_EQ(again.status, 200);
  HF_CHECK(answer_in(again, "\"again\"")["result"].present());
  HF_CHECK(client.session() != old);
  HF_EQ(tool_text(client.call("echo", R"({"message":"back"})")), "back");
}

HF_TEST(a_forged_id_is_unknown_and_never_reaches_the_backend) {
  const Pair pair;
  StreamableClient client(pair.proxy_port());
  client.set_session("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA");
  check_refusal(client.post(tool_call("3", "clock")), 404, -32001, "3");
  check_refusal(client.remove(), 404, -32001, "null");
  StreamableClient victim(pair.proxy_port());
  victim.open();
  // A backend's own id is no way in either.
  client.set_session(backend_state(pair.backend_port())["sessions"][size_t{0}]["id"].text());
  check_refusal(client.post(tool_call("4", "clock")), 404, -32001, "4");
  HF_EQ(requests_seen(pair, "tools/call"), 0);
  HF_EQ(requests_seen(pair, "DELETE /mcp"), 0);
  pair.wait_sessions(1);
}

HF_TEST(batches_pass) {
  const Pair pair;
  StreamableClient client(pair.proxy_port());
  client.open();
  const Response answer = client.post("[" + rpc("ping", "1") + "," + rpc("notifications/x") + "," +
                                      tool_call("2", "echo", R"({"message":"b"})") + "]");
  HF_CHECK(answer_in(answer, "1")["result"].present());
  HF_EQ(tool_text(answer_in(answer, "2")), "b");
}

HF_TEST(a_question_of_the_server_is_answered_by_a_post_of_the_client) {
  const Pair pair;
  StreamableClient client(pair.proxy_port());
  client.open();
  SseClient stream = client.stream_post(tool_call("5", "ask", R"({"prompt":"age?"})"));
  (void)stream.next();  // priming event
  const Json question{stream.next().data};
  HF_EQ(question["method"].text(), "elicitation/create");
  const std::string id = question["id"].dump();
  HF_EQ(client.post(R"({"jsonrpc":"2.0","id":)" + id + R"(,"result":{"action":"accept"}})").status,
        202);
  HF_EQ(tool_text(Json{stream.next().data}), R"(answer: {"action":"accept"})");
  HF_CHECK(stream.wait_end() == BodyEnd::framed);
}

HF_TEST(a_session_the_backend_forgot_is_gone_here_too) {
  Pair pair;
  StreamableClient client(pair.proxy_port());
  client.open();
  (void)pair.backend().tell("forget");
  const Response lost = client.post(tool_call("9", "clock"));
  HF_EQ(lost.status, 404);
  pair.wait_sessions(0);
  HF_EQ(client.initialize().status, 200);
  HF_EQ(tool_text(client.call("echo", R"({"message":"new"})")), "new");
}

HF_TEST(a_backend_without_sessions_is_relayed_as_it_is) {
  PairOptions options;
  options.backend_args = {"--no-sessions"};
  const Pair pair(options);
  StreamableClient client(pair.proxy_port());
  const Response opened = client.initialize();
  HF_EQ(opened.status, 200);
  HF_CHECK(!opened.header("Mcp-Session-Id"));
  HF_EQ(tool_text(client.call("echo", R"({"message":"plain"})")), "plain");
  HF_EQ(client.get().head().status, 405);
  pair.wait_sessions(0);
}

HF_TEST(a_post_without_a_session_gets_the_backends_own_answer) {
  const Pair pair;
  const Response answer = fetch(pair.proxy_port(), mcp_post("/mcp", tool_call("1", "clock")));
  check_refusal(answer, 400, -32000, "null");
  HF_CHECK(answer.body.find("Mcp-Session-Id header is required") != std::string::npos);
}

HF_TEST(a_client_that_comes_back_at_once_gets_its_stream) {
  const Pair pair;
  StreamableClient client(pair.proxy_port());
  client.open();
  for (int i = 0; i < 30; ++i) {
    SseClient stream = client.get();
    HF_EQ(stream.head().status, 200);
    stream.close();  // the next GET may overtake it on its way to the backend
  }
}

HF_TEST(a_second_stream_the_backend_refuses_for_good_is_its_own_answer) {
  const Pair pair;
  StreamableClient client(pair.proxy_port());
  client.open();
  const SseClient first = client.get();
  HF_EQ(first.head().status, 200);
  HF_EQ(client.get().head().status, 409);
  HF_EQ(tool_text(client.call("echo", R"({"message":"alive"})")), "alive");
}

HF_TEST(two_session_ids_in_one_request_are_refused) {
  const Pair pair;
  StreamableClient client(pair.proxy_port());
  client.open();
  Request request = mcp_post("/mcp", tool_call("1", "clock"), client.headers());
  request.headers.emplace_back("Mcp-Session-Id", client.session());
  HF_EQ(fetch(pair.proxy_port(), request).status, 400);
}

int main() {
  const CMUnitTest tests[] = {
      HF_UNIT(initialize_gets_an_id_of_ours_and_the_backends_never_leaves),
      HF_UNIT(calls_are_answered_as_event_streams),
      HF_UNIT(calls_are_answered_as_json),
      HF_UNIT(notifications_arrive_on_the_get_stream_and_are_replayed_after_a_reconnect),
      HF_UNIT(delete_ends_the_session_here_and_at_the_backend),
      HF_UNIT(initialize_with_a_stale_id_opens_a_new_session),
      HF_UNIT(a_forged_id_is_unknown_and_never_reaches_the_backend),
      HF_UNIT(batches_pass),
      HF_UNIT(a_question_of_the_server_is_answered_by_a_post_of_the_client),
      HF_UNIT(a_session_the_backend_forgot_is_gone_here_too),
      HF_UNIT(a_backend_without_sessions_is_relayed_as_it_is),
      HF_UNIT(a_post_without_a_session_gets_the_backends_own_answer),
      HF_UNIT(a_client_that_comes_back_at_once_gets_its_stream),
      HF_UNIT(a_second_stream_the_backend_refuses_for_good_is_its_own_answer),
      HF_UNIT(two_session_ids_in_one_request_are_refused),
  };
  return HF_RUN(tests);
}
