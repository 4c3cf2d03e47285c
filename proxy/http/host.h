// The Host field and the authority of an absolute-form target (RFC 9112 section 3.2, 9110
// section 7.2, 3986 section 3.2). Pure; any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace holdfast::proxy::http {

struct HostPort {
  std::string_view name;  // a view into the input; an IPv6 address keeps its brackets
  uint16_t port = 0;      // 0: none given
};

// reg-name, IPv4 or [IPv6], then optionally ":" and a port, which may be empty or 1 to 65535.
// nullopt: not of that form, or empty.
std::optional<HostPort> parse_host(std::string_view value) noexcept;

// True when both name the same host and port, without case, a missing port meaning `default_port`.
bool same_host(const HostPort &a, const HostPort &b, uint16_t default_port) noexcept;

// True for the text form of an IPv6 address (RFC 4291 section 2.2), without brackets or zone.
bool is_ipv6_address(std::string_view text) noexcept;

}  // namespace holdfast::proxy::http
