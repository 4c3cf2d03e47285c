#include "proxy/config.h"

#include <algorithm>

#include "proxy/http/byte_class.h"

namespace holdfast::proxy {

bool LessAnyCase::operator()(std::string_view a, std::string_view b) const noexcept {
  return std::lexicographical_compare(
      a.begin(), a.end(), b.begin(), b.end(),
      [](char left, char right) { return http::lower(left) < http::lower(right); });
}

bool Config::is_trusted_proxy(const SocketAddress &peer) const noexcept {
  if (peer.is_unix()) return trusts_unix_peers;
  return std::any_of(trusted_proxies.begin(), trusted_proxies.end(),
                     [&peer](const Cidr &range) { return range.contains(peer); });
}

}  // namespace holdfast::proxy
