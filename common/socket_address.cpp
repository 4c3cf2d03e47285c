#include "common/socket_address.h"

#include <arpa/inet.h>

#include <algorithm>
#include <charconv>
#include <cstring>

#include "common/limits.h"
#include "common/units.h"

namespace holdfast {

namespace {

constexpr std::array<uint8_t, 12> kMappedPrefix{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

// The address in network order, IPv4-mapped IPv6 as plain IPv4; empty for other families.
struct RawIp {
  std::array<uint8_t, 16> bytes{};
  size_t size = 0;
};

RawIp raw_ip(const SocketAddress &address) noexcept {
  RawIp ip;
  if (address.family() == AF_INET) {
    const auto *in4 = static_cast<const sockaddr_in *>(static_cast<const void *>(address.get()));
    ip.size = 4;
    std::memcpy(ip.bytes.data(), &in4->sin_addr, 4);
  } else if (address.family() == AF_INET6) {
    const auto *in6 = static_cast<const sockaddr_in6 *>(static_cast<const void *>(address.get()));
    const uint8_t *from = in6->sin6_addr.s6_addr;
    if (std::equal(kMappedPrefix.begin(), kMappedPrefix.end(), from)) {
      ip.size = 4;
      std::memcpy(ip.bytes.data(), from + kMappedPrefix.size(), 4);
    } else {
      ip.size = 16;
      std::memcpy(ip.bytes.data(), from, 16);
    }
  }
  return ip;
}

bool equal_bits(const uint8_t *a, const uint8_t *b, unsigned bits) noexcept {
  const unsigned whole = bits / 8;
  if (std::memcmp(a, b, whole) != 0) return false;
  const unsigned rest = bits % 8;
  if (rest == 0) return true;
  const unsigned mask = 0xffu << (8 - rest) & 0xffu;
  return (a[whole] & mask) == (b[whole] & mask);
}

bool zero_after(const std::array<uint8_t, 16> &bytes, unsigned bits, unsigned total_bits) noexcept {
  for (unsigned bit = bits; bit < total_bits; ++bit) {
    if ((bytes[bit / 8] & (0x80u >> bit % 8)) != 0) return false;
  }
  return true;
}

}  // namespace

std::optional<SocketAddress> SocketAddress::from(const sockaddr *address, socklen_t length_bytes) {
  SocketAddress result;
  if (length_bytes < sizeof(sa_family_t) || length_bytes > sizeof(Any)) return std::nullopt;
  const sa_family_t family = address->sa_family;
  const bool fits = (family == AF_INET && length_bytes == sizeof(sockaddr_in)) ||
                    (family == AF_INET6 && length_bytes == sizeof(sockaddr_in6)) ||
                    family == AF_UNIX;
  if (!fits) return std::nullopt;
  std::memcpy(&result.address_, address, length_bytes);
  result.length_bytes_ = length_bytes;
  return result;
}

std::optional<SocketAddress> SocketAddress::numeric(std::string_view ip, uint16_t port) {
  const std::string text(ip);  // inet_pton wants a terminated string
  SocketAddress result;
  if (text.find('\0') != std::string::npos) return std::nullopt;
  if (::inet_pton(AF_INET, text.c_str(), &result.address_.in4.sin_addr) == 1) {
    result.address_.in4.sin_family = AF_INET;
    result.address_.in4.sin_port = htons(port);
    result.length_bytes_ = sizeof(sockaddr_in);
    return result;
  }
  result.address_ = Any{};
  if (::inet_pton(AF_INET6, text.c_str(), &result.address_.in6.sin6_addr) == 1) {
    result.address_.in6.sin6_family = AF_INET6;
    result.address_.in6.sin6_port = htons(port);
    result.length_bytes_ = sizeof(sockaddr_in6);
    return result;
  }
  return std::nullopt;
}

std::optional<SocketAddress> SocketAddress::unix_path(std::string_view path) {
  if (path.empty() || path.size() > kSocketPathBytesMax) return std::nullopt;
  SocketAddress result;
  // All of it: a union's initialiser sets its first member only, and the kernel reads the path to
  // its NUL.
  std::memset(&result.address_, 0, sizeof result.address_);
  result.address_.un.sun_family = AF_UNIX;
  std::memcpy(result.address_.un.sun_path, path.data(), path.size());
  result.length_bytes_ = sizeof(sockaddr_un);
  return result;
}

bool SocketAddress::is_loopback() const noexcept {
  const RawIp ip = raw_ip(*this);
  if (ip.size == 4) return ip.bytes[0] == 127;
  return family() == AF_INET6 && IN6_IS_ADDR_LOOPBACK(&address_.in6.sin6_addr);
}

bool SocketAddress::is_wildcard() const noexcept {
  const RawIp ip = raw_ip(*this);
  return ip.size > 0 && std::all_of(ip.bytes.begin(), ip.bytes.begin() + ip.size,
                                    [](uint8_t byte) { return byte == 0; });
}

uint16_t SocketAddress::port() const noexcept {
  if (family() == AF_INET) return ntohs(address_.in4.sin_port);
  if (family() == AF_INET6) return ntohs(address_.in6.sin6_port);
  return 0;
}

std::string SocketAddress::ip() const {
  if (is_unix()) return "unix:";
  const RawIp ip = raw_ip(*this);
  if (ip.size == 0) return "";
  char text[INET6_ADDRSTRLEN] = {};
  if (ip.size == 4) {  // of each connection; inet_ntop() formats it like any text
    char *at = text;
    for (size_t i = 0; i < ip.size; ++i) {
      if (i > 0) *at++ = '.';
      at = std::to_chars(at, text + sizeof text, ip.bytes[i]).ptr;
    }
    return text;
  }
  if (::inet_ntop(AF_INET6, ip.bytes.data(), text, sizeof text) == nullptr) return "";
  return text;
}

std::string SocketAddress::text() const {
  if (is_unix()) {
    const char *path = address_.un.sun_path;
    const size_t room = length_bytes_ - offsetof(sockaddr_un, sun_path);
    return "unix:" +
           std::string(path, ::strnlen(path, length_bytes_ > sizeof(sa_family_t) ? room : 0));
  }
  const std::string host = ip();
  const std::string port_text = std::to_string(port());
  return host.find(':') == std::string::npos ? host + ":" + port_text
                                             : "[" + host + "]:" + port_text;
}

bool operator==(const SocketAddress &a, const SocketAddress &b) noexcept {
  if (a.family() != b.family()) return false;
  if (a.is_unix()) return a.text() == b.text();
  const RawIp left = raw_ip(a);
  const RawIp right = raw_ip(b);
  return left.size == right.size && left.bytes == right.bytes && a.port() == b.port();
}

std::optional<Cidr> Cidr::parse(std::string_view text) {
  const size_t slash = text.find('/');
  const auto address = SocketAddress::numeric(text.substr(0, slash), 0);
  if (!address) return std::nullopt;
  const RawIp ip = raw_ip(*address);
  const unsigned total_bits = static_cast<unsigned>(ip.size) * 8;
  Cidr cidr;
  cidr.bytes_ = ip.bytes;
  cidr.is_v4_ = ip.size == 4;
  cidr.prefix_bits_ = total_bits;
  if (slash != std::string_view::npos) {
    const auto bits = parse_whole(text.substr(slash + 1), 0, total_bits);
    if (!bits) return std::nullopt;
    cidr.prefix_bits_ = static_cast<unsigned>(*bits);
  }
  if (!zero_after(cidr.bytes_, cidr.prefix_bits_, total_bits)) return std::nullopt;
  return cidr;
}

bool Cidr::contains(const SocketAddress &address) const noexcept {
  const RawIp ip = raw_ip(address);
  if (ip.size != (is_v4_ ? 4u : 16u)) return false;
  return equal_bits(ip.bytes.data(), bytes_.data(), prefix_bits_);
}

}  // namespace holdfast
