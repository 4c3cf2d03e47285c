#include "proxy/mcp/endpoint_rewrite.h"

#include <algorithm>
#include <iterator>
#include <optional>

#include "proxy/http/byte_class.h"
#include "proxy/http/host.h"
#include "proxy/http/target.h"

namespace holdfast::proxy::mcp {

namespace {

using http::iequals;

constexpr size_t kPublicIdBytes = 8;  // of a session id, the part that logs may show
constexpr std::string_view kEllipsis = "\xE2\x80\xA6";
constexpr std::string_view kSessionParameters[] = {"sessionId", "session_id"};

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

// Appendix B, without the fragment.
Reference parse_reference(std::string_view text) {
  Reference reference;
  text = text.substr(0, text.find('#'));
  const size_t colon = text.find_first_of(":/?");
  if (colon != std::string_view::npos && text[colon] == ':') {
    reference.scheme = text.substr(0, colon);
    text.remove_prefix(colon + 1);
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
    if (!plain && !iequals(segment.substr(0, 3), "%2e")) return 0;
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

// --- Origins -----------------------------------------------------------------------------------

// Without a scheme the stream's own holds, which the caller's authorities do not tell: either port.
bool is_own_origin(const Reference &reference, const std::string_view *allowed, size_t count) {
  const std::optional<http::HostPort> named = http::parse_host(*reference.authority);
  if (!named) return false;
  const bool plain = !reference.scheme || iequals(*reference.scheme, "http");
  const bool tls = !reference.scheme || iequals(*reference.scheme, "https");
  return std::any_of(allowed, allowed + count, [&](std::string_view text) {
    const std::optional<http::HostPort> own = http::parse_host(text);
    return own && ((plain && http::same_host(*named, *own, 80)) ||
                   (tls && http::same_host(*named, *own, 443)));
  });
}

// What keeps the reference from being one to the backend itself; nullptr: nothing.
const char *origin_fault(const Reference &reference, const std::string_view *allowed,
                         size_t count) {
  if (reference.scheme) {
    if (!iequals(*reference.scheme, "http") && !iequals(*reference.scheme, "https")) {
      return "the URI's scheme is neither http nor https";
    }
    if (!reference.authority) return "the URI has a scheme but no host";
  }
  if (!reference.authority) return nullptr;
  if (reference.authority->find('@') != std::string_view::npos) return "the URI has userinfo";
  return is_own_origin(reference, allowed, count) ? nullptr : "the URI names another origin";
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
        iequals(text.substr(0, name.size()), name)) {
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
  if (value.empty() || value[0] == '#') return malformed("the URI is empty");
  if (!http::all_of(value, http::kVisible)) return malformed("the URI has blanks or unusual bytes");
  const Reference reference = parse_reference(value);
  const char *fault = origin_fault(reference, allowed_authorities, authorities_count);
  if (fault != nullptr) return malformed(fault);
  const std::string path = merged_path(reference, base_path);
  if (!path.starts_with('/') || path.find('?') != std::string::npos) {
    return malformed("the stream's own path is none");  // the caller's mistake, not the backend's
  }
  std::string target = without_dot_segments(path);
  if (reference.query) {
    target += '?';
    target += *reference.query;
  }
  http::Target checked;
  fault = http::parse_target(target, http::Method::post, checked);
  if (fault != nullptr) return malformed(fault);
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
    const std::string_view parameter = query.substr(0, query.find('&'));
    query.remove_prefix(std::min(query.size(), parameter.size() + 1));
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
