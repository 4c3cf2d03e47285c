// Addresses of stream sockets and ranges of them: parsed once, compared and printed cheaply.
// Values; no I/O, any thread. Names are resolved elsewhere (conf_source.h).
#pragma once

#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace holdfast {

// An IPv4, IPv6 or Unix address, ready for bind() and connect().
class SocketAddress {
 public:
  SocketAddress() = default;  // family AF_UNSPEC: no address

  // What accept() or getaddrinfo() gave; nullopt for other families and impossible lengths.
  static std::optional<SocketAddress> from(const sockaddr *address, socklen_t length_bytes);
  // "127.0.0.1", "::1" (no brackets) and a port; nullopt when the text is not a numeric address.
  static std::optional<SocketAddress> numeric(std::string_view ip, uint16_t port);
  // nullopt when empty or longer than kSocketPathBytesMax.
  static std::optional<SocketAddress> unix_path(std::string_view path);

  const sockaddr *get() const noexcept { return &address_.any; }
  socklen_t length_bytes() const noexcept { return length_bytes_; }
  int family() const noexcept { return address_.any.sa_family; }
  bool is_unix() const noexcept { return family() == AF_UNIX; }
  bool is_loopback() const noexcept;  // 127.0.0.0/8, ::1, ::ffff:127.0.0.0/104; not Unix
  bool is_wildcard() const noexcept;  // 0.0.0.0, ::
  uint16_t port() const noexcept;     // 0 for Unix

  std::string ip() const;    // "127.0.0.1", "::1", "unix:" for a Unix peer
  std::string text() const;  // "127.0.0.1:80", "[::1]:80", "unix:/path"

  friend bool operator==(const SocketAddress &a, const SocketAddress &b) noexcept;

 private:
  union Any {
    sockaddr any;
    sockaddr_in in4;
    sockaddr_in6 in6;
    sockaddr_un un;
  };
  Any address_{};
  socklen_t length_bytes_ = 0;
};

// A range of addresses: "10.0.0.0/8", "::1".
class Cidr {
 public:
  // nullopt when the text is none. Bits right of the prefix must be zero, as a typing error would
  // otherwise open more or less than it says.
  static std::optional<Cidr> parse(std::string_view text);
  // IPv4-mapped IPv6 peers are compared as IPv4. Unix peers are in no range.
  bool contains(const SocketAddress &address) const noexcept;

 private:
  std::array<uint8_t, 16> bytes_{};
  unsigned prefix_bits_ = 0;
  bool is_v4_ = false;
};

}  // namespace holdfast
