#include "sessiond/core/client_address.h"

#include <arpa/inet.h>

#include <algorithm>
#include <array>

namespace holdfast::sessiond {
namespace {

constexpr size_t kNetworkBytes = 8;  // of a /64

std::string text_of(int family, const void *bytes) {
  std::array<char, INET6_ADDRSTRLEN> text{};
  return inet_ntop(family, bytes, text.data(), text.size()) != nullptr ? text.data() : "";
}

}  // namespace

std::string client_network(std::string_view peer) {
  std::string text(peer.substr(0, peer.find('%')));  // a link-local address names its link
  in_addr v4{};
  if (inet_pton(AF_INET, text.c_str(), &v4) == 1) return text;  // there is one way to write it
  in6_addr v6{};
  if (inet_pton(AF_INET6, text.c_str(), &v6) != 1) return {};
  if (IN6_IS_ADDR_V4MAPPED(&v6)) return text_of(AF_INET, &v6.s6_addr[12]);
  std::fill(std::begin(v6.s6_addr) + kNetworkBytes, std::end(v6.s6_addr), uint8_t{0});
  return text_of(AF_INET6, &v6) + "/64";
}

}  // namespace holdfast::sessiond
