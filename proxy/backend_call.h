// A small request of the proxy's own to a backend: DELETE of a session that has ended, so that the
// backend does not keep it for ever. Bounded retries; 2xx, 400, 404 and 405 count as done (SPEC
// section 1, Expiry). Owned by the worker; ends itself through Worker::call_done. Worker thread
// only.
#pragma once

#include <memory>
#include <string>

#include "proxy/backend_conn.h"
#include "proxy/net/timer_wheel.h"

namespace holdfast::proxy {

class BackendCall final : public BackendUser, public WheelTimer::User, public Buried {
 public:
  BackendCall(Worker &worker, BackendId backend, std::string target, std::string backend_session);
  ~BackendCall() override;
  BackendCall(const BackendCall &) = delete;
  BackendCall &operator=(const BackendCall &) = delete;

  void start();

  void on_backend_head(const http::ResponseHead &head) override;
  void on_backend_data(std::string_view) override {}
  void on_backend_end() override { complete_ = true; }
  void on_backend_turn_end() override;
  void on_backend_fault(BackendFault fault, const char *detail) override;
  void on_backend_writable() override {}
  void on_backend_blocked() override {}
  void on_deadline(WheelTimer &timer) override;

 private:
  static constexpr int kAttemptsMax = 3;
  static constexpr Millis kAnswerMax{10'000};
  static constexpr Millis kRetryAfter{2000};
  void failed(const char *why);
  void drop();

  Worker &worker_;
  BackendId backend_;
  std::string target_;
  std::string backend_session_;
  std::unique_ptr<BackendConn> conn_;
  WheelTimer timer_;
  int attempts_ = 0;
  int status_ = 0;
  bool complete_ = false;
};

}  // namespace holdfast::proxy
