#include "proxy/address_limit.h"

#include <netinet/in.h>

#include <cstring>

namespace holdfast::proxy {
namespace {

constexpr size_t kIpv6NetworkBytes = 8;  // a /64

std::string key_of(const SocketAddress &peer) {
  if (peer.family() == AF_INET6) {
    sockaddr_in6 address{};
    std::memcpy(&address, peer.get(), sizeof address);
    return std::string(reinterpret_cast<const char *>(&address.sin6_addr), kIpv6NetworkBytes);
  }
  sockaddr_in address{};
  std::memcpy(&address, peer.get(), sizeof address);
  return std::string(reinterpret_cast<const char *>(&address.sin_addr), sizeof address.sin_addr);
}

}  // namespace

AddressLimit::Place AddressLimit::enter(const SocketAddress &peer, unsigned max) {
  const std::lock_guard lock(mutex_);
  Counts::value_type &counted =
      *counts_.try_emplace(key_of(peer), Count{this}).first;  // a full one is there
  if (counted.second.places >= max) return {};
  ++counted.second.places;
  return Place(counted);
}

void AddressLimit::leave(Counts::value_type &counted) {
  const std::lock_guard lock(mutex_);
  if (--counted.second.places == 0) counts_.erase(counts_.find(counted.first));
}

size_t AddressLimit::addresses_count() const {
  const std::lock_guard lock(mutex_);
  return counts_.size();
}

}  // namespace holdfast::proxy
