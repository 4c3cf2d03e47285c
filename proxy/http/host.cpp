#include "proxy/http/host.h"

#include "proxy/http/byte_class.h"

namespace holdfast::proxy::http {
namespace {

constexpr size_t kPortDigitsMax = 5;
constexpr uint32_t kPortMax = 65535;

// How many leading bytes are of a reg-name.
size_t reg_name_run(std::string_view text) noexcept {
  size_t n = run_of(text, kHostByte);
  while (n + 2 < text.size() && text[n] == '%' && is(text[n + 1], kHexDigit) &&
         is(text[n + 2], kHexDigit)) {
    n += 3;
    n += run_of(text.substr(n), kHostByte);
  }
  return n;
}

// How many leading bytes are "[", an IPv6 address and "]"; 0 when they are not.
size_t ip_literal_run(std::string_view text) noexcept {
  const size_t close = text.find(']');
  if (close == text.npos || !is_ipv6_address(text.substr(1, close - 1))) return 0;
  return close + 1;
}

// The text after ":"; nullopt: not a port. An empty port is 0, as if none was given.
std::optional<uint16_t> parse_port(std::string_view text) noexcept {
  if (text.size() > kPortDigitsMax) return std::nullopt;
  uint32_t port = 0;
  for (const char c : text) {
    if (!is(c, kDigit)) return std::nullopt;
    port = port * 10 + static_cast<uint32_t>(c - '0');
  }
  if (port > kPortMax || (port == 0 && !text.empty())) return std::nullopt;
  return static_cast<uint16_t>(port);
}

// Four decimal numbers of 0 to 255 without leading zeros: the tail an IPv6 address may have.
bool is_ipv4_tail(std::string_view text) noexcept {
  for (int i = 0; i < 4; ++i) {
    const size_t digits = run_of(text, kDigit);
    if (digits == 0 || digits > 3 || (digits > 1 && text[0] == '0')) return false;
    if (digits == 3 && text.substr(0, 3) > "255") return false;
    text.remove_prefix(digits);
    if (i == 3) break;
    if (text.empty() || text.front() != '.') return false;
    text.remove_prefix(1);
  }
  return text.empty();
}

}  // namespace

bool is_ipv6_address(std::string_view text) noexcept {
  size_t groups = 0;
  bool compressed = false;
  if (text.starts_with("::")) {
    compressed = true;
    text.remove_prefix(2);
    if (text.empty()) return true;
  }
  for (;;) {
    const size_t digits = run_of(text, kHexDigit);
    if (digits < text.size() && text[digits] == '.') {
      if (!is_ipv4_tail(text)) return false;
      groups += 2;
      break;
    }
    if (digits == 0 || digits > 4) return false;
    ++groups;
    text.remove_prefix(digits);
    if (text.empty()) break;
    if (text.front() != ':' || text.size() == 1) return false;
    text.remove_prefix(1);
    if (text.front() != ':') continue;
    if (compressed) return false;
    compressed = true;
    text.remove_prefix(1);
    if (text.empty()) break;
  }
  return compressed ? groups < 8 : groups == 8;
}

std::optional<HostPort> parse_host(std::string_view value) noexcept {
  const size_t name_bytes = value.starts_with('[') ? ip_literal_run(value) : reg_name_run(value);
  if (name_bytes == 0) return std::nullopt;
  const std::string_view name = value.substr(0, name_bytes);
  if (name_bytes == value.size()) return HostPort{name, 0};
  if (value[name_bytes] != ':') return std::nullopt;
  const std::optional<uint16_t> port = parse_port(value.substr(name_bytes + 1));
  if (!port) return std::nullopt;
  return HostPort{name, *port};
}

bool same_host(const HostPort &a, const HostPort &b, uint16_t default_port) noexcept {
  const uint16_t port_a = a.port != 0 ? a.port : default_port;
  const uint16_t port_b = b.port != 0 ? b.port : default_port;
  return port_a == port_b && iequals(a.name, b.name);
}

}  // namespace holdfast::proxy::http
