// How long an answer may take. A finite one may not stop once it has begun; a call has all the time
// it needs before; an event stream has no limit unless one is set, and then ends in good order.
#include <poll.h>

#include "tests/support/gate.h"
#include "tests/support/hf_test.h"
#include "tests/support/pair.h"
#include "tests/support/scripted_backend.h"

using namespace holdfast;
using namespace holdfast::test;

namespace {

constexpr std::string_view kJsonHead =
    "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 13\r\n\r\n";
constexpr std::string_view kJson = R"({"id":5,"":0})";
constexpr std::string_view kStreamHead =
    "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n";
constexpr std::string_view kEvent = "data: {\"jsonrpc\":\"2.0\",\"method\":\"x\"}\n\n";
constexpr const char *kOpened =
    R"({"jsonrpc":"2.0","id":0,"result":{"protocolVersion":"2025-11-25","capabilities":{}}})";

// No sessions: the limits are those of any answer.
PairOptions plain(uint16_t backend_port, std::string location) {
  PairOptions options;
  options.start_sessiond = false;
  options.backend_port = backend_port;
  options.location = std::move(location);
  return options;
}

PairOptions with_sessions(uint16_t backend_port, std::string location) {
  PairOptions options = plain(backend_port, std::move(location));
  options.start_sessiond = true;
  return options;
}

Connection ask(const Pair &pair, const Request &request) {
  Connection connection = Connection::tcp(pair.proxy_port());
  connection.send(to_text(request));
  return connection;
}

const Request kGet{"GET", "/", {{"Accept", "text/plain"}}, ""};
Request call() { return mcp_post("/mcp", tool_call("5", "x")); }

// The end of an answer and its bytes.
struct Read {
  int status = 0;
  std::string body;
  BodyEnd end = BodyEnd::open;
};
Read read_all(Connection &connection) {
  ResponseReader reader(connection);
  const std::optional<ResponseHead> head = reader.read_head();
  if (!head) return {};
  Read read{head->status, {}, BodyEnd::open};
  while (reader.read_some(read.body)) {
  }
  read.end = reader.end();
  return read;
}

// Opens sessions; what it says to anything else is the script's.
ScriptedBackend::Script session_backend(ScriptedBackend::Script say) {
  return [say = std::move(say)](Peer &peer) {
    for (;;) {
      const std::string request = peer.read_request();
      if (request.empty()) return;
      if (request.find("\"initialize\"") != std::string::npos) {
        peer.answer(200, "application/json", kOpened, "Mcp-Session-Id: backend-1\r\n");
      } else if (request.find("notifications/") != std::string::npos) {
        peer.answer(202, "", "");
      } else if (request.find("\"ping\"") != std::string::npos) {
        peer.answer(200, "application/json", R"({"jsonrpc":"2.0","id":6,"result":{}})");
      } else {
        say(peer);
        return;
      }
    }
  };
}

// Begins a stream with one event, then says nothing until it is left.
void falls_silent(Peer &peer) {
  peer.send(std::string(kStreamHead) + std::string(kEvent));
  HF_CHECK(peer.wait_closed());
}

// Sends an event every few milliseconds for as long as anybody takes them.
void never_stops(Peer &peer) {
  peer.send(kStreamHead);
  Gate never;
  while (!never.wait(Millis{5}) && peer.send(kEvent)) {
  }
}

void check_error(const Event &event, std::string_view limit) {
  const Json message{event.data};
  HF_EQ(message["error"]["code"].integer(), -32000);
  HF_EQ(message["id"].integer(), 5);
  HF_CHECK(event.data.find(limit) != std::string::npos);
}

}  // namespace

// --- finite answers ------------------------------------------------------------------------------

