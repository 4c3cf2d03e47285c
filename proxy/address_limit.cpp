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
  std::string key = key_of(peer);
  const std::lock_guard lock(mutex_);
  unsigned &count = counts_[key];  // one that is full is there already
  if (count >= max) return {};
  ++count;
  return {*this, std::move(key)};
}

void AddressLimit::leave(const std::string &key) {
  const std::lock_guard lock(mutex_);
  const auto at = counts_.find(key);
  if (at != counts_.end() && --at->second == 0) counts_.erase(at);
}

size_t AddressLimit::addresses_count() const {
  const std::lock_guard lock(mutex_);
  return counts_.size();
}

}  // namespace holdfast::proxy
