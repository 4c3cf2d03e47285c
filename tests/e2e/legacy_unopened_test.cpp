// HTTP+SSE streams that get their endpoint before there is a backend: what they cost until an
// initialize comes, how the POST that brings it fares, and how such places are learned and
// forgotten.
#include <atomic>

#include "tests/support/gate.h"
#include "tests/support/hf_test.h"
#include "tests/support/pair.h"
#include "tests/support/scripted_backend.h"

using namespace holdfast;
using namespace holdfast::test;

namespace {

constexpr std::string_view kInitialize =
    R"({"jsonrpc":"2.0","id":"i-1","method":"initialize","params":{"protocolVersion":"2025-11-25",)"
    R"("capabilities":{},"clientInfo":{"name":"hf-test","version":"1.0.0"}}})";
constexpr std::string_view kStreamHead =
    "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nCache-Control: no-cache\r\n"
    "Connection: close\r\n\r\n";
constexpr std::string_view kEndpoint = "event: endpoint\ndata: /message?sessionId=b1\n\n";

PairOptions at_once(const std::string &location = {}) {
  PairOptions options;
  options.location = "legacy_sse on; " + location;
  return options;
}
PairOptions before(uint16_t backend_port, const std::string &location) {
  PairOptions options;
  options.backend_port = backend_port;
  options.location = location;
  return options;
}

// Sessions the demo backend ever had.
size_t sessions_ever(const Pair &pair) {
  const Json state = backend_state(pair.backend_port());
  return state["sessions"].size() + state["ended"].size();
}

bool is_get(const std::string &request) { return request.starts_with("GET "); }
size_t gets_count(const ScriptedBackend &backend) {
  size_t count = 0;
  for (const std::string &request : backend.requests()) count += is_get(request) ? 1 : 0;
  return count;
}

// A backend that takes the POSTs and does with a GET what the script says.
ScriptedBackend::Script on_get(std::function<void(Peer &, const std::string &)> answer) {
  return [answer = std::move(answer)](Peer &peer) {
    for (;;) {
      const std::string request = peer.read_request();
      if (request.empty()) return;
      if (is_get(request)) {
        answer(peer, request);
      } else {
        peer.answer(202, "text/plain", "Accepted");
      }
    }
  };
}

// A stream that stays open until its peer leaves.
void streams(Peer &peer) {
  peer.send(std::string(kStreamHead) + std::string(kEndpoint));
  (void)peer.wait_closed(std::chrono::seconds{30});
}

// A POST whose answer is awaited later.
class PendingPost {
 public:
  PendingPost(const Pair &pair, const std::string &target, std::string_view body)
      : connection_(Connection::tcp(pair.proxy_port())), reader_(connection_) {
    connection_.send(to_text(mcp_post(target, std::string(body))));
  }
  bool answered() const { return connection_.readable(Millis{0}); }
  Response answer() {
    const auto head = reader_.read_head();
    HF_CHECK(head.has_value());
    Response response;
    static_cast<ResponseHead &>(response) = *head;
    while (reader_.read_some(response.body)) {
    }
    response.end = reader_.end();
    return response;
  }

 private:
  Connection connection_;
  ResponseReader reader_;
};

}  // namespace

// ---- what a stream costs before its initialize ----

HF_TEST(a_client_that_only_reconnects_costs_no_session_no_slot_and_no_backend) {
  PairOptions options = at_once("sse_heartbeat 30ms;");
  options.sessiond = "max_sessions 1;";
  Pair pair(options);
  LegacyClient first(pair.proxy_port());
  HF_EQ(sessions_ever(pair), 0U);
  first.open();
  std::vector<LegacyClient> zombies;
  for (int i = 0; i < 5; ++i) zombies.emplace_back(pair.proxy_port());
  for (LegacyClient &zombie : zombies) {
    check_refusal(zombie.post(tool_call("7", "clock")), 404, -32001, "7");
    check_refusal(zombie.post(rpc("ping", "\"p\"")), 404, -32001, "\"p\"");
    HF_CHECK(zombie.stream().next_frame().comment);  // it is kept alive like any other
  }
  HF_EQ(sessions_ever(pair), 1U);
  pair.wait_sessions(1);
  HF_EQ(tool_text(first.call("echo", R"({"message":"mine"})")), "mine");
}