HF_TEST(a_call_whose_answer_has_not_begun_is_waited_for_others_are_not) {
  Gate gate;
  ScriptedBackend backend([&](Peer &peer) {
    const std::string request = peer.read_request();
    if (request.empty()) return;
    peer.send(kJsonHead);
    if (request.starts_with("GET")) {
      HF_CHECK(peer.wait_closed());
    } else {
      HF_CHECK(gate.wait());
      peer.send(kJson);
    }
  });
  const Pair pair(plain(backend.port(), "proxy_read_timeout 100ms;"));
  Connection caller = ask(pair, call());
  ResponseReader answer(caller);
  HF_EQ(answer.read_head().value_or(ResponseHead{}).status, 200);
  for (int i = 0; i < 3; ++i) {  // three times the limit goes by
    Connection other = ask(pair, kGet);
    const Read read = read_all(other);
    HF_EQ(read.status, 200);
    HF_CHECK(read.end == BodyEnd::cut || read.end == BodyEnd::reset);
  }
  HF_CHECK(!caller.readable(Millis{0}));
  gate.open();
  std::string body;
  while (answer.read_some(body)) {
  }
  HF_EQ(body, kJson);
  HF_CHECK(answer.end() == BodyEnd::framed);
  HF_EQ(backend.failure(), "");
}

HF_TEST(an_answer_that_stops_after_its_first_byte_is_cut_and_told_once) {
  ScriptedBackend backend([](Peer &peer) {
    if (peer.read_request().empty()) return;
    peer.send(std::string(kJsonHead) + "{");
    HF_CHECK(peer.wait_closed());
  });
  Pair pair(plain(backend.port(), "proxy_read_timeout 100ms;"));
  Connection caller = ask(pair, call());
  const Read read = read_all(caller);
  HF_EQ(read.body, "{");
  HF_CHECK(read.end == BodyEnd::cut || read.end == BodyEnd::reset);
  pair.proxy().wait_for_line("fault=stalled");
  HF_EQ(pair.proxy().count_lines("event=backend_fault"), 1U);
  HF_EQ(backend.failure(), "");
}

// The limit is between two reads, not over all of them.
HF_TEST(an_answer_that_drips_steadily_is_relayed_to_its_end) {
  Gate gates[13];
  ScriptedBackend backend([&](Peer &peer) {
    if (peer.read_request().empty()) return;
    peer.send(kJsonHead);
    for (Gate &gate : gates) {
      HF_CHECK(gate.wait());
      peer.send("x");
    }
  });
  const Pair pair(plain(backend.port(), "proxy_read_timeout 1s;"));
  Connection client = ask(pair, kGet);
  ResponseReader answer(client);
  HF_EQ(answer.read_head().value_or(ResponseHead{}).status, 200);
  std::string body;
  for (Gate &gate : gates) {
    HF_CHECK(!client.readable(Millis{100}));
    gate.open();
    (void)answer.read_some(body);  // ignoring: the end is looked at below
  }
  HF_EQ(body, std::string(13, 'x'));
  HF_CHECK(answer.end() == BodyEnd::framed);
}

HF_TEST(call_timeout_counts_until_the_answer_begins_with_a_head_or_without) {
  ScriptedBackend backend([](Peer &peer) {
    if (peer.read_request().empty()) return;
    if (peer.number() == 1) peer.send(kJsonHead);
    HF_CHECK(peer.wait_closed());
  });
  Pair pair(plain(backend.port(), "call_timeout 100ms; proxy_read_timeout 1h;"));
  Connection without = ask(pair, call());
  HF_EQ(read_all(without).status, 504);
  Connection with = ask(pair, call());
  const Read read = read_all(with);
  HF_EQ(read.status, 200);
  HF_CHECK(read.end == BodyEnd::cut || read.end == BodyEnd::reset);
  HF_EQ(backend.failure(), "");
}

