#include "proxy/mcp/endpoint_rewrite.h"

#include <algorithm>
#include <cstdint>
#include <optional>

namespace holdfast::proxy::mcp {

namespace {

constexpr size_t kPublicIdBytes = 8;  // of a session id, the part that logs may show
constexpr std::string_view kEllipsis = "\xE2\x80\xA6";
constexpr std::string_view kSessionParameters[] = {"sessionId", "session_id"};

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_alpha(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
bool is_hex(char c) { return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F'); }
char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c; }

bool equal_without_case(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](char x, char y) { return lower(x) == lower(y); });
}

Error malformed(const char *what) {
  return {Errc::protocol, 0, std::string("backend's endpoint event: ") + what};
}

// --- URI references (RFC 3986) -----------------------------------------------------------------

struct Reference {
  std::optional<std::string_view> scheme;
  std::optional<std::string_view> authority;
  std::string_view path;
  std::optional<std::string_view> query;
};

// Everything before the first byte of `stops`; that much is removed from `rest`.
std::string_view take_until(std::string_view *rest, std::string_view stops) {
  const std::string_view taken = rest->substr(0, rest->find_first_of(stops));
  rest->remove_prefix(taken.size());
  return taken;
}

bool is_scheme(std::string_view text) {
  return !text.empty() && is_alpha(text[0]) && std::all_of(text.begin(), text.end(), [](char c) {
    return is_alpha(c) || is_digit(c) || c == '+' || c == '-' || c == '.';
  });
}

// Appendix B, without the fragment.
Reference parse_reference(std::string_view text) {
  Reference reference;
  text = text.substr(0, text.find('#'));
  const std::string_view before_colon = text.substr(0, text.find_first_of(":/?"));
  if (text.substr(before_colon.size()).starts_with(':') && is_scheme(before_colon)) {
    reference.scheme = before_colon;
    text.remove_prefix(before_colon.size() + 1);
  }
  if (text.starts_with("//")) {
    text.remove_prefix(2);
    reference.authority = take_until(&text, "/?");
  }
  reference.path = take_until(&text, "?");
  if (!text.empty()) reference.query = text.substr(1);
  return reference;
}

// The number of dots of a segment that holds nothing else, written "." or "%2e"; otherwise 0.
size_t dots_count(std::string_view segment) {
  size_t count = 0;
  while (!segment.empty()) {
    const bool plain = segment[0] == '.';
    if (!plain && !equal_without_case(segment.substr(0, 3), "%2e")) return 0;
    segment.remove_prefix(plain ? 1 : 3);
    ++count;
  }
  return count;
}

// The path of section 5.2.2, before dot segments are removed.
std::string merged_path(const Reference &reference, std::string_view base_path) {
  if (reference.path.starts_with('/')) return std::string(reference.path);
  if (reference.authority) return "/";  // an authority is followed by "/" or by nothing
  if (reference.path.empty()) return std::string(base_path);
  std::string path(base_path.substr(0, base_path.rfind('/') + 1));
  path += reference.path;
  return path;
}

// Section 5.2.4; an encoded dot is a dot, as for the clients' URL parsers, so that no segment we
// let through climbs out of the path it seems to be in. `path` begins with "/".
std::string without_dot_segments(std::string_view path) {
  std::string out;
  out.reserve(path.size());
  while (!path.empty()) {
    path.remove_prefix(1);  // the slash before this segment
    const std::string_view segment = take_until(&path, "/");
    const bool last = path.empty();
    const size_t dots = dots_count(segment);
    if (dots == 2) {
      out.resize(std::min(out.size(), out.rfind('/')));
      if (last) out += '/';
    } else if (dots == 1) {
      if (last) out += '/';
    } else {
      out += '/';
      out += segment;
    }
  }
  return out;
}

bool is_path_byte(char c) {
  return is_alpha(c) || is_digit(c) ||
         std::string_view("/-._~!$&'()*+,;=:@").find(c) != std::string_view::npos;
}

// Percent-triplets are complete and none is a NUL, which some backends take for the path's end.
bool is_path(std::string_view path) {
  for (size_t i = 0; i < path.size(); ++i) {
    if (is_path_byte(path[i])) continue;
    if (path[i] != '%' || path.size() - i < 3 || !is_hex(path[i + 1]) || !is_hex(path[i + 2]))
      return false;
    if (path.substr(i + 1, 2) == "00") return false;
    i += 2;
  }
  return true;
}

// --- Origins -----------------------------------------------------------------------------------

struct Authority {
  std::string_view host;  // with its brackets when it is an IPv6 address
  std::optional<uint16_t> port;
};

std::optional<Authority> parse_authority(std::string_view text) {
  size_t host_size = text.starts_with('[') ? text.find(']') : text.find(':');
  if (text.starts_with('[')) {
    if (host_size == std::string_view::npos) return std::nullopt;
    ++host_size;
  }
  Authority authority{text.substr(0, host_size), std::nullopt};
  text.remove_prefix(authority.host.size());
  if (authority.host.empty()) return std::nullopt;
  if (text.empty() || text == ":") return authority;
  if (text[0] != ':') return std::nullopt;
  text.remove_prefix(1);
  uint32_t port = 0;
  for (const char c : text) {
    if (!is_digit(c)) return std::nullopt;
    port = port * 10 + static_cast<uint32_t>(c - '0');
    if (port > 65535) return std::nullopt;
  }
  authority.port = static_cast<uint16_t>(port);
  return authority;
}

bool same_origin(const Authority &a, const Authority &b, uint16_t default_port) {
  return equal_without_case(a.host, b.host) &&
         a.port.value_or(default_port) == b.port.value_or(default_port);
}

// Without a scheme the stream's own holds, which the caller's authorities do not tell: either port.
bool is_own_origin(const Reference &reference, const std::string_view *allowed, size_t count) {
  const std::optional<Authority> named = parse_authority(*reference.authority);
  if (!named) return false;
  const bool http = !reference.scheme || equal_without_case(*reference.scheme, "http");
  const bool https = !reference.scheme || equal_without_case(*reference.scheme, "https");
  return std::any_of(allowed, allowed + count, [&](std::string_view text) {
    const std::optional<Authority> own = parse_authority(text);
    return own &&
           ((http && same_origin(*named, *own, 80)) || (https && same_origin(*named, *own, 443)));
  });
}

// --- Query parameters --------------------------------------------------------------------------

bool is_session_parameter(std::string_view name) {
  return std::find(std::begin(kSessionParameters), std::end(kSessionParameters), name) !=
         std::end(kSessionParameters);
}

// The length of a session parameter's "name=" that `text` begins with, in any case; 0 when none.
size_t session_parameter_prefix_bytes(std::string_view text) {
  for (const std::string_view name : kSessionParameters) {
    if (text.size() > name.size() && text[name.size()] == '=' &&
        equal_without_case(text.substr(0, name.size()), name)) {
      return name.size() + 1;
    }
  }
  return 0;
}

}  // namespace

