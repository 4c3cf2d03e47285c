#include "proxy/config_values.h"

#include <algorithm>

#include "common/limits.h"
#include "common/units.h"

namespace holdfast::proxy {

namespace {

constexpr uint64_t kPortMax = 65'535;
constexpr size_t kHostBytesMax = 253;
constexpr std::string_view kUnix = "unix:";

std::string in_quotes(std::string_view text) { return '"' + std::string(text) + '"'; }

Error bad(std::string message) { return Error{Errc::config, 0, std::move(message)}; }

bool is_host_char(char c) noexcept {
  return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_';
}

bool is_host_name(std::string_view host) noexcept {
  return !host.empty() && host.size() <= kHostBytesMax && host.front() != '.' &&
         std::all_of(host.begin(), host.end(), is_host_char);
}

// Host and port as texts; brackets stay with the host. `port` empty when there is none.
struct Split {
  std::string host;
  std::string_view port;
  bool has_port = false;
};

Split split_port(std::string_view text) {
  const size_t bracket =
      text.empty() || text.front() != '[' ? std::string_view::npos : text.find(']');
  const size_t colon = text.find(':', bracket == std::string_view::npos ? 0 : bracket);
  if (colon == std::string_view::npos) return {to_lower(text), {}, false};
  return {to_lower(text.substr(0, colon)), text.substr(colon + 1), true};
}

bool is_bracketed_v6(std::string_view host) {
  return host.size() > 2 && host.front() == '[' && host.back() == ']' &&
         SocketAddress::numeric(host.substr(1, host.size() - 2), 0).has_value();
}

Result<SocketAddress> unix_address(const std::string &path) {
  if (const auto address = SocketAddress::unix_path(path)) return *address;
  return bad(in_quotes(path) + " is " + std::to_string(path.size()) +
             " bytes long; a Unix socket path holds 1 to " + std::to_string(kSocketPathBytesMax));
}

// The kernel counts in whole seconds, at most 32767 of them, and at most 127 probes.
constexpr Millis kKeepAliveTimeMin{1000};
constexpr Millis kKeepAliveTimeMax{32'767'000};
constexpr uint64_t kKeepAliveProbesMax = 127;
constexpr Millis kUserTimeoutMax{24 * 3600 * 1000};

Result<void> read_keepalive_time(std::string_view text, Millis &out) {
  if (text.empty()) return {};
  const Result<Millis> time = parse_duration(text);
  if (!time) return time.error();
  if (*time < kKeepAliveTimeMin || *time > kKeepAliveTimeMax)
    return bad("so_keepalive=: times are from 1s to 32767s");
  out = *time;
  return {};
}

Result<void> read_keepalive_parts(std::string_view value, ClientKeepAlive &out) {
  const size_t first = value.find(':');
  const size_t second = value.find(':', first + 1);
  if (first == std::string_view::npos || second == std::string_view::npos ||
      value.find(':', second + 1) != std::string_view::npos) {
    return bad("so_keepalive= takes on, off or IDLE:INTERVAL:COUNT");
  }
  ClientKeepAlive read = out;
  read.on = true;
  if (Result<void> idle = read_keepalive_time(value.substr(0, first), read.idle); !idle)
    return idle;
  const std::string_view interval = value.substr(first + 1, second - first - 1);
  if (Result<void> time = read_keepalive_time(interval, read.interval); !time) return time;
  if (const std::string_view text = value.substr(second + 1); !text.empty()) {
    const std::optional<uint64_t> count = parse_whole(text, 1, kKeepAliveProbesMax);
    if (!count) return bad("so_keepalive=: the count of probes is from 1 to 127");
    read.probes = static_cast<int>(*count);
  }
  out = read;
  return {};
}

}  // namespace

Result<void> read_keepalive(std::string_view name, std::string_view value, ClientKeepAlive &out) {
  if (name == "so_keepalive") {
    if (value != "on" && value != "off") return read_keepalive_parts(value, out);
    out.on = value == "on";
    return {};
  }
  const Result<Millis> time = parse_duration(value);
  if (!time) return bad("tcp_user_timeout=: " + time.error().message);
  if (*time > kUserTimeoutMax) return bad("tcp_user_timeout= is at most one day");
  out.user_timeout = *time;
  return {};
}

std::string to_lower(std::string_view text) {
  std::string result(text);
  std::transform(result.begin(), result.end(), result.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c;
  });
  return result;
}

