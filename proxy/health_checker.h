// The active health checks of the whole process: one probe for each address of an upstream that has
// a health_check. They live on one worker, so that a server is asked once and not once per worker;
// what they find stands in the cells all workers share. Owned by that worker; its thread only.
#pragma once

#include <memory>
#include <unordered_map>

#include "proxy/health_probe.h"

namespace holdfast::proxy {

class HealthChecker {
 public:
  explicit HealthChecker(Worker &worker) : worker_(worker) {}
  HealthChecker(const HealthChecker &) = delete;
  HealthChecker &operator=(const HealthChecker &) = delete;

  // Checks what this configuration says from now on. A server that is checked as before goes on
  // with what is known of it; at most kBackendsMax are.
  void configure(const Config &config);

 private:
  // Where a server is asked: at its own address, or at another port of the same host.
  BackendId asked_at(const Upstream &upstream, const BackendServer &server, BackendId subject);

  Worker &worker_;
  std::unordered_map<BackendId, std::unique_ptr<HealthProbe>> probes_;
};

}  // namespace holdfast::proxy
