// What the mock says to whom; see mcp_mock.cpp for the list.
#include <array>
#include <cstdio>

#include "tests/bench/tools/find_number.h"
#include "tests/bench/tools/mock_server.h"
#include "tests/bench/tools/mock_session.h"

namespace holdfast::bench {
namespace {

constexpr size_t kBodyBytesKept = 16 * 1024;
constexpr uint64_t kFaultEvery = 50;
constexpr std::string_view kResultTail = "\"}]}}";
constexpr std::string_view kStreamHead =
    "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nCache-Control: no-cache\r\n"
    "Transfer-Encoding: chunked\r\n\r\n";

std::string result_head(uint64_t id) {
  return R"({"jsonrpc":"2.0","id":)" + std::to_string(id) +
         R"(,"result":{"content":[{"type":"text","text":")";
}

std::string initialize_json(uint64_t id) {
  return R"({"jsonrpc":"2.0","id":)" + std::to_string(id) +
         R"(,"result":{"protocolVersion":"2025-06-18","capabilities":{"tools":{},"logging":{}},)"
         R"("serverInfo":{"name":"mcp-mock","version":"1"}}})";
}

std::string chunk_open(size_t bytes) {
  std::array<char, 24> text;
  const int length = std::snprintf(text.data(), text.size(), "%zx\r\n", bytes);
  return {text.data(), static_cast<size_t>(length)};
}

std::string chunk(std::string_view payload) {
  return chunk_open(payload.size()).append(payload).append("\r\n");
}

bool request_id(const MockConn &conn, uint64_t &id) {
  return find_number(conn.body, "\"id\":", id) || find_number(conn.tail, "\"id\":", id);
}

bool is_initialize(const MockConn &conn) {
  return conn.body.find(R"("method":"initialize")") != std::string::npos;
}

}  // namespace

void MockConn::on_head(const Head &head) {
  verb = head.method == "POST"     ? Verb::post
         : head.method == "GET"    ? Verb::get
         : head.method == "DELETE" ? Verb::end
                                   : Verb::other;
  const size_t mark = head.path.find('?');
  const std::string_view path = head.path.substr(0, mark);
  route = path == "/mcp"        ? Route::mcp
          : path == "/sse"      ? Route::legacy_sse
          : path == "/messages" ? Route::legacy_post
          : path == "/ping"     ? Route::ping
                                : Route::none;
  accepts_stream = head.event_stream;
  close_after = head.close;
  session_ok = valid_session(head.session);
  if (route == Route::legacy_post) {
    std::string_view query =
        mark == std::string_view::npos ? std::string_view() : head.path.substr(mark + 1);
    if (query.starts_with("sessionId=")) query.remove_prefix(10);
    session.assign(query.substr(0, query.find('&')));
  }
  body.clear();
  tail.clear();
}

void MockConn::on_body(std::string_view bytes) {
  if (body.size() < kBodyBytesKept) body.append(bytes.substr(0, kBodyBytesKept - body.size()));
  if (bytes.size() >= 256) {
    tail.assign(bytes.substr(bytes.size() - 256));
  } else {
    tail.append(bytes);
    if (tail.size() > 1024) tail.erase(0, tail.size() - 256);
  }
}

void MockConn::on_end() { server.serve(*this); }

// True for every 50th occasion when this fault was asked for.
bool MockServer::fault(std::string_view name) {
  return !settings_.fault.empty() && settings_.fault == name && ++fault_count_ % kFaultEvery == 0;
}

void MockServer::serve(MockConn &conn) {
  using Route = MockConn::Route;
  using Verb = MockConn::Verb;
  ++counters_.requests;
  if (!conn.out.empty()) {  // pipelining: no proxy may do this to a backend
    ++counters_.malformed;
    conn.dead = true;
    return;
  }
  if (conn.route == Route::ping) {
    reply_status(conn, "200 OK");
  } else if (conn.route == Route::legacy_sse && conn.verb == Verb::get) {
    open_legacy(conn);
  } else if (conn.route == Route::legacy_post && conn.verb == Verb::post) {
    serve_legacy_post(conn);
  } else if (conn.route == Route::mcp && conn.verb == Verb::post) {
    serve_mcp_post(conn);
  } else if (conn.route != Route::mcp || !conn.session_ok) {
    ++counters_.not_found;
    reply_status(conn, "404 Not Found");
  } else if (conn.verb == Verb::end) {
    ++counters_.deletes;
    reply_status(conn, "200 OK");
  } else if (conn.verb == Verb::get && conn.accepts_stream) {
    open_stream(conn);
  } else {
    reply_status(conn, "405 Method Not Allowed");
  }
  if (conn.close_after) conn.dead = true;
}