Result<std::string> resolve_endpoint(std::string_view value, std::string_view base_path,
                                     const std::string_view *allowed_authorities,
                                     size_t authorities_count) {
  if (value.size() > kEndpointEventBytesMax) return malformed("the URI is too long");
  const Reference reference = parse_reference(value);
  if (value.empty() || value[0] == '#') return malformed("the URI is empty");
  if (reference.scheme) {
    if (!equal_without_case(*reference.scheme, "http") &&
        !equal_without_case(*reference.scheme, "https")) {
      return malformed("the URI's scheme is neither http nor https");
    }
    if (!reference.authority) return malformed("the URI has a scheme but no host");
  }
  const std::string_view first_segment = reference.path.substr(0, reference.path.find('/'));
  if (!reference.scheme && first_segment.find(':') != std::string_view::npos) {
    return malformed("the URI's scheme is malformed");
  }
  if (reference.authority) {
    if (reference.authority->find('@') != std::string_view::npos)
      return malformed("the URI has userinfo");
    if (!is_own_origin(reference, allowed_authorities, authorities_count)) {
      return malformed("the URI names another origin");
    }
  }
  const std::string path = merged_path(reference, base_path);
  if (!path.starts_with('/') || !is_path(path)) {
    return malformed("the path is not one of a request");
  }
  std::string target = without_dot_segments(path);
  if (reference.query) {
    const bool visible = std::all_of(reference.query->begin(), reference.query->end(),
                                     [](char c) { return c > 0x20 && c < 0x7F; });
    if (!visible) return malformed("the query has bytes a request must not have");
    target += '?';
    target += *reference.query;
  }
  return target;
}

std::string endpoint_event(std::string_view path, std::string_view session_id) {
  std::string event("event: endpoint\ndata: ");
  event += path;
  event += "?sessionId=";
  event += session_id;
  event += "\n\n";
  return event;
}

std::string_view session_id_in_query(std::string_view query) {
  std::string_view found;
  bool seen = false;
  while (!query.empty()) {
    const std::string_view parameter = take_until(&query, "&");
    if (!query.empty()) query.remove_prefix(1);
    const size_t equals = parameter.find('=');
    if (!is_session_parameter(parameter.substr(0, equals))) continue;
    if (seen) return {};
    seen = true;
    if (equals != std::string_view::npos) found = parameter.substr(equals + 1);
  }
  return found;
}

std::string mask_session_ids(std::string_view target) {
  std::string out;
  out.reserve(target.size());
  bool at_parameter = true;
  while (!target.empty()) {
    const size_t prefix = at_parameter ? session_parameter_prefix_bytes(target) : 0;
    if (prefix > 0) {
      out += target.substr(0, prefix);
      target.remove_prefix(prefix);
      const std::string_view value = take_until(&target, "&# ");
      out += value.substr(0, kPublicIdBytes);
      if (value.size() > kPublicIdBytes) out += kEllipsis;
    } else {
      at_parameter = target[0] == '?' || target[0] == '&';
      out += target[0];
      target.remove_prefix(1);
    }
  }
  return out;
}

}  // namespace holdfast::proxy::mcp
