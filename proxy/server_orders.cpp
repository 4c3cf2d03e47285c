#include "proxy/server_orders.h"

#include <algorithm>
#include <optional>

#include "common/log.h"

namespace holdfast::proxy {

void ServerOrders::obey(const link::SetServer &order) {
  const auto known = orders_.find(order.server);
  if (known == orders_.end() && orders_.size() >= kServerOrdersMax) return;
  link::SetServer &kept = known != orders_.end() ? known->second : orders_[order.server];
  // Said again after every reconnect: most of the time nothing changes.
  const bool same =
      (!order.state || order.state == kept.state) && (!order.weight || order.weight == kept.weight);
  kept.server = order.server;
  if (order.state) kept.state = order.state;
  if (order.weight) kept.weight = order.weight;
  apply(kept);
  if (same) return;
  log_info("event=server_set server={} state={} weight={}", quoted(order.server),
           kept.state ? to_word(*kept.state) : "configured",
           kept.weight ? std::to_string(*kept.weight) : "configured");
}

void ServerOrders::apply() {
  for (const auto &[name, order] : orders_) apply(order);
}

void ServerOrders::apply(const link::SetServer &order) {
  // An older address of the name only serves the sessions it has.
  const std::optional<BackendId> backend = backends_.find(order.server);
  if (!backend) return;
  BackendStats::Cell &cell = stats_.cells[*backend];
  if (order.state && cell.order.exchange(order_of(*order.state)) != order_of(*order.state)) {
    cell.note_change(clock_.now());
  }
  if (order.weight) {
    const auto weight = std::min<int64_t>(*order.weight, kServerWeightMax);
    cell.weight.store(static_cast<int32_t>(weight), std::memory_order_relaxed);
  }
}

const link::SetServer *ServerOrders::find(std::string_view server) const {
  const auto known = orders_.find(server);
  return known == orders_.end() ? nullptr : &known->second;
}

}  // namespace holdfast::proxy
