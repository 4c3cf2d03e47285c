// Backends that fail and requests that ask too much: each refusal has the right status, a JSON-RPC
// body with the request's id where it is known, and nothing broken ever looks complete.
#include "tests/support/hf_test.h"
#include "tests/support/pair.h"
#include "tests/support/scripted_backend.h"

using namespace holdfast;
using namespace holdfast::test;

namespace {

constexpr const char *kOpened =
    R"({"jsonrpc":"2.0","id":0,"result":{"protocolVersion":"2025-11-25","capabilities":{}}})";

PairOptions behind(uint16_t port, std::string location = {}) {
  PairOptions options;
  options.backend_port = port;
  options.location = std::move(location);
  return options;
}

// Opens sessions like an honest server, and answers everything else with these bytes, then FIN.
ScriptedBackend::Script opens_then_says(std::string bytes) {
  return [bytes = std::move(bytes)](Peer &peer) {
    const std::string request = peer.read_request();
    if (request.find("\"initialize\"") != std::string::npos) {
      peer.answer(200, "application/json", kOpened, "Mcp-Session-Id: backend-1\r\n");
      (void)peer.read_request();  // the pool may use the connection again
    }
    peer.send(bytes);
  };
}

// What a client of a session gets for a call that the backend answers with these bytes.
Response call_through(std::string bytes) {
  ScriptedBackend backend(opens_then_says(std::move(bytes)));
  const Pair pair(behind(backend.port()));
  StreamableClient client(pair.proxy_port());
  HF_EQ(client.initialize().status, 200);
  Response response = client.post(tool_call("5", "x"));
  HF_EQ(backend.failure(), "");
  return response;
}

// A cut answer: 502 when nothing was passed on yet, else an answer that visibly broke off, or an
// event stream that says so in an error with the request's id.
void check_not_complete(const Response &response) {
  if (response.status == 502) return check_refusal(response, 502, -32000, "5");
  HF_EQ(response.status, 200);
  if (response.end == BodyEnd::cut || response.end == BodyEnd::reset) return;
  HF_EQ(answer_in(response, "5")["error"]["code"].integer(), -32000);
}

}  // namespace

HF_TEST(a_dead_backend_is_502) {
  const RefusingPort dead;
  const Pair pair(behind(dead.port()));
  StreamableClient client(pair.proxy_port());
  check_refusal(client.initialize("\"i\""), 502, -32000, "\"i\"");
  const Response call = fetch(pair.proxy_port(), modern_request("tools/list", "31"));
  check_refusal(call, 502, -32000, "31");
  HF_EQ(fetch(pair.proxy_port(), {"GET", "/sse", {{"Accept", "text/event-stream"}}, {}}).status,
        502);
  pair.wait_sessions(0);
}

HF_TEST(a_hanging_backend_is_504) {
  ScriptedBackend backend([](Peer &peer) {
    (void)peer.read_request();
    (void)peer.wait_closed();
  });
  const Pair pair(behind(backend.port(), "proxy_read_timeout 200ms; call_timeout 300ms;"));
  StreamableClient client(pair.proxy_port());
  check_refusal(client.initialize("9"), 504, -32000, "9");
  check_refusal(fetch(pair.proxy_port(), modern_request("tools/list", "\"l\"")), 504, -32000,
                "\"l\"");
  pair.wait_sessions(0);
  HF_EQ(backend.failure(), "");
}

HF_TEST(a_call_has_no_time_limit_of_its_own) {
  PairOptions options;
  options.location = "proxy_read_timeout 150ms;";
  options.backend_args = {"--answer", "json"};
  const Pair pair(options);
  StreamableClient client(pair.proxy_port());
  client.open();
  HF_EQ(tool_text(client.call("slow", R"({"steps":1,"interval_ms":600})")), "done after 1 steps");
}

HF_TEST(a_body_over_the_limit_is_413_and_not_forwarded) {
  PairOptions options;
  options.location = "client_max_body_size 1k;";
  Pair pair(options);
  StreamableClient client(pair.proxy_port());
  client.open();
  const std::string big(2000, 'x');
  HF_EQ(client.post(tool_call("1", "echo", R"({"message":")" + big + "\"}")).status, 413);
  HF_CHECK(!pair.backend().state()["requests"]["tools/call"].present());
  HF_EQ(tool_text(client.call("echo", R"({"message":"small"})")), "small");
}

