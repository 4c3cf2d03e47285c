// Asks one backend again and again whether it is well, and writes the verdict to its cell, where
// every worker sees it. One question at a time, on a connection of its own: whether one can be made
// is part of it. Owned by HealthChecker. Worker thread only.
//
//   resting ──interval + jitter──▶ asking ──answer, fault or timeout──▶ resting
#pragma once

#include <memory>
#include <string>

#include "proxy/backend_conn.h"
#include "proxy/backend_stats.h"
#include "proxy/config.h"
#include "proxy/net/timer_wheel.h"

namespace holdfast::proxy {

class HealthProbe final : public BackendUser, public WheelTimer::User {
 public:
  // `at` is where `subject` is asked: itself, or another port of it.
  HealthProbe(Worker &worker, BackendId subject, BackendId at, HealthCheck how);
  ~HealthProbe();
  HealthProbe(const HealthProbe &) = delete;
  HealthProbe &operator=(const HealthProbe &) = delete;

  // Asks soon, in a moment of its own: a farm is not to be asked all at once.
  void start();
  bool is(BackendId at, const HealthCheck &how) const { return at == at_ && how == how_; }

  void on_backend_head(const http::ResponseHead &head) override;
  void on_backend_data(std::string_view) override {}
  void on_backend_end() override {}
  void on_backend_turn_end() override;
  void on_backend_fault(BackendFault fault, const char *detail) override;
  void on_backend_writable() override;
  void on_backend_blocked() override {}
  void on_deadline(WheelTimer &timer) override;

 private:
  void ask();
  void rest();
  void drop();
  void conclude(CheckResult result);
  void decide(CheckResult verdict);
  CheckResult judge(int status) const;
  Millis some_of(Millis most);

  Worker &worker_;
  const BackendId subject_;
  const BackendId at_;
  const HealthCheck how_;
  BackendStats::Cell &cell_;
  std::unique_ptr<BackendConn> conn_;
  WheelTimer timer_;
  unsigned fails_ = 0;   // in a row
  unsigned passes_ = 0;  // likewise
  uint64_t asked_count_ = 0;
  int status_ = 0;
};

}  // namespace holdfast::proxy
