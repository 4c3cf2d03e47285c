// early_stream: a call whose backend is silent for long gets an event stream, and in it whatever
// the backend says later. Nothing else is answered before its backend has spoken.
#include "tests/support/gate.h"
#include "tests/support/hf_test.h"
#include "tests/support/pair.h"
#include "tests/support/scripted_backend.h"

using namespace holdfast;
using namespace holdfast::test;

namespace {

constexpr const char *kOpened =
    R"({"jsonrpc":"2.0","id":0,"result":{"protocolVersion":"2025-11-25","capabilities":{}}})";
// With line breaks, which an event can carry only as further data lines.
constexpr std::string_view kAnswer =
    "{\n  \"jsonrpc\": \"2.0\",\n  \"id\": 5,\n  \"result\": {\"content\": []}\n}";

// A backend that opens sessions, and answers a call only when it is told to.
class SlowBackend {
 public:
  explicit SlowBackend(ScriptedBackend::Script say)
      : say_(std::move(say)), backend_([this](Peer &peer) { serve(peer); }) {}

  void speak() { gate_.open(); }
  uint16_t port() const { return backend_.port(); }
  std::string failure() const { return backend_.failure(); }
  size_t calls_count() const {
    size_t count = 0;
    for (const std::string &request : backend_.requests()) {
      if (request.find("tools/call") != std::string::npos) ++count;
    }
    return count;
  }

 private:
  void serve(Peer &peer) {
    for (;;) {
      const std::string request = peer.read_request();
      if (request.empty()) return;
      if (request.find("\"initialize\"") != std::string::npos) {
        peer.answer(200, "application/json", kOpened, "Mcp-Session-Id: backend-1\r\n");
      } else if (request.find("tools/call") != std::string::npos) {
        gate_.wait();
        say_(peer);
      } else {
        peer.answer(202, "", "");
      }
    }
  }

  ScriptedBackend::Script say_;
  Gate gate_;
  ScriptedBackend backend_;  // last: its threads use the above
};

Pair pair_for(const SlowBackend &backend) {
  PairOptions options;
  options.backend_port = backend.port();
  options.location = "early_stream 30ms; sse_heartbeat 20ms;";
  return Pair(options);
}

void says_json(Peer &peer) { peer.answer(200, "application/json", kAnswer); }

// What the client of a session gets: the stream is open and beating before the backend speaks.
struct Outcome {
  Event event;
  BodyEnd end;
};
Outcome call_through(ScriptedBackend::Script say) {
  SlowBackend backend(std::move(say));
  const Pair pair = pair_for(backend);
  StreamableClient client(pair.proxy_port());
  client.open();
  SseClient stream = client.stream_post(tool_call("5", "x"));
  HF_CHECK(stream.streaming());
  for (int beats = 0; beats < 3; ++beats) HF_CHECK(stream.next_frame().comment);
  backend.speak();
  Outcome outcome{stream.next(), stream.wait_end()};
  HF_EQ(backend.failure(), "");
  HF_EQ(backend.calls_count(), 1U);
  return outcome;
}

void check_error(const Event &event, int code) {
  const Json message{event.data};
  HF_EQ(message["error"]["code"].integer(), code);
  HF_EQ(message["id"].integer(), 5);
}

}  // namespace

HF_TEST(a_slow_json_answer_comes_as_one_event_with_its_bytes) {
  const Outcome outcome = call_through(says_json);
  HF_EQ(outcome.event.name, "message");
  HF_EQ(outcome.event.data, kAnswer);
  HF_CHECK(outcome.end == BodyEnd::framed);
}

HF_TEST(a_backend_that_streams_late_is_relayed_as_it_is) {
  const std::string event =
      "id: 7\nevent: message\ndata: {\"jsonrpc\":\"2.0\",\"id\":5,\"result\":{}}\n\n";
  const Outcome outcome =
      call_through([&](Peer &peer) { peer.answer(200, "text/event-stream", event); });
  HF_EQ(outcome.event.raw, event);
  HF_CHECK(outcome.end == BodyEnd::framed);
}

HF_TEST(a_backend_that_fails_late_is_an_error_with_the_calls_id) {
  const Outcome closed = call_through([](Peer &peer) { peer.close(); });
  check_error(closed.event, -32000);
  HF_CHECK(closed.end == BodyEnd::framed);
  check_error(call_through([](Peer &peer) { peer.reset(); }).event, -32000);
  check_error(call_through([](Peer &peer) { peer.send("no HTTP\r\n\r\n"); }).event, -32000);
  check_error(call_through([](Peer &peer) { peer.answer(500, "text/plain", "oops"); }).event,
              -32000);
  check_error(call_through([](Peer &peer) { peer.answer(200, "text/html", "<p>"); }).event, -32000);
  check_error(call_through([](Peer &peer) { peer.answer(200, "application/json", ""); }).event,
              -32000);
  check_error(call_through([](Peer &peer) { peer.answer(202, "", ""); }).event, -32000);
}