HF_TEST(the_slot_is_asked_for_with_the_initialize_and_refused_with_its_id) {
  PairOptions options = at_once();
  options.sessiond = "max_sessions 1;";
  Pair pair(options);
  LegacyClient first(pair.proxy_port());
  first.open();
  LegacyClient second(pair.proxy_port());
  const Response refused = second.post(kInitialize);
  check_refusal(refused, 503, -32000, "\"i-1\"");
  HF_EQ(refused.count("Retry-After"), 1U);
  HF_EQ(Json{refused.body}["error"]["data"]["reason"].text(), "max_sessions");
  HF_EQ(sessions_ever(pair), 1U);
  // The stream is as good as before, and opens once there is a slot.
  first.stream().close();
  pair.wait_sessions(0);
  second.open();
  HF_EQ(tool_text(second.call("echo", R"({"message":"now"})")), "now");
}

HF_TEST(only_so_many_streams_wait) {
  const Pair pair(at_once("legacy_sse_waiting 2;"));
  const Request get{"GET", "/sse", {{"Accept", "text/event-stream"}}, {}};
  std::vector<SseClient> held;
  int refusals = 0;
  while (refusals == 0) {  // two workers of two streams each: the fifth at the latest
    SseClient stream(pair.proxy_port(), get);
    if (stream.streaming()) {
      held.push_back(std::move(stream));
      HF_CHECK(held.size() <= 4);
      continue;
    }
    HF_EQ(stream.head().status, 503);
    HF_EQ(stream.head().count("Retry-After"), 1U);
    ++refusals;
  }
  held.clear();
  HF_CHECK(eventually([&] { return SseClient(pair.proxy_port(), get).streaming(); }));
}

HF_TEST(a_get_that_does_not_name_event_streams_asks_the_backend) {
  ScriptedBackend backend(
      on_get([](Peer &peer, const std::string &) { peer.answer(200, "text/plain", "hello"); }));
  const Pair pair(before(backend.port(), "legacy_sse on;"));
  const Response page = fetch(pair.proxy_port(), {"GET", "/", {{"Accept", "*/*"}}, {}});
  HF_EQ(page.status, 200);
  HF_EQ(page.body, "hello");
}

// ---- the POST that opens ----

HF_TEST(any_worker_opens_the_stream_of_any_other) {
  Pair pair(at_once());
  std::vector<LegacyClient> clients;
  for (int i = 0; i < 16; ++i) {
    LegacyClient &client = clients.emplace_back(pair.proxy_port());
    client.open();
    const std::string text = "client " + std::to_string(i);
    HF_EQ(tool_text(client.call("echo", R"({"message":")" + text + "\"}")), text);
  }
  pair.wait_sessions(16);
  const Json listed = pair.admin_json("show sess json");
  HF_EQ(listed[size_t{0}]["client_name"].text(), "hf-test");
  clients.clear();
  pair.wait_sessions(0);
  HF_CHECK(eventually([&] { return backend_state(pair.backend_port())["streams"].size() == 0; }));
}

HF_TEST(the_post_is_held_until_the_backend_s_endpoint_comes) {
  Gate endpoint;
  ScriptedBackend backend(on_get([&](Peer &peer, const std::string &) {
    peer.send(kStreamHead);
    endpoint.wait();
    peer.send(
        "event: endpoint\ndata: /message?sessionId=b1\n\nevent: message\ndata: {\"x\":1}\n\n");
    (void)peer.wait_closed(std::chrono::seconds{30});
  }));
  const Pair pair(before(backend.port(), "legacy_sse on;"));
  LegacyClient client(pair.proxy_port());
  HF_EQ(backend.connections_count(), 0U);
  PendingPost post(pair, client.endpoint(), kInitialize);
  HF_CHECK(eventually([&] { return gets_count(backend) == 1; }));
  HF_CHECK(!post.answered());
  endpoint.open();
  HF_EQ(post.answer().status, 202);
  // What follows the endpoint goes to the client, the backend's endpoint itself does not.
  HF_EQ(client.stream().next().data, "{\"x\":1}");
  HF_CHECK(client.stream().body().find("sessionId=b1\n") == std::string::npos);
  HF_CHECK(backend.requests().back().starts_with("POST /message?sessionId=b1 "));
  HF_EQ(backend.failure(), "");
}

