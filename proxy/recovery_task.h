// A conversation that opens a lost backend session again, whatever its transport: for whom, how
// long it may take, how it ends. Its requests carry what the request that needs it carries, so that
// no credential is kept; they live in the order and end with it. Owned by the worker; ends itself
// through Worker::call_done, having told everybody who waits. Whatever becomes of the exchange that
// asked, it goes on. Worker thread only.
//
//   begin() ──▶ … ──settle(), finish()──▶ recovered: whoever waits goes on
//                │──lose(): another promise, or refused for good──▶ the session is ended
//                └──fail(): no answer, 5xx, 401──▶ the session lives on, a later request may try
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "proxy/backend_conn.h"
#include "proxy/net/timer_wheel.h"
#include "proxy/recovery_order.h"
#include "proxy/session_registry.h"

namespace holdfast::proxy {

// All of it in this time; a server that starts a process per session may need most of it.
inline constexpr Millis kRecoveryMax{30'000};

class RecoveryTask : public WheelTimer::User, public Buried {
 public:
  ~RecoveryTask() override;
  RecoveryTask(const RecoveryTask &) = delete;
  RecoveryTask &operator=(const RecoveryTask &) = delete;

  void start();
  void on_deadline(WheelTimer &timer) override;

 protected:
  RecoveryTask(Worker &worker, RecoveryOrder order);

  virtual void begin() = 0;
  // Lets go of every connection. `forget`: nor is the backend to keep what was opened there.
  virtual void let_go(bool forget) = 0;
  // Another way to go on when there is no connection. False: there is none.
  virtual bool goes_elsewhere() { return false; }

  // A connection is being made, or stands: from then on only the whole is limited.
  void arm_for_connect();
  void arm_for_answer() { timer_.arm(due_); }

  // The session lives at this backend session from now on, and sessiond is told. nullopt: it does
  // not, which has been dealt with.
  std::optional<RecoveredSession> settle(std::string_view backend_session, size_t replayed);
  // Whoever waits goes on.
  void finish(const RecoveredSession &recovered);
  // The session lives on without a backend; a later request may find it back. `status`: what it
  // was refused with; 502 where nothing was heard.
  void fail(int status, const char *detail);
  // There is no session like it to be had any more: it ends here, for everybody who is on it.
  void lose(const char *detail);
  // A refusal with this status, which is neither 2xx nor to be ignored.
  void refused();
  // A connection that broke, or could not be made.
  void broke(BackendFault fault, const char *detail);

  Worker &worker_;
  RecoveryOrder order_;
  std::string challenge_;  // WWW-Authenticate of a 401
  int status_ = 0;         // of the latest answer, for the log

 private:
  void give_up(const char *detail);

  WheelTimer timer_;
  MonoTime due_{};  // of the whole
};

// WWW-Authenticate of an answer; empty without one.
std::string_view challenge_in(const http::ResponseHead &head);

inline constexpr std::string_view kInitialized =
    R"({"jsonrpc":"2.0","method":"notifications/initialized"})";

void add_field(std::string &head, std::string_view name, std::string_view value);

}  // namespace holdfast::proxy