Result<Endpoint> parse_endpoint(std::string_view text, uint16_t port_min) {
  Endpoint endpoint;
  if (text.substr(0, kUnix.size()) == kUnix) {
    endpoint.unix_path = text.substr(kUnix.size());
    if (!endpoint.unix_path.empty() && endpoint.unix_path.back() == ':')
      endpoint.unix_path.pop_back();
    if (endpoint.unix_path.empty()) return bad("a socket path is missing in " + in_quotes(text));
    return endpoint;
  }
  const Split split = split_port(text);
  if (split.has_port) {
    const auto port = parse_whole(split.port, port_min, kPortMax);
    if (!port) return bad("invalid port in " + in_quotes(text));
    endpoint.port = static_cast<uint16_t>(*port);
  }
  if (is_bracketed_v6(split.host)) {
    endpoint.host = split.host.substr(1, split.host.size() - 2);
  } else if (is_host_name(split.host)) {
    endpoint.host = split.host;
  } else {
    return bad("invalid host in " + in_quotes(text) +
               "; write HOST:PORT, [IPV6]:PORT or unix:PATH");
  }
  return endpoint;
}

Result<std::vector<SocketAddress>> resolve_endpoint(const Endpoint &endpoint, uint16_t default_port,
                                                    const ConfRequest &request,
                                                    ConfSource &source) {
  if (!endpoint.unix_path.empty()) {
    const auto address = unix_address(request.resolve(endpoint.unix_path));
    if (!address) return address.error();
    return std::vector<SocketAddress>{*address};
  }
  const uint16_t port = endpoint.port.value_or(default_port);
  if (const auto address = SocketAddress::numeric(endpoint.host, port)) {
    return std::vector<SocketAddress>{*address};
  }
  return source.resolve(endpoint.host, port);
}

Result<std::vector<SocketAddress>> parse_listen(std::string_view text, const ConfRequest &request,
                                                ConfSource &source) {
  constexpr uint16_t kHttpPort = 80;
  if (const auto port = parse_whole(text, 1, kPortMax)) {
    return std::vector<SocketAddress>{
        *SocketAddress::numeric("0.0.0.0", static_cast<uint16_t>(*port))};
  }
  const bool any = text.substr(0, 2) == "*:";
  const auto endpoint =
      parse_endpoint(any ? "0.0.0.0:" + std::string(text.substr(2)) : std::string(text), 0);
  if (!endpoint) return endpoint.error();
  return resolve_endpoint(*endpoint, kHttpPort, request, source);
}

Result<AllowedName> parse_allowed_host(std::string_view text) {
  const Split split = split_port(text);
  const bool wildcard = split.host.substr(0, 2) == "*.";
  const bool host_ok =
      is_bracketed_v6(split.host) || is_host_name(split.host.substr(wildcard ? 2 : 0));
  const bool port_ok = !split.has_port || split.port == "*" || parse_whole(split.port, 1, kPortMax);
  if (!host_ok || !port_ok) {
    return bad(in_quotes(text) +
               " is not a host; write example.com, example.com:8443 or *.example.com");
  }
  // The check is there against rebound names, and a port says nothing about the name.
  return AllowedName{"", split.host, split.has_port ? std::string(split.port) : "*"};
}

Result<AllowedName> parse_allowed_origin(std::string_view text) {
  const size_t colon = text.find("://");
  const std::string scheme = colon == std::string_view::npos ? "" : to_lower(text.substr(0, colon));
  const bool scheme_ok = colon == std::string_view::npos ||
                         (!scheme.empty() && scheme.front() >= 'a' && scheme.front() <= 'z' &&
                          std::all_of(scheme.begin(), scheme.end(),
                                      [](char c) { return is_host_char(c) || c == '+'; }));
  const auto name =
      parse_allowed_host(colon == std::string_view::npos ? text : text.substr(colon + 3));
  if (!scheme_ok || !name) {
    return bad(in_quotes(text) +
               " is not an origin; write https://app.example.com or http://localhost:*");
  }
  const bool port_written =
      split_port(colon == std::string_view::npos ? text : text.substr(colon + 3)).has_port;
  return AllowedName{scheme, name->host, port_written ? name->port : ""};
}

Result<std::string> parse_server_name(std::string_view text) {
  const std::string name = to_lower(text);
  if (!name.empty() && name.front() == '~') {
    return bad(in_quotes(text) + ": names by regular expression are not supported by this version");
  }
  const bool wildcard = name.substr(0, 2) == "*.";
  const bool ok = name.empty() || name == "_" || is_bracketed_v6(name) ||
                  is_host_name(std::string_view(name).substr(wildcard ? 2 : 0));
  if (!ok)
    return bad("invalid server name " + in_quotes(text) + "; write example.com or *.example.com");
  return name;
}

bool is_field_name(std::string_view name) noexcept {
  constexpr size_t kFieldNameBytesMax = 256;
  constexpr std::string_view kMarks = "!#$%&'*+-.^_`|~";
  return !name.empty() && name.size() <= kFieldNameBytesMax &&
         std::all_of(name.begin(), name.end(), [kMarks](char c) {
           return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                  kMarks.find(c) != std::string_view::npos;
         });
}

}  // namespace holdfast::proxy