HF_TEST(a_backend_that_cannot_be_reached_is_told_to_the_post_and_tried_again_by_the_next) {
  const RefusingPort nobody;
  const Pair pair(before(nobody.port(), "legacy_sse on;"));
  LegacyClient client(pair.proxy_port());
  for (int i = 0; i < 2; ++i) {
    check_refusal(client.post(kInitialize), 502, -32000, "\"i-1\"");
  }
  pair.wait_sessions(0);
}

HF_TEST(the_wait_for_the_backend_is_bounded) {
  ScriptedBackend silent([](Peer &peer) { (void)peer.wait_closed(std::chrono::seconds{30}); });
  const Pair pair(before(silent.port(), "legacy_sse on; proxy_read_timeout 100ms;"));
  LegacyClient client(pair.proxy_port());
  check_refusal(client.post(kInitialize), 504, -32000, "\"i-1\"");
  ScriptedBackend mute(on_get([](Peer &peer, const std::string &) {
    peer.send(kStreamHead);
    (void)peer.wait_closed(std::chrono::seconds{30});
  }));
  const Pair other(before(mute.port(), "legacy_sse on; proxy_read_timeout 100ms;"));
  LegacyClient patient(other.proxy_port());
  check_refusal(patient.post(kInitialize), 504, -32000, "\"i-1\"");
}

HF_TEST(a_stream_whose_client_leaves_meanwhile_gives_everything_back) {
  Gate left;
  std::atomic<int> gets = 0;
  ScriptedBackend backend(on_get([&](Peer &peer, const std::string &) {
    if (++gets > 1) return streams(peer);
    peer.send(kStreamHead);
    if (peer.wait_closed(std::chrono::seconds{30})) left.open();
  }));
  PairOptions options = before(backend.port(), "legacy_sse on;");
  options.sessiond = "max_sessions 1;";
  const Pair pair(options);
  LegacyClient client(pair.proxy_port());
  PendingPost post(pair, client.endpoint(), kInitialize);
  HF_CHECK(eventually([&] { return gets == 1; }));
  client.stream().close();
  check_refusal(post.answer(), 404, -32001, "\"i-1\"");
  HF_CHECK(left.wait());
  LegacyClient next(pair.proxy_port());
  HF_EQ(next.post(kInitialize).status, 202);  // the slot is free
  HF_EQ(backend.failure(), "");
}

HF_TEST(the_stream_is_its_own_user_s_alone) {
  const Pair pair(at_once("session_user header X-User;"));
  LegacyClient alice(pair.proxy_port(), "/sse", {{"X-User", "alice"}});
  const Response stolen =
      fetch(pair.proxy_port(),
            mcp_post(alice.endpoint(), std::string(kInitialize), {{"X-User", "mallory"}}));
  check_refusal(stolen, 404, -32001, "\"i-1\"");
  check_refusal(fetch(pair.proxy_port(), mcp_post(alice.endpoint(), std::string(kInitialize))), 404,
                -32001, "\"i-1\"");
  HF_EQ(sessions_ever(pair), 0U);
  alice.open();
}

HF_TEST(who_asks_before_sending_is_invited) {
  const Pair pair(at_once());
  LegacyClient client(pair.proxy_port());
  Connection asker = Connection::tcp(pair.proxy_port());
  Request post =
      mcp_post(client.endpoint(), std::string(kInitialize), {{"Expect", "100-continue"}});
  const std::string text = to_text(post);
  const size_t body = text.size() - post.body.size();
  asker.send(text.substr(0, body));
  HF_CHECK(asker.fill());
  HF_CHECK(asker.buffer().starts_with("HTTP/1.1 100 "));
  asker.send(text.substr(body));
  ResponseReader reader(asker);
  HF_EQ(reader.read_head().value().status, 202);
}

