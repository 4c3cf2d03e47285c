// Bytes: what goes in comes out, at once, and one slow reader is nobody else's problem.
#include <algorithm>
#include <atomic>
#include <ctime>

#include "tests/support/hf_test.h"
#include "tests/support/pair.h"
#include "tests/support/scripted_backend.h"

using namespace holdfast;
using namespace holdfast::test;

namespace {

constexpr size_t kMiB = size_t{1} << 20;

// Text that differs everywhere: a piece lost, doubled or moved shows.
std::string text_of(size_t bytes) {
  std::string text(bytes, '\0');
  uint32_t state = 88675123;
  for (char &c : text) {
    state ^= state << 13;
    state ^= state >> 17;
    state ^= state << 5;
    c = static_cast<char>('a' + state % 26);
  }
  return text;
}

// Big texts: what differs is said, not printed whole.
void check_same(const std::string &got, const std::string &wanted) {
  if (got == wanted) return;
  const auto [a, b] = std::mismatch(got.begin(), got.end(), wanted.begin(), wanted.end());
  const auto at = static_cast<size_t>(a - got.begin());
  HF_FAIL(std::to_string(got.size()) + " bytes, not " + std::to_string(wanted.size()) +
          "; they differ from byte " + std::to_string(at) + " on: \"" + got.substr(at, 100) +
          "\" instead of \"" + wanted.substr(at, 100) + "\"");
}

// Finer than the project's clock.
int64_t now_us() {
  timespec now{};
  (void)clock_gettime(CLOCK_MONOTONIC, &now);  // ignoring: cannot fail for this clock
  return int64_t{now.tv_sec} * 1'000'000 + now.tv_nsec / 1000;
}

}  // namespace

HF_TEST(a_mebibyte_each_way_arrives_identical) {
  for (const char *form : {"sse", "json"}) {
    PairOptions options;
    options.backend_args = {"--answer", form};
    const Pair pair(options);
    StreamableClient client(pair.proxy_port());
    client.open();
    const std::string text = text_of(kMiB);
    HF_CHECK(tool_text(client.call("echo", R"({"message":")" + text + "\"}")) == text);
  }
}

HF_TEST(the_backend_gets_the_bytes_the_client_sent) {
  std::string body;
  ScriptedBackend backend([&body](Peer &peer) {
    const std::string request = peer.read_request();
    body = request.substr(request.find("\r\n\r\n") + 4);
    peer.answer(200, "application/json", R"({ "jsonrpc":"2.0" ,  "id":1,"result":{}}  )");
  });
  PairOptions options;
  options.backend_port = backend.port();
  const Pair pair(options);
  Request request = modern_request("tools/list", "1");
  request.body = "\r\n  " + request.body + " \n";  // white space is the sender's business
  const Response answer = fetch(pair.proxy_port(), request);
  HF_EQ(body, request.body);
  HF_EQ(answer.body, R"({ "jsonrpc":"2.0" ,  "id":1,"result":{}}  )");
  HF_EQ(backend.failure(), "");
}

HF_TEST(a_chunked_request_body_arrives_whole) {
  Pair pair;
  StreamableClient client(pair.proxy_port());
  client.open();
  Request request = mcp_post("/mcp", {}, client.headers());
  request.headers.emplace_back("Transfer-Encoding", "chunked");
  Connection connection = Connection::tcp(pair.proxy_port());
  connection.send(to_text(request));
  const std::string body = tool_call("1", "echo", R"({"message":"in pieces"})");
  for (size_t at = 0; at < body.size(); at += 7) {
    const std::string piece = body.substr(at, 7);
    connection.send("0" + std::to_string(piece.size()) + "\r\n" + piece + "\r\n");
  }
  connection.send("0\r\n\r\n");
  ResponseReader reader(connection);
  Response answer;
  static_cast<ResponseHead &>(answer) = *reader.read_head();
  while (reader.read_some(answer.body)) {
  }
  HF_EQ(tool_text(answer_in(answer, "1")), "in pieces");
}

