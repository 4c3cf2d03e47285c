// One JSON-RPC ping to a backend session on nobody's behalf (backend_ping): its answer is read and
// goes no further, and it moves no session's clock. What the answer says of the session is acted
// upon: a backend that does not know it any more starts its recovery, or ends it. Owned by the
// worker; ends itself through Worker::call_done. Worker thread only.
#pragma once

#include <memory>
#include <string>

#include "proxy/backend_conn.h"
#include "proxy/net/timer_wheel.h"
#include "proxy/recovery_order.h"
#include "proxy/rpc_answer.h"
#include "proxy/session_registry.h"

namespace holdfast::proxy {

class PingCall final : public BackendUser, public WheelTimer::User, public Buried {
 public:
  PingCall(Worker &worker, PingOrder order, uint64_t number);
  ~PingCall() override;
  PingCall(const PingCall &) = delete;
  PingCall &operator=(const PingCall &) = delete;

  void start();

  void on_backend_head(const http::ResponseHead &head) override;
  void on_backend_data(std::string_view data) override;
  void on_backend_end() override;
  void on_backend_turn_end() override;
  void on_backend_fault(BackendFault fault, const char *detail) override;
  void on_backend_writable() override {}
  void on_backend_blocked() override {}
  void on_deadline(WheelTimer &timer) override;

 private:
  static constexpr Millis kAnswerMax{10'000};
  static constexpr size_t kRefusalBytesMax = 16 * 1024;  // of a body that is read for its meaning
  void park();
  void judge();
  RecoveryHeads heads() const;
  void give_streams_a_backend();
  void lost();
  void done(bool ok, const char *detail);

  Worker &worker_;
  PingOrder order_;
  const std::string id_;  // raw; a client's own ids do not look like it
  std::unique_ptr<BackendConn> conn_;
  RpcAnswer answer_;
  std::string refusal_;
  WheelTimer timer_;
  int status_ = 0;
  bool complete_ = false;
};

}  // namespace holdfast::proxy
