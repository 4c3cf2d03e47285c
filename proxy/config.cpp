#include "proxy/config.h"

#include <algorithm>

namespace holdfast::proxy {

bool Config::is_trusted_proxy(const SocketAddress &peer) const noexcept {
  if (peer.is_unix()) return trusts_unix_peers;
  return std::any_of(trusted_proxies.begin(), trusted_proxies.end(),
                     [&peer](const Cidr &range) { return range.contains(peer); });
}

}  // namespace holdfast::proxy