HF_TEST(the_backend_is_asked_with_the_credentials_of_the_post) {
  ScriptedBackend backend(on_get([](Peer &peer, const std::string &request) {
    if (request.find("Bearer fresh\r\n") != std::string::npos) return streams(peer);
    peer.answer(401, "text/plain", "who?", "WWW-Authenticate: Bearer realm=\"b\"\r\n");
  }));
  const Pair pair(before(backend.port(), "legacy_sse on;"));
  LegacyClient client(pair.proxy_port(), "/sse", {{"Authorization", "Bearer stale"}});
  const auto post_with = [&](const char *token) {
    return fetch(pair.proxy_port(),
                 mcp_post(client.endpoint(), std::string(kInitialize), {{"Authorization", token}}));
  };
  const Response stale = post_with("Bearer stale");
  check_refusal(stale, 401, -32000, "\"i-1\"");
  HF_EQ(stale.header("WWW-Authenticate").value_or(""), "Bearer realm=\"b\"");
  HF_EQ(post_with("Bearer fresh").status, 202);
  HF_EQ(backend.failure(), "");
}

HF_TEST(a_proxy_that_stops_tells_the_waiting_when_to_come_back) {
  Pair pair(at_once());
  LegacyClient client(pair.proxy_port());
  pair.proxy().signal(SIGTERM);
  HF_CHECK(client.stream().wait_end() == BodyEnd::framed);
  HF_CHECK(client.stream().body().find("\nretry: ") != std::string::npos);
  HF_EQ(pair.proxy().wait_exit(), (Exit{false, 0}));
}

// ---- learning and forgetting ----

HF_TEST(the_first_endpoint_teaches_and_a_reload_keeps_the_lesson) {
  Pair pair;
  LegacyClient first(pair.proxy_port());
  HF_EQ(sessions_ever(pair), 1U);  // the first one asks the backend
  LegacyClient second(pair.proxy_port());
  HF_EQ(sessions_ever(pair), 1U);
  second.open();
  HF_EQ(sessions_ever(pair), 2U);
  const size_t from = pair.proxy().lines_count();
  pair.proxy().signal(SIGHUP);
  (void)pair.proxy().wait_for_line("event=reloaded", kSoon, from);
  LegacyClient third(pair.proxy_port());
  HF_EQ(sessions_ever(pair), 2U);
  third.open();
  // Another path is another place.
  StreamableClient streamable(pair.proxy_port());
  streamable.open();
  const Response get =
      fetch(pair.proxy_port(), {"GET", "/mcp", {{"Accept", "text/event-stream"}}, {}});
  HF_EQ(get.status, 400);
}

HF_TEST(a_place_that_no_longer_is_one_is_forgotten_and_the_client_told) {
  std::atomic<bool> legacy = true;
  ScriptedBackend backend(on_get([&](Peer &peer, const std::string &) {
    if (legacy) return streams(peer);
    peer.answer(405, "text/plain", "no streams", "Allow: POST\r\n");
  }));
  Pair pair(before(backend.port(), ""));
  LegacyClient first(pair.proxy_port());
  LegacyClient second(pair.proxy_port());
  HF_EQ(gets_count(backend), 1U);
  legacy = false;
  check_refusal(second.post(kInitialize), 502, -32000, "\"i-1\"");
  HF_CHECK(second.stream().wait_end() == BodyEnd::framed);
  (void)pair.proxy().wait_for_line("event=legacy_forgotten");
  const Response third =
      fetch(pair.proxy_port(), {"GET", "/sse", {{"Accept", "text/event-stream"}}, {}});
  HF_EQ(third.status, 405);
  HF_EQ(third.body, "no streams");
  HF_EQ(backend.failure(), "");
}

HF_TEST(a_stream_that_begins_with_something_else_is_no_lesson_either) {
  std::atomic<bool> legacy = true;
  ScriptedBackend backend(on_get([&](Peer &peer, const std::string &) {
    if (legacy) return streams(peer);
    peer.send(std::string(kStreamHead) + "event: message\ndata: {}\n\n");
    (void)peer.wait_closed(std::chrono::seconds{30});
  }));
  const Pair pair(before(backend.port(), ""));
  LegacyClient first(pair.proxy_port());
  LegacyClient second(pair.proxy_port());
  legacy = false;
  check_refusal(second.post(kInitialize), 502, -32000, "\"i-1\"");
  HF_CHECK(second.stream().wait_end() == BodyEnd::framed);
  HF_EQ(second.stream().body(), "event: endpoint\ndata: " + second.endpoint() + "\n\n");
  SseClient third(pair.proxy_port(), {"GET", "/sse", {{"Accept", "text/event-stream"}}, {}});
  HF_EQ(third.next().data, "{}");
}

