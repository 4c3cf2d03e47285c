// The load generator's loop and its connections: one thread, one epoll set. A Client sends bytes,
// parses responses and tells its subclass; it outlives its socket and may be opened again.
#pragma once

#include <cstdint>
#include <functional>
#include <string_view>
#include <vector>

#include "tests/bench/tools/http_parser.h"
#include "tests/bench/tools/load_errors.h"
#include "tests/bench/tools/load_settings.h"
#include "tests/bench/tools/out_queue.h"
#include "tests/bench/tools/sockets.h"
#include "tests/bench/tools/wire.h"

namespace holdfast::bench {

class Engine {
 public:
  // Dispatches events until `until_ns` or until stop() is called.
  void run(uint64_t until_ns);
  void run_for(double seconds) { run(now_ns() + static_cast<uint64_t>(seconds * 1e9)); }
  void stop() { stopped_ = true; }
  // Calls `hook` about every `ms` milliseconds from within run(); an empty one ends that.
  void every(unsigned ms, std::function<void()> hook);

 private:
  friend class Client;
  const int epoll_ = make_epoll();
  std::vector<char> buffer_ = std::vector<char>(512 * 1024);
  bool stopped_ = false;
  uint64_t period_ns_ = 0;
  uint64_t hook_due_ns_ = 0;
  std::function<void()> hook_;
};

class Client {
 public:
  // Borrows all three, which must outlive it.
  Client(Engine &engine, const LoadSettings &settings, LoadErrors &errors)
      : engine_(engine), settings_(settings), errors_(errors) {}
  virtual ~Client() = default;
  Client(const Client &) = delete;
  Client &operator=(const Client &) = delete;

  virtual void on_head(const Head &) {}
  virtual void on_body(std::string_view) {}
  virtual void on_end() {}
  virtual void on_closed() {}   // the peer closed or the connection failed; the socket is gone
  virtual void after_read() {}  // the place to close or reopen on purpose

  bool is_open() const { return static_cast<bool>(wire_); }
  void open(unsigned index, int receive_buffer = 0);
  void close_socket();
  // `shared` must outlive the sending; it is followed by `after`.
  void send(std::string_view bytes, std::string_view shared = {}, std::string_view after = {});
  void pause_reading(bool pause);

 protected:
  Engine &engine_;
  const LoadSettings &settings_;
  LoadErrors &errors_;

 private:
  friend class Engine;
  void handle(uint32_t events);
  bool finish_connect();    // false: it failed
  bool finish_handshake();  // false: not yet, or it failed
  void read();
  void flush();
  void update_interest();
  void fail();

  Wire wire_;
  uint32_t interest_ = 0;
  uint32_t generation_ = 0;  // of the socket: a callback may have replaced it
  bool connecting_ = false;
  bool shaking_ = false;  // the TLS handshake is under way
  bool paused_ = false;
  HttpParser<Side::response> parser_;
  OutQueue out_;
};

}  // namespace holdfast::bench