HF_TEST(call_timeout_does_not_count_once_the_answer_has_begun) {
  Gate gate;
  ScriptedBackend backend([&](Peer &peer) {
    const std::string request = peer.read_request();
    if (request.empty()) return;
    if (peer.number() > 0) {  // the clock: a call that is not answered
      HF_CHECK(peer.wait_closed());
      return;
    }
    peer.send(std::string(kJsonHead) + "{");
    HF_CHECK(gate.wait());
    peer.send(kJson.substr(1));
  });
  const Pair pair(plain(backend.port(), "call_timeout 200ms;"));
  Connection caller = ask(pair, call());
  ResponseReader answer(caller);
  HF_EQ(answer.read_head().value_or(ResponseHead{}).status, 200);
  std::string body;
  while (body.empty()) HF_CHECK(answer.read_some(body));
  Connection clock = ask(pair, call());
  HF_EQ(read_all(clock).status, 504);
  gate.open();
  while (answer.read_some(body)) {
  }
  HF_CHECK(answer.end() == BodyEnd::framed);
}

// --- the client's side ---------------------------------------------------------------------------

namespace {

// The client takes nothing of an endless answer; returns when it has been reset.
void check_reset(std::string_view head, std::string location) {
  ScriptedBackend backend([&](Peer &peer) {
    if (peer.read_request().empty()) return;
    peer.send(head);
    while (peer.send(std::string(64 * 1024, '\n'))) {
    }
  });
  const Pair pair(plain(backend.port(), std::move(location)));
  Connection client = Connection::tcp(pair.proxy_port());
  client.set_receive_window(4096);
  client.send(to_text({"POST", "/", {{"Content-Type", "text/plain"}}, "x"}));
  pollfd reset{client.fd(), 0, 0};  // without reading, only the error shows
  HF_EQ(poll(&reset, 1, static_cast<int>(kSoon.count())), 1);
  HF_CHECK(client.wait_end() == PeerEnd::reset);
  HF_EQ(backend.failure(), "");
}

}  // namespace

HF_TEST(a_client_that_takes_nothing_of_an_answer_has_send_timeout) {
  check_reset("HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n",
              "send_timeout 200ms; stream_send_timeout 1h; proxy_send_timeout 1h;");
}

HF_TEST(a_client_that_takes_nothing_of_a_stream_has_stream_send_timeout) {
  check_reset(kStreamHead, "stream_send_timeout 200ms; send_timeout 1h; proxy_send_timeout 1h;");
}

// --- event streams -------------------------------------------------------------------------------

HF_TEST(a_silent_stream_outlives_every_general_limit) {
  Gate gate;
  ScriptedBackend backend([&](Peer &peer) {
    const std::string request = peer.read_request();
    if (request.empty()) return;
    if (request.starts_with("GET")) {
      HF_CHECK(peer.wait_closed());
      return;
    }
    peer.send(kStreamHead);
    HF_CHECK(gate.wait());
    peer.send(kEvent);
  });
  const Pair pair(plain(backend.port(),
                        "proxy_read_timeout 100ms; send_timeout 100ms; proxy_send_timeout 100ms; "
                        "stream_send_timeout 100ms; call_timeout 100ms; sse_heartbeat off;"));
  SseClient stream(pair.proxy_port(), call());
  HF_CHECK(stream.streaming());
  for (int i = 0; i < 3; ++i) {
    Connection other = ask(pair, kGet);
    HF_EQ(read_all(other).status, 504);
  }
  HF_CHECK(!stream.connection().readable(Millis{0}));
  gate.open();
  HF_EQ(stream.next().raw, kEvent);
  HF_EQ(backend.failure(), "");
}

HF_TEST(stream_idle_timeout_ends_a_silent_stream_and_heartbeats_do_not_count) {
  ScriptedBackend backend(session_backend(falls_silent));
  Pair pair(with_sessions(backend.port(), "stream_idle_timeout 300ms; sse_heartbeat 20ms;"));
  StreamableClient client(pair.proxy_port());
  client.open();
  SseClient stream = client.get();
  HF_EQ(stream.next().raw, kEvent);
  HF_CHECK(stream.wait_end() == BodyEnd::framed);
  HF_CHECK(stream.comments_count() > 0);
  pair.proxy().wait_for_line("kind=get reason=stream_idle_timeout");
  HF_EQ(client.post(rpc("ping", "6")).status, 200);  // the session goes on
  HF_EQ(backend.failure(), "");
}

