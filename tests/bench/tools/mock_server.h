// A very fast, deliberately dumb MCP server: the backend of every measurement. One thread, one
// epoll set. The loop is in mock_server.cpp, what it answers in mock_answers.cpp.
#pragma once

#include <cstdint>
#include <memory>
#include <queue>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "common/unique_fd.h"
#include "tests/bench/tools/http_parser.h"
#include "tests/bench/tools/mock_settings.h"
#include "tests/bench/tools/out_queue.h"
#include "tests/bench/tools/sockets.h"
#include "tests/bench/tools/wire.h"

namespace holdfast::bench {

class MockServer;

// One connection and the request it is in.
struct MockConn {
  enum class Route : uint8_t { none, mcp, legacy_sse, legacy_post, ping };
  enum class Verb : uint8_t { other, get, post, end };
  enum class StreamKind : uint8_t { none, mcp, legacy };

  MockConn(MockServer &owner, Wire socket) : server(owner), wire(std::move(socket)) {}
  void on_head(const Head &head);
  void on_body(std::string_view bytes);
  void on_end();

  MockServer &server;
  Wire wire;
  uint32_t generation = 0;  // guards delayed answers against a reused descriptor
  HttpParser<Side::request> parser;
  OutQueue out;
  bool writing = false;  // EPOLLOUT is armed
  bool dead = false;

  Route route = Route::none;
  Verb verb = Verb::other;
  bool accepts_stream = false;
  bool close_after = false;
  bool session_ok = false;
  std::string session;  // legacy: from the query string
  std::string body;     // its first 16 KiB
  std::string tail;     // the last bytes of a longer body

  StreamKind stream = StreamKind::none;  // once it is an open event stream
  uint64_t seq = 0;
  double due_ns = 0;
};

class MockServer {
 public:
  explicit MockServer(MockSettings settings);

  uint16_t port() const { return local_port(listener_.get()); }
  // Serves until `stop` is set by a signal.
  void run(const volatile int &stop);
  void print_counters() const;

  // ---- from its connections, at a request's end ----
  void serve(MockConn &conn);

 private:
  struct Delayed {
    uint64_t due_ns;
    int fd;
    uint32_t generation;
    uint64_t id;
    bool operator<(const Delayed &other) const { return due_ns > other.due_ns; }
  };

  void accept_all();
  void readable(MockConn &conn);
  void push(MockConn &conn);
  void drop(MockConn &conn);
  void sweep();
  void tick(uint64_t now_ns);
  void send_due_events(MockConn &conn, uint64_t now_ns);
  void send_event(MockConn &conn);
  int wait_ms(uint64_t now_ns) const;

  void serve_mcp_post(MockConn &conn);
  void serve_legacy_post(MockConn &conn);
  void open_stream(MockConn &conn);
  void open_legacy(MockConn &conn);
  void answer(MockConn &conn, uint64_t id);
  void answer_initialize(MockConn &conn, uint64_t id);
  void reply_status(MockConn &conn, std::string_view status);
  bool fault(std::string_view name);

  MockSettings settings_;
  MockCounters counters_;
  std::string text_;     // padding of results
  std::string padding_;  // of events
  const int epoll_ = make_epoll();
  UniqueFd listener_;
  uint32_t next_generation_ = 0;
  uint64_t fault_count_ = 0;
  std::vector<std::unique_ptr<MockConn>> by_fd_;
  uint64_t conns_count_ = 0;
  std::vector<MockConn *> finished_;  // freed after the batch of events they may still be in
  std::vector<MockConn *> ticking_;   // open streams that emit events
  std::unordered_map<std::string, MockConn *> legacy_;
  std::priority_queue<Delayed> delayed_;
  std::vector<char> buffer_ = std::vector<char>(256 * 1024);
};

}  // namespace holdfast::bench
