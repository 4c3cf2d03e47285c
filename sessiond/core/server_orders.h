// What admins have said of servers: kept for proxies that come later, and taken over from proxies
// that remember it where we, started anew, do not. A word once said stays until another one: also
// `ready`, which a proxy that was away has yet to hear. Owned by the core. Pure; one thread.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "common/server_state.h"

namespace holdfast::sessiond {

// As many as a proxy has room for; only servers that a proxy has told of can be named.
inline constexpr size_t kServerOrdersMax = 4096;

struct ServerOrder {
  std::optional<ServerState> state;
  std::optional<int64_t> weight;
};

class ServerOrders {
 public:
  // Members that are not set leave what was said before. False: there is no room for another name.
  bool set(std::string_view server, const ServerOrder &order);
  const ServerOrder *find(std::string_view server) const;
  const std::map<std::string, ServerOrder, std::less<>> &all() const noexcept { return orders_; }

 private:
  std::map<std::string, ServerOrder, std::less<>> orders_;
};

}  // namespace holdfast::sessiond