HF_TEST(garbage_instead_of_an_answer_is_502) {
  for (const char *bytes :
       {"hello\r\n\r\n", "HTTP/1.1 200 OK\nContent-Length: 0\n\n", "\x16\x03\x01",
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nx",
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n"}) {
    check_refusal(call_through(bytes), 502, -32000, "5");
  }
}

HF_TEST(a_backend_session_id_nobody_could_send_back_is_502_and_gives_the_slot_back) {
  for (const std::string &id :
       {std::string(4097, 's'), std::string("a b"), std::string("\xc3\xa9"), std::string()}) {
    ScriptedBackend backend([&](Peer &peer) {
      if (peer.read_request().empty()) return;
      peer.answer(200, "application/json", kOpened, "Mcp-Session-Id: " + id + "\r\n");
      HF_CHECK(peer.wait_closed());
    });
    PairOptions options = behind(backend.port());
    options.sessiond = "max_sessions 1;";
    const Pair pair(options);
    for (int i = 0; i < 3; ++i) {  // with the slot lost, the second would be 503
      StreamableClient client(pair.proxy_port());
      check_refusal(client.initialize("7"), 502, -32000, "7");
      HF_EQ(client.session(), "");
      pair.wait_sessions(0);
    }
    HF_EQ(backend.failure(), "");
  }
}

HF_TEST(a_backend_that_closes_without_an_answer_is_502) {
  check_refusal(call_through(""), 502, -32000, "5");
}

HF_TEST(a_cut_json_answer_never_looks_complete) {
  check_not_complete(call_through(
      "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{\"id\":5"));
  check_not_complete(call_through(
      "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
      "7\r\n{\"id\":5\r\n"));
  check_not_complete(call_through(
      "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
      "zz\r\n{\"id\":5\r\n0\r\n\r\n"));
}

HF_TEST(a_cut_event_stream_never_looks_complete) {
  check_not_complete(call_through(
      "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
      "8\r\ndata: x\n\r\n"));
  check_not_complete(call_through(
      "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
      "9\r\ndata: x\n\n\r\n"));
}

HF_TEST(a_cut_get_stream_is_cut_for_the_client_too) {
  Pair pair;
  StreamableClient client(pair.proxy_port());
  client.open();
  SseClient stream = client.get();
  (void)pair.backend().tell("close-streams", R"({"how":"cut"})");
  const BodyEnd end = stream.wait_end();
  HF_CHECK(end == BodyEnd::cut || end == BodyEnd::reset);
  // The session is the backend's to end, not the stream's: it goes on.
  HF_EQ(client.post(rpc("ping", "1")).status, 200);
}

HF_TEST(a_backend_that_dies_takes_nobody_else_with_it) {
  PairOptions options;
  options.backend_args = {"--die-after", "2"};
  const DemoBackend other;
  options.proxy_main = "upstream other { server 127.0.0.1:" + std::to_string(other.port()) + "; }";
  options.locations = "location /other/ { proxy_pass http://other; }";
  Pair pair(options);
  StreamableClient doomed(pair.proxy_port());
  StreamableClient lucky(pair.proxy_port(), "/other/mcp");
  doomed.open();
  lucky.open();
  SseClient stream = lucky.get();
  check_refusal(doomed.post(tool_call("4", "clock")), 502, -32000, "4");
  HF_EQ(tool_text(lucky.call("echo", R"({"message":"fine"})")), "fine");
  HF_CHECK(stream.end() == BodyEnd::open);
}

HF_TEST(a_post_is_never_sent_twice) {
  ScriptedBackend backend([](Peer &peer) {
    (void)peer.read_request();
    peer.reset();
  });
  const Pair pair(behind(backend.port()));
  HF_EQ(fetch(pair.proxy_port(), modern_request("tools/call", "1", R"({"name":"x"})")).status, 502);
  HF_EQ(backend.requests().size(), 1U);
}

int main() {
  const CMUnitTest tests[] = {
      HF_UNIT(a_dead_backend_is_502),
      HF_UNIT(a_hanging_backend_is_504),
      HF_UNIT(a_call_has_no_time_limit_of_its_own),
      HF_UNIT(a_body_over_the_limit_is_413_and_not_forwarded),
      HF_UNIT(garbage_instead_of_an_answer_is_502),
      HF_UNIT(a_backend_session_id_nobody_could_send_back_is_502_and_gives_the_slot_back),
      HF_UNIT(a_backend_that_closes_without_an_answer_is_502),
      HF_UNIT(a_cut_json_answer_never_looks_complete),
      HF_UNIT(a_cut_event_stream_never_looks_complete),
      HF_UNIT(a_cut_get_stream_is_cut_for_the_client_too),
      HF_UNIT(a_backend_that_dies_takes_nobody_else_with_it),
      HF_UNIT(a_post_is_never_sent_twice),
  };
  return HF_RUN(tests);
}