HF_TEST(stream_timeout_ends_a_stream_however_busy_it_is) {
  ScriptedBackend backend(session_backend(never_stops));
  Pair pair(with_sessions(backend.port(), "stream_timeout 300ms; stream_idle_timeout 1h;"));
  StreamableClient client(pair.proxy_port());
  client.open();
  SseClient stream = client.get();
  HF_CHECK(stream.wait_end() == BodyEnd::framed);
  pair.proxy().wait_for_line("kind=get reason=stream_timeout");
  HF_EQ(client.post(rpc("ping", "6")).status, 200);
  HF_EQ(backend.failure(), "");
}

HF_TEST(a_call_in_a_stream_that_is_ended_gets_an_error_with_its_id) {
  for (const std::string limit : {"stream_timeout", "stream_idle_timeout"}) {
    ScriptedBackend backend(session_backend(falls_silent));
    Pair pair(with_sessions(backend.port(), limit + " 200ms;"));
    StreamableClient client(pair.proxy_port());
    client.open();
    SseClient stream = client.stream_post(tool_call("5", "x"));
    HF_EQ(stream.next().raw, kEvent);
    check_error(stream.next(), limit);
    HF_CHECK(stream.wait_end() == BodyEnd::framed);
    pair.proxy().wait_for_line("reason=" + limit);
    HF_EQ(backend.failure(), "");
  }
}

HF_TEST(a_call_whose_stream_we_began_ourselves_is_no_exception) {
  ScriptedBackend backend(session_backend([](Peer &peer) { HF_CHECK(peer.wait_closed()); }));
  const Pair pair(with_sessions(backend.port(), "early_stream 50ms; stream_timeout 200ms;"));
  StreamableClient client(pair.proxy_port());
  client.open();
  SseClient stream = client.stream_post(tool_call("5", "x"));
  check_error(stream.next(), "stream_timeout");
  HF_CHECK(stream.wait_end() == BodyEnd::framed);
  HF_EQ(backend.failure(), "");
}

HF_TEST(a_late_answer_that_stops_inside_its_event_never_looks_complete) {
  Gate gate;
  ScriptedBackend backend(session_backend([&](Peer &peer) {
    HF_CHECK(gate.wait());
    peer.send(std::string(kJsonHead) + "{");
    HF_CHECK(peer.wait_closed());
  }));
  const Pair pair(with_sessions(backend.port(), "early_stream 50ms; proxy_read_timeout 300ms;"));
  StreamableClient client(pair.proxy_port());
  client.open();
  SseClient stream = client.stream_post(tool_call("5", "x"));
  gate.open();
  const BodyEnd end = stream.wait_end();
  HF_CHECK(end == BodyEnd::cut || end == BodyEnd::reset);
  HF_EQ(backend.failure(), "");
}

HF_TEST(a_listen_gets_its_result_and_ends_with_its_stream) {
  PairOptions options;
  options.location = "stream_timeout 300ms;";
  Pair pair(options);
  SseClient stream(pair.proxy_port(), modern_request("subscriptions/listen", "5"));
  HF_CHECK(stream.streaming());
  Event last = stream.next();
  while (last.data.find("\"result\"") == std::string::npos) last = stream.next();
  HF_EQ(Json{last.data}["id"].integer(), 5);
  HF_CHECK(stream.wait_end() == BodyEnd::framed);
  pair.sessiond().wait_for_line("\"reason\":\"stream_timeout\"");
}