HF_TEST(what_was_learned_with_credentials_is_not_known_without) {
  ScriptedBackend backend(on_get([](Peer &peer, const std::string &request) {
    if (request.find("Authorization: ") != std::string::npos) return streams(peer);
    peer.answer(401, "text/plain", "who?", "WWW-Authenticate: Bearer\r\n");
  }));
  const Pair pair(before(backend.port(), ""));
  LegacyClient first(pair.proxy_port(), "/sse", {{"Authorization", "Bearer t"}});
  const Response nobody =
      fetch(pair.proxy_port(), {"GET", "/sse", {{"Accept", "text/event-stream"}}, {}});
  HF_EQ(nobody.status, 401);
  HF_EQ(nobody.count("WWW-Authenticate"), 1U);
  LegacyClient second(pair.proxy_port(), "/sse", {{"Authorization", "Bearer t"}});
  HF_EQ(gets_count(backend), 2U);
}

// ---- a stream whose backend is there from the beginning ----

HF_TEST(its_first_post_must_be_an_initialize_as_well) {
  PairOptions options;
  options.location = "legacy_sse off;";
  const Pair pair(options);
  LegacyClient client(pair.proxy_port());
  HF_EQ(sessions_ever(pair), 1U);
  check_refusal(client.post(tool_call("7", "clock")), 404, -32001, "7");
  check_refusal(client.post("[" + tool_call("8", "clock") + "]"), 404, -32001, "null");
  client.open();
  HF_EQ(tool_text(client.call("echo", R"({"message":"now"})")), "now");
}

HF_TEST(where_the_first_post_may_be_anything_it_is) {
  PairOptions options;
  options.location = "legacy_sse_initialize_first off; legacy_sse on;";
  const Pair pair(options);
  LegacyClient client(pair.proxy_port());
  HF_EQ(tool_text(client.call("echo", R"({"message":"hello"})")), "hello");
  PairOptions eager;
  eager.location = "legacy_sse_initialize_first off; legacy_sse off;";
  const Pair other(eager);
  LegacyClient second(other.proxy_port());
  HF_EQ(tool_text(second.call("echo", R"({"message":"hello"})")), "hello");
}

int main() {
  const CMUnitTest tests[] = {
      HF_UNIT(a_client_that_only_reconnects_costs_no_session_no_slot_and_no_backend),
      HF_UNIT(the_slot_is_asked_for_with_the_initialize_and_refused_with_its_id),
      HF_UNIT(only_so_many_streams_wait),
      HF_UNIT(a_get_that_does_not_name_event_streams_asks_the_backend),
      HF_UNIT(any_worker_opens_the_stream_of_any_other),
      HF_UNIT(the_post_is_held_until_the_backend_s_endpoint_comes),
      HF_UNIT(a_backend_that_cannot_be_reached_is_told_to_the_post_and_tried_again_by_the_next),
      HF_UNIT(the_wait_for_the_backend_is_bounded),
      HF_UNIT(a_stream_whose_client_leaves_meanwhile_gives_everything_back),
      HF_UNIT(the_stream_is_its_own_user_s_alone),
      HF_UNIT(who_asks_before_sending_is_invited),
      HF_UNIT(the_backend_is_asked_with_the_credentials_of_the_post),
      HF_UNIT(a_proxy_that_stops_tells_the_waiting_when_to_come_back),
      HF_UNIT(the_first_endpoint_teaches_and_a_reload_keeps_the_lesson),
      HF_UNIT(a_place_that_no_longer_is_one_is_forgotten_and_the_client_told),
      HF_UNIT(a_stream_that_begins_with_something_else_is_no_lesson_either),
      HF_UNIT(what_was_learned_with_credentials_is_not_known_without),
      HF_UNIT(its_first_post_must_be_an_initialize_as_well),
      HF_UNIT(where_the_first_post_may_be_anything_it_is),
  };
  return HF_RUN(tests);
}
