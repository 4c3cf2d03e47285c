// One MCP session on one connection: the handshake, and what is done with the session afterwards,
// one class for each mode of mcp-load that uses sessions.
#pragma once

#include <functional>
#include <string>

#include "tests/bench/tools/load_context.h"
#include "tests/bench/tools/sse_parser.h"

namespace holdfast::bench {

// initialize, then initialized; then session_ready() is called.
class SessionClient : public Client {
 public:
  explicit SessionClient(LoadContext &load)
      : Client(load.engine, load.settings, load.errors), load_(load) {}
  void start(unsigned index);

  void on_head(const Head &head) override;
  void on_body(std::string_view bytes) override { reply_.add(bytes); }
  void on_end() override;
  void on_closed() override;
  virtual void session_ready() = 0;

 protected:
  enum class Step : uint8_t { initialize, initialized, ready, failed };
  void give_up(uint64_t &counter);

  LoadContext &load_;
  Step step_ = Step::failed;
  unsigned index_ = 0;
  int receive_buffer_ = 0;
  int status_ = 0;
  bool close_after_ = false;
  uint64_t id_ = 0;
  std::string session_;
  ReplyCheck reply_;
};

// Calls in a closed loop on one connection.
class CallClient final : public SessionClient {
 public:
  using SessionClient::SessionClient;
  bool stuck() const;

  void session_ready() override;
  void on_end() override;
  void after_read() override;
  void on_closed() override;

 private:
  void check_reply();
  void reconnect();
  void next();

  CallTemplate call_;
  uint64_t sent_ns_ = 0;
  bool busy_ = false;
};

// Whole sessions: connect, initialize, initialized, tools/call, DELETE, close; and again.
class ChurnClient final : public SessionClient {
 public:
  using SessionClient::SessionClient;
  void begin(unsigned index);

  void session_ready() override;
  void on_end() override;
  void after_read() override;
  void on_closed() override;

 private:
  enum class Phase : uint8_t { session, call, end, over };
  void again();

  Phase phase_ = Phase::session;
  bool ok_ = true;
  uint64_t begun_ns_ = 0;
  CallTemplate call_;
};

struct StreamTotals {
  size_t open = 0;
  size_t died = 0;
  uint64_t events = 0;
};

// One open event stream; checks the order of its events.
class StreamClient final : public SessionClient {
 public:
  StreamClient(LoadContext &load, StreamTotals &totals, bool slow);
  std::function<void()> on_open;

  void session_ready() override;
  void on_head(const Head &head) override;
  void on_body(std::string_view bytes) override;
  void on_event(std::string_view name, std::string_view data);
  void on_end() override;
  void on_closed() override;

 private:
  StreamTotals &totals_;
  const bool slow_;
  bool streaming_ = false;
  uint64_t next_seq_ = 0;
  SseParser sse_;
};

}  // namespace holdfast::bench