void MockServer::serve_mcp_post(MockConn &conn) {
  uint64_t id = 0;
  const bool has_id = request_id(conn, id);
  if (is_initialize(conn)) {
    answer_initialize(conn, id);
  } else if (!conn.session_ok) {
    ++counters_.not_found;
    reply_status(conn, "404 Not Found");
  } else if (!has_id) {
    reply_status(conn, "202 Accepted");
  } else if (settings_.delay_ms > 0) {
    const auto delay_ns = static_cast<uint64_t>(settings_.delay_ms * 1e6);
    delayed_.push({now_ns() + delay_ns, conn.wire.fd(), conn.generation, id});
  } else {
    answer(conn, id);
  }
}

void MockServer::serve_legacy_post(MockConn &conn) {
  const auto at = legacy_.find(conn.session);
  if (at == legacy_.end()) {
    ++counters_.not_found;
    reply_status(conn, "404 Not Found");
    return;
  }
  reply_status(conn, "202 Accepted");
  uint64_t id = 0;
  if (!request_id(conn, id)) return;
  std::string event = "event: message\ndata: ";
  if (is_initialize(conn)) {
    ++counters_.initialize;
    event.append(initialize_json(id));
  } else {
    ++counters_.calls;
    event.append(result_head(id)).append(text_).append(kResultTail);
  }
  at->second->out.append(chunk(event.append("\n\n")));
  push(*at->second);
}

void MockServer::open_legacy(MockConn &conn) {
  ++counters_.streams;
  conn.stream = MockConn::StreamKind::legacy;
  conn.session = make_session();
  legacy_[conn.session] = &conn;
  conn.out.append(kStreamHead);
  conn.out.append(chunk("event: endpoint\ndata: /messages?sessionId=" + conn.session + "\n\n"));
  push(conn);
}

void MockServer::open_stream(MockConn &conn) {
  ++counters_.streams;
  conn.stream = MockConn::StreamKind::mcp;
  conn.out.append(kStreamHead);
  conn.out.append(chunk(": open\n\n"));  // a comment, so that every proxy passes the head on
  if (settings_.rate > 0) {
    // The streams are spread over the period, so that events do not come in bursts.
    const double share =
        static_cast<double>(mix(conn.generation) >> 11) / static_cast<double>(uint64_t{1} << 53);
    conn.due_ns = static_cast<double>(now_ns()) + 1e9 / settings_.rate * share;
    ticking_.push_back(&conn);
  }
  push(conn);
}

void MockServer::send_event(MockConn &conn) {
  std::array<char, 256> head;
  const auto seq = static_cast<unsigned long long>(conn.seq);
  const int length = std::snprintf(
      head.data(), head.size(),
      "id: %llu\nevent: message\ndata: {\"jsonrpc\":\"2.0\",\"method\":\"notifications/message\","
      "\"params\":{\"level\":\"info\",\"data\":{\"seq\":%llu,\"ts\":%llu,\"pad\":\"",
      seq, seq, static_cast<unsigned long long>(now_ns()));
  conn.seq += fault("lose") ? 2 : 1;
  if (fault("repeat") && conn.seq > 1) --conn.seq;
  ++counters_.events;
  std::string payload(head.data(), static_cast<size_t>(length));
  payload.append(padding_).append("\"}}}\n\n");
  conn.out.append(chunk(payload));
  push(conn);
}

void MockServer::answer_initialize(MockConn &conn, uint64_t id) {
  ++counters_.initialize;
  const std::string body = initialize_json(id);
  const std::string session = fault("session") ? "" : make_session();
  conn.out.append(
      "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nMcp-Session-Id: " + session +
      "\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body);
  push(conn);
}

void MockServer::reply_status(MockConn &conn, std::string_view status) {
  std::string reply = "HTTP/1.1 ";
  conn.out.append(reply.append(status).append("\r\nContent-Length: 0\r\n\r\n"));
  push(conn);
}

// The result of request `id`, the way the settings say.
void MockServer::answer(MockConn &conn, uint64_t id) {
  ++counters_.calls;
  if (fault("status")) {
    reply_status(conn, "503 Service Unavailable");
    return;
  }
  if (fault("close")) {
    conn.dead = true;
    finished_.push_back(&conn);
    return;
  }
  if (fault("id")) ++id;
  const std::string head = result_head(id);
  const size_t bytes = head.size() + text_.size() + kResultTail.size();
  if (settings_.sse_response) {
    constexpr std::string_view kBefore = "event: message\ndata: ";
    conn.out.append(kStreamHead);
    conn.out.append(chunk_open(kBefore.size() + bytes + 2).append(kBefore).append(head));
    conn.out.append_shared(text_);
    conn.out.append(kResultTail);
    conn.out.append("\n\n\r\n0\r\n\r\n");
  } else {
    conn.out.append("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: " +
                    std::to_string(bytes) + "\r\n\r\n" + head);
    conn.out.append_shared(text_);
    conn.out.append(kResultTail);
  }
  push(conn);
}

}  // namespace holdfast::bench
