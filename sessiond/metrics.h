// /metrics: what sessiond counts and what the linked proxies told it, in Prometheus' text format.
// No label has a value a user could choose; by-user counts live in /health only. Loop thread only.
#pragma once

#include <prometheus/collectable.h>

#include <string>
#include <string_view>

#include "sessiond/service.h"

namespace holdfast::sessiond {

inline constexpr std::string_view kMetricsContentType = "text/plain; version=0.0.4; charset=utf-8";

// Borrows the service.
class Metrics final : public prometheus::Collectable {
 public:
  explicit Metrics(const Service &service) : service_(service) {}
  std::vector<prometheus::MetricFamily> Collect() const override;

 private:
  const Service &service_;
};

std::string metrics_text(const Service &service);

}  // namespace holdfast::sessiond