HF_TEST(a_legacy_session_ends_with_its_stream) {
  PairOptions options;
  options.location = "stream_idle_timeout 300ms;";
  Pair pair(options);
  LegacyClient client(pair.proxy_port());
  client.open();
  HF_CHECK(client.stream().wait_end() == BodyEnd::framed);
  pair.proxy().wait_for_line("kind=legacy reason=stream_idle_timeout");
  pair.sessiond().wait_for_line("\"reason\":\"stream_timeout\"");
  const Response late = client.post(rpc("ping", "6"));
  check_refusal(late, 404, -32001, "6");
  HF_EQ(Json{late.body}["error"]["data"]["reason"].text(), "idle_timeout");
}

HF_TEST(a_legacy_stream_that_never_begins_is_504_and_its_slot_is_free_again) {
  ScriptedBackend backend(session_backend([](Peer &peer) {
    peer.send(kStreamHead);
    HF_CHECK(peer.wait_closed());
  }));
  PairOptions options = with_sessions(backend.port(), "stream_idle_timeout 200ms;");
  options.sessiond = "max_sessions 1;";
  const Pair pair(options);
  HF_EQ(fetch(pair.proxy_port(), {"GET", "/sse", {{"Accept", "text/event-stream"}}, ""}).status,
        504);
  StreamableClient client(pair.proxy_port());
  client.open();
  HF_EQ(backend.failure(), "");
}

// Its head went out without the endpoint event, after three seconds, and then it broke.
HF_TEST(a_legacy_stream_cut_before_its_endpoint_gives_its_slot_back) {
  Gate gate;
  ScriptedBackend backend(session_backend([&](Peer &peer) {
    peer.send("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Length: 99\r\n\r\n");
    HF_CHECK(gate.wait());
    peer.reset();
  }));
  PairOptions options = with_sessions(backend.port(), "");
  options.sessiond = "max_sessions 1;";
  const Pair pair(options);
  SseClient stream(pair.proxy_port(), {"GET", "/sse", {{"Accept", "text/event-stream"}}, ""});
  HF_CHECK(stream.streaming());
  gate.open();
  const BodyEnd end = stream.wait_end();
  HF_CHECK(end == BodyEnd::cut || end == BodyEnd::reset);
  StreamableClient client(pair.proxy_port());
  client.open();
  HF_EQ(backend.failure(), "");
}

int main() {
  const CMUnitTest tests[] = {
      HF_UNIT(a_call_whose_answer_has_not_begun_is_waited_for_others_are_not),
      HF_UNIT(an_answer_that_stops_after_its_first_byte_is_cut_and_told_once),
      HF_UNIT(an_answer_that_drips_steadily_is_relayed_to_its_end),
      HF_UNIT(call_timeout_counts_until_the_answer_begins_with_a_head_or_without),
      HF_UNIT(call_timeout_does_not_count_once_the_answer_has_begun),
      HF_UNIT(a_client_that_takes_nothing_of_an_answer_has_send_timeout),
      HF_UNIT(a_client_that_takes_nothing_of_a_stream_has_stream_send_timeout),
      HF_UNIT(a_silent_stream_outlives_every_general_limit),
      HF_UNIT(stream_idle_timeout_ends_a_silent_stream_and_heartbeats_do_not_count),
      HF_UNIT(stream_timeout_ends_a_stream_however_busy_it_is),
      HF_UNIT(a_call_in_a_stream_that_is_ended_gets_an_error_with_its_id),
      HF_UNIT(a_call_whose_stream_we_began_ourselves_is_no_exception),
      HF_UNIT(a_late_answer_that_stops_inside_its_event_never_looks_complete),
      HF_UNIT(a_listen_gets_its_result_and_ends_with_its_stream),
      HF_UNIT(a_legacy_session_ends_with_its_stream),
      HF_UNIT(a_legacy_stream_that_never_begins_is_504_and_its_slot_is_free_again),
      HF_UNIT(a_legacy_stream_cut_before_its_endpoint_gives_its_slot_back),
  };
  return HF_RUN(tests);
}
