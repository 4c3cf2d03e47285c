#include "proxy/route.h"

#include <strings.h>

#include <algorithm>

#include "proxy/http/byte_class.h"

namespace holdfast::proxy {
namespace {

bool equal_no_case(std::string_view a, std::string_view b) noexcept {
  return a.size() == b.size() && ::strncasecmp(a.data(), b.data(), a.size()) == 0;
}

struct HostPort {
  std::string_view host;  // IPv6 with its brackets
  std::string_view port;  // empty when absent
};

HostPort split(std::string_view authority) noexcept {
  // From behind: the colon before a port comes first, the bracket of an IPv6 address before one of
  // its own.
  for (size_t i = authority.size(); i > 0; --i) {
    if (authority[i - 1] == ']') break;
    if (authority[i - 1] == ':') return {authority.substr(0, i - 1), authority.substr(i)};
  }
  return {authority, {}};
}

// "*.example.com" matches every name below example.com, never example.com itself.
bool name_matches(std::string_view pattern, std::string_view host) noexcept {
  if (!pattern.starts_with("*.")) return equal_no_case(pattern, host);
  const std::string_view suffix = pattern.substr(1);
  return host.size() > suffix.size() &&
         equal_no_case(host.substr(host.size() - suffix.size()), suffix);
}

// Four decimal numbers to 255, as inet_pton() reads them: no leading zeros.
bool is_dotted_ipv4(std::string_view text) noexcept {
  for (int part = 1;; ++part) {
    const size_t digits = http::run_of(text, http::kDigit);
    if (digits == 0 || digits > 3 || (digits > 1 && text[0] == '0')) return false;
    unsigned value = 0;
    for (size_t i = 0; i < digits; ++i) value = value * 10 + static_cast<unsigned>(text[i] - '0');
    if (value > 255) return false;
    text.remove_prefix(digits);
    if (part == 4) return text.empty();
    if (!text.starts_with('.')) return false;
    text.remove_prefix(1);
  }
}

bool is_loopback_name(std::string_view host) noexcept {
  if (host == "127.0.0.1") return true;
  // 127.0.0.0/8 in its dotted form; anything else after "127." is a name somebody else may own.
  return (host.starts_with("127.") && is_dotted_ipv4(host)) || equal_no_case(host, "localhost") ||
         equal_no_case(host, "[::1]") || name_matches("*.localhost", host);
}

bool is_server_name(const Server &server, std::string_view host) noexcept {
  return std::any_of(server.names.begin(), server.names.end(), [&](const std::string &name) {
    return !name.empty() && name_matches(name, host);
  });
}

std::string_view default_port(std::string_view scheme) noexcept {
  return equal_no_case(scheme, "https") ? "443" : "80";
}

bool listed(const AllowedName &allowed, std::string_view scheme, const HostPort &at) noexcept {
  if (!allowed.scheme.empty() && !scheme.empty() && !equal_no_case(allowed.scheme, scheme))
    return false;
  if (!name_matches(allowed.host, at.host)) return false;
  if (allowed.port == "*") return true;
  const std::string_view implied =
      default_port(!scheme.empty() ? scheme : std::string_view(allowed.scheme));
  const std::string_view wanted = allowed.port.empty() ? implied : std::string_view(allowed.port);
  return (at.port.empty() ? implied : at.port) == wanted;
}

bool any_listed(const std::vector<AllowedName> &list, std::string_view scheme,
                const HostPort &at) noexcept {
  return std::any_of(list.begin(), list.end(),
                     [&](const AllowedName &allowed) { return listed(allowed, scheme, at); });
}

bool allowed_by(const std::optional<std::vector<AllowedName>> &list, const Listener &listener,
                const Server &server, std::string_view scheme, const HostPort &at) noexcept {
  if (list && list->empty()) return true;  // switched off
  if (list && any_listed(*list, scheme, at)) return true;
  if (!listener.loopback) return !list;
  return is_loopback_name(at.host) || is_server_name(server, at.host);
}

// What is not said meets no pattern, not even "*".
bool meets(const std::optional<TextPattern> &pattern, std::string_view text) noexcept {
  return !pattern || (!text.empty() && pattern->matches(text));
}

}  // namespace

const Server &find_server(const Config &config, const Listener &listener,
                          std::string_view host) noexcept {
  const Server &fallback = config.servers[listener.default_server];
  if (listener.servers.size() == 1) return fallback;
  const std::string_view name = split(host).host;
  const Server *best = nullptr;
  size_t best_chars = 0;
  for (const size_t index : listener.servers) {
    const Server &server = config.servers[index];
    for (const std::string &candidate : server.names) {
      if (candidate.empty() || !name_matches(candidate, name)) continue;
      if (!candidate.starts_with("*.")) return server;
      if (candidate.size() > best_chars) {
        best = &server;
        best_chars = candidate.size();
      }
    }
  }
  return best != nullptr ? *best : fallback;
}

const Location *find_location(const Server &server, std::string_view path,
                              const MessageFields &fields) noexcept {
  for (const Location &location : server.locations) {
    const bool there = location.exact ? path == location.path : path.starts_with(location.path);
    if (there && meets(location.mcp_method, fields.method) && meets(location.mcp_name, fields.name))
      return &location;
  }
  return nullptr;
}

size_t find_rule(const UpstreamMap &map, std::string_view text) noexcept {
  if (const auto exact = map.exact.find(text); exact != map.exact.end()) return exact->second;
  for (const UpstreamMap::Pattern &pattern : map.patterns) {
    if (pattern.pattern.matches(text)) return pattern.rule;
  }
  return map.fallback;
}

bool host_allowed(const Listener &listener, const Server &server, const ProxySettings &settings,
                  std::string_view host) noexcept {
  const std::string_view scheme = listener.tls ? "https" : "http";
  return allowed_by(settings.allowed_hosts, listener, server, scheme, split(host));
}

bool origin_allowed(const Listener &listener, const Server &server, const ProxySettings &settings,
                    std::string_view origin) noexcept {
  if (settings.allowed_origins && settings.allowed_origins->empty()) return true;
  if (!settings.allowed_origins && !listener.loopback) return true;
  const size_t colon = origin.find("://");
  if (colon == std::string_view::npos) return false;
  return allowed_by(settings.allowed_origins, listener, server, origin.substr(0, colon),
                    split(origin.substr(colon + 3)));
}

}  // namespace holdfast::proxy