HF_TEST(event_bytes_are_identical_whatever_their_form) {
  const std::string events =
      "event: message\r\nid: 1\r\ndata: {\"a\":1}\r\n\r\n"
      ": a comment of the backend\n\n"
      "data: two\ndata: lines\nretry: 20\n\n"
      "id\ndata:no blank\n\n"
      "event: message\ndata: " +
      text_of(100'000) + "\n\n";
  ScriptedBackend backend([&events](Peer &peer) {
    (void)peer.read_request();
    peer.send("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n");
    for (size_t at = 0; at < events.size(); at += 777) peer.send(events.substr(at, 777));
  });
  PairOptions options;
  options.backend_port = backend.port();
  const Pair pair(options);
  const Response answer =
      fetch(pair.proxy_port(), modern_request("tools/call", "1", R"({"name":"x"})"));
  HF_CHECK(answer.end == BodyEnd::framed);
  // A stream that begins silent begins with a comment of the proxy's own: it dispatches nothing.
  constexpr std::string_view kOk = ": ok\n\n";
  check_same(answer.body.substr(answer.body.starts_with(kOk) ? kOk.size() : 0), events);
  HF_EQ(backend.failure(), "");
}

HF_TEST(the_first_event_arrives_while_the_call_is_still_running) {
  Pair pair;
  StreamableClient client(pair.proxy_port());
  client.open();
  SseClient stream = client.stream_post(
      tool_call("1", "slow", R"({"steps":100000,"interval_ms":50})", R"({"progressToken":"p"})"));
  HF_EQ(stream.head().header("X-Accel-Buffering").value_or(""), "no");
  (void)stream.next();  // priming event
  HF_EQ(Json{stream.next().data}["params"]["progress"].integer(), 1);
  HF_EQ(pair.backend().state()["exchanges"].integer(), 1);
}

HF_TEST(an_event_waits_for_nothing_that_comes_after_it) {
  Gate seen;
  ScriptedBackend backend([&seen](Peer &peer) {
    (void)peer.read_request();
    peer.send(
        "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
        "Transfer-Encoding: chunked\r\n\r\n9\r\ndata: 1\n\n\r\n");
    HF_CHECK(seen.wait());  // the client has the first event before the second is sent
    peer.send("9\r\ndata: 2\n\n\r\n0\r\n\r\n");
  });
  PairOptions options;
  options.backend_port = backend.port();
  const Pair pair(options);
  SseClient stream(pair.proxy_port(), modern_request("tools/call", "1", R"({"name":"x"})"));
  HF_EQ(stream.next().data, "1");
  seen.open();
  HF_EQ(stream.next().data, "2");
  HF_CHECK(stream.wait_end() == BodyEnd::framed);
  HF_EQ(backend.failure(), "");
}

// The bound holds for 99 of 100 on a quiet machine (bench/bounded_test.cpp); that nothing is held
// back shows in half of them on any.
HF_TEST(half_of_all_events_arrive_within_5_ms) {
  constexpr size_t kEvents = 200;
  std::atomic<size_t> taken = 0;
  ScriptedBackend backend([&taken](Peer &peer) {
    (void)peer.read_request();
    peer.send("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n");
    for (size_t i = 0; i < kEvents; ++i) {
      HF_CHECK(eventually([&] { return taken == i; }));  // no queue: each finds an idle stream
      peer.send("data: " + std::to_string(now_us()) + "\n\n");
    }
  });
  PairOptions options;
  options.backend_port = backend.port();
  const Pair pair(options);
  SseClient stream(pair.proxy_port(), modern_request("tools/call", "1", R"({"name":"x"})"));
  std::vector<int64_t> took_us;
  while (took_us.size() < kEvents) {
    const int64_t sent_us = std::stoll(stream.next().data);
    took_us.push_back(now_us() - sent_us);
    ++taken;
  }
  const auto middle = took_us.begin() + kEvents / 2;
  std::nth_element(took_us.begin(), middle, took_us.end());
  if (*middle > 5000) HF_FAIL(std::to_string(*middle) + " us");
  HF_EQ(backend.failure(), "");
}

HF_TEST(a_reader_that_stops_reading_blocks_nobody_and_loses_nothing) {
  PairOptions options;
  options.proxy_main = "# one worker would be shared by both readers";
  options.backend_args = {"--answer", "json"};
  Pair pair(options);
  StreamableClient slow(pair.proxy_port());
  slow.open();
  std::vector<std::unique_ptr<Connection>> stopped;
  for (int i = 0; i < 4; ++i) {  // more than there are workers
    stopped.push_back(std::make_unique<Connection>(Connection::tcp(pair.proxy_port())));
    stopped.back()->set_receive_window(256 * 1024);  // far below the answer, and yet quick to read
    stopped.back()->send(
        to_text(mcp_post("/mcp", tool_call("1", "big", R"({"bytes":16777216})"), slow.headers())));
    HF_CHECK(stopped.back()->readable(kSoon));  // its answer has begun
  }
  for (int i = 0; i < 20; ++i) {
    HF_EQ(tool_text(slow.call("echo", R"({"message":"quick"})")), "quick");
  }
  stopped.front()->set_receive_window(1
                                      << 20);  // a tiny window would make this a matter of minutes
  ResponseReader reader(*stopped.front());
  Response answer;
  static_cast<ResponseHead &>(answer) = *reader.read_head();
  while (reader.read_some(answer.body)) {
  }
  HF_CHECK(reader.end() == BodyEnd::framed);
  const std::string text = tool_text(answer_in(answer, "1"));
  HF_EQ(text.size(), size_t{16} * kMiB);
  const Response direct =
      fetch(pair.backend_port(),
            modern_request("tools/call", "1", R"({"name":"big","arguments":{"bytes":16777216}})"));
  HF_CHECK(text == tool_text(answer_in(direct, "1")));
}

HF_TEST(requests_share_a_connection_and_keep_their_order) {
  const Pair pair;
  StreamableClient client(pair.proxy_port());
  client.open();
  Connection connection = Connection::tcp(pair.proxy_port());
  std::string pipelined;
  for (int i = 0; i < 5; ++i) {
    const std::string id = std::to_string(i);
    pipelined += to_text(
        mcp_post("/mcp", tool_call(id, "echo", R"({"message":"m)" + id + "\"}"), client.headers()));
  }
  connection.send(pipelined);
  for (int i = 0; i < 5; ++i) {
    ResponseReader reader(connection);
    Response answer;
    static_cast<ResponseHead &>(answer) = *reader.read_head();
    while (reader.read_some(answer.body)) {
    }
    HF_EQ(tool_text(answer_in(answer, std::to_string(i))), "m" + std::to_string(i));
  }
}

int main() {
  const CMUnitTest tests[] = {
      HF_UNIT(a_mebibyte_each_way_arrives_identical),
      HF_UNIT(the_backend_gets_the_bytes_the_client_sent),
      HF_UNIT(a_chunked_request_body_arrives_whole),
      HF_UNIT(event_bytes_are_identical_whatever_their_form),
      HF_UNIT(the_first_event_arrives_while_the_call_is_still_running),
      HF_UNIT(an_event_waits_for_nothing_that_comes_after_it),
      HF_UNIT(half_of_all_events_arrive_within_5_ms),
      HF_UNIT(a_reader_that_stops_reading_blocks_nobody_and_loses_nothing),
      HF_UNIT(requests_share_a_connection_and_keep_their_order),
  };
  return HF_RUN(tests);
}
