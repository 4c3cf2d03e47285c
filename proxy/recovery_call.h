// The conversation that opens a lost backend session again: the client's own initialize, then
// `notifications/initialized`, then what the server held for the client and can be told again. Its
// requests carry what the request that needs it carries, so that no credential is kept; they live
// in the order and end with it. Owned by the worker; ends itself through Worker::call_done, having
// told everybody who waits. Whatever becomes of the exchange that asked, it goes on. Worker thread
// only.
//
//   initialize ──same result──▶ initialized ──2xx──▶ replay … ──▶ recovered
//       │  └──another promise, or refused for good──▶ the session is ended (backend_lost)
//       └──no answer, 5xx, 401──▶ failed: the session lives on, a later request may try again
#pragma once

#include <memory>
#include <string>

#include "proxy/backend_conn.h"
#include "proxy/net/timer_wheel.h"
#include "proxy/rpc_answer.h"
#include "proxy/session_registry.h"

namespace holdfast::proxy {

// All of it in this time; a server that starts a process per session may need most of it.
inline constexpr Millis kRecoveryMax{30'000};

// Heads are written but for their end: framing, Mcp-Session-Id and MCP-Protocol-Version are added
// as the conversation knows them.
struct RecoveryHeads {
  std::string post;
  std::string get;      // of the session's event streams
  std::string version;  // value of MCP-Protocol-Version; empty: not sent
};

struct RecoveryOrder {
  std::string session;
  BackendId backend = kNoBackend;
  RecoveryPlan plan;
  RecoveryHeads heads;
  Millis connect_timeout{5000};
};

// A GET for an event stream of this backend session.
std::string stream_request(const RecoveryHeads &heads, std::string_view backend_session);

class RecoveryCall final : public BackendUser, public WheelTimer::User, public Buried {
 public:
  RecoveryCall(Worker &worker, RecoveryOrder order);
  ~RecoveryCall() override;
  RecoveryCall(const RecoveryCall &) = delete;
  RecoveryCall &operator=(const RecoveryCall &) = delete;

  void start();

  void on_backend_head(const http::ResponseHead &head) override;
  void on_backend_data(std::string_view data) override { answer_.feed(data); }
  void on_backend_end() override;
  void on_backend_turn_end() override;
  void on_backend_fault(BackendFault fault, const char *detail) override;
  void on_backend_writable() override;
  void on_backend_blocked() override { on_backend_writable(); }
  void on_deadline(WheelTimer &timer) override;

 private:
  enum class Step : uint8_t { initialize, initialized, replay };
  void say(std::unique_ptr<BackendConn> conn, std::string_view body);
  void say_next(std::string_view body);
  void park();
  void step_done();
  void on_initialized();
  void next_replay();
  void succeed();
  void fail(int status, const char *detail);
  void lose(const char *detail);
  void forget_opened();

  Worker &worker_;
  RecoveryOrder order_;
  std::unique_ptr<BackendConn> conn_;
  RpcAnswer answer_;
  WheelTimer timer_;
  std::string opened_;     // the backend's new id for the session
  std::string challenge_;  // WWW-Authenticate of a 401
  MonoTime due_{};         // of the whole
  size_t replayed_ = 0;
  int status_ = 0;
  Step step_ = Step::initialize;
  bool complete_ = false;
};

}  // namespace holdfast::proxy