HF_TEST(a_lost_backend_session_is_told_in_the_stream_and_ended) {
  SlowBackend backend([](Peer &peer) { peer.answer(404, "application/json", "{}"); });
  const Pair pair = pair_for(backend);
  StreamableClient client(pair.proxy_port());
  client.open();
  SseClient stream = client.stream_post(tool_call("5", "x"));
  backend.speak();
  check_error(stream.next(), -32001);
  check_refusal(client.post(rpc("ping", "6")), 404, -32001, "6");
}

HF_TEST(an_answer_that_breaks_off_in_its_event_never_looks_complete) {
  SlowBackend backend([](Peer &peer) {
    peer.send(
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: "
        "99\r\n\r\n{\"id\":5,");
    peer.close();
  });
  const Pair pair = pair_for(backend);
  StreamableClient client(pair.proxy_port());
  client.open();
  SseClient stream = client.stream_post(tool_call("5", "x"));
  HF_CHECK(stream.streaming());
  backend.speak();
  const BodyEnd end = stream.wait_end();
  HF_CHECK(end == BodyEnd::cut || end == BodyEnd::reset);
}

HF_TEST(a_session_ended_in_mid_call_ends_the_stream_with_an_error) {
  SlowBackend backend(says_json);
  Pair pair = pair_for(backend);
  StreamableClient client(pair.proxy_port());
  client.open();
  pair.wait_created();
  SseClient stream = client.stream_post(tool_call("5", "x"));
  HF_CHECK(stream.streaming());
  HF_CHECK(!pair.admin("shutdown session " + client.session().substr(0, 8)).starts_with("error"));
  check_error(stream.next(), -32001);
  HF_CHECK(stream.wait_end() == BodyEnd::framed);
  backend.speak();
}

HF_TEST(the_sessionless_era_gets_it_too) {
  SlowBackend backend(says_json);
  const Pair pair = pair_for(backend);
  SseClient stream(pair.proxy_port(), modern_request("tools/call", "5", R"({"name":"x"})"));
  HF_CHECK(stream.streaming());
  backend.speak();
  HF_EQ(stream.next().data, kAnswer);
  HF_CHECK(stream.wait_end() == BodyEnd::framed);
}

HF_TEST(a_client_that_takes_no_streams_waits_for_the_answer_itself) {
  SlowBackend backend(says_json);
  const Pair pair = pair_for(backend);
  Connection connection = Connection::tcp(pair.proxy_port());
  connection.send(to_text({"POST",
                           "/mcp",
                           {{"Content-Type", "application/json"}, {"Accept", "application/json"}},
                           tool_call("5", "x")}));
  // Another client's stream begins after this call's would have.
  SseClient other(pair.proxy_port(), modern_request("tools/call", "5", R"({"name":"x"})"));
  HF_CHECK(other.streaming());
  for (int beats = 0; beats < 3; ++beats) HF_CHECK(other.next_frame().comment);
  backend.speak();
  ResponseReader reader(connection);
  const auto head = reader.read_head();
  HF_CHECK(head.has_value());
  HF_EQ(head->header("Content-Type").value_or(""), "application/json");
}

HF_TEST(an_answer_in_time_is_left_as_it_is) {
  SlowBackend backend(says_json);
  backend.speak();
  PairOptions options;
  options.backend_port = backend.port();
  options.location = "early_stream 1h;";
  const Pair pair(options);
  StreamableClient client(pair.proxy_port());
  client.open();
  const Response response = client.post(tool_call("5", "x"));
  HF_EQ(response.header("Content-Type").value_or(""), "application/json");
  HF_EQ(response.body, kAnswer);
}

int main() {
  const CMUnitTest tests[] = {
      HF_UNIT(a_slow_json_answer_comes_as_one_event_with_its_bytes),
      HF_UNIT(a_backend_that_streams_late_is_relayed_as_it_is),
      HF_UNIT(a_backend_that_fails_late_is_an_error_with_the_calls_id),
      HF_UNIT(a_lost_backend_session_is_told_in_the_stream_and_ended),
      HF_UNIT(an_answer_that_breaks_off_in_its_event_never_looks_complete),
      HF_UNIT(a_session_ended_in_mid_call_ends_the_stream_with_an_error),
      HF_UNIT(the_sessionless_era_gets_it_too),
      HF_UNIT(a_client_that_takes_no_streams_waits_for_the_answer_itself),
      HF_UNIT(an_answer_in_time_is_left_as_it_is),
  };
  return HF_RUN(tests);
}
