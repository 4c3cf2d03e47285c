#include "sessiond/core/server_orders.h"

namespace holdfast::sessiond {

bool ServerOrders::set(std::string_view server, const ServerOrder &order) {
  auto at = orders_.find(server);
  if (at == orders_.end()) {
    if (orders_.size() >= kServerOrdersMax) return false;
    at = orders_.emplace(server, ServerOrder{}).first;
  }
  if (order.state) at->second.state = order.state;
  if (order.weight) at->second.weight = order.weight;
  return true;
}

const ServerOrder *ServerOrders::find(std::string_view server) const {
  const auto at = orders_.find(server);
  return at == orders_.end() ? nullptr : &at->second;
}

}  // namespace holdfast::sessiond
