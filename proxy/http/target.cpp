#include "proxy/http/target.h"

#include "proxy/http/byte_class.h"

namespace holdfast::proxy::http {
namespace {

// "/", pchar and valid percent-triplets other than %00.
const char *check_path(std::string_view path) noexcept {
  for (size_t i = 0; i < path.size(); ++i) {
    if (is(path[i], kPathByte)) continue;
    if (path[i] == '#') return "fragment in the request target";
    if (path[i] != '%') return "byte not allowed in a path";
    if (i + 2 >= path.size() || !is(path[i + 1], kHexDigit) || !is(path[i + 2], kHexDigit)) {
      return "bad percent-encoding in the path";
    }
    if (path[i + 1] == '0' && path[i + 2] == '0') return "encoded NUL in the path";
    i += 2;
  }
  return nullptr;
}

const char *split_origin(std::string_view origin, Target &out) noexcept {
  const size_t mark = origin.find('?');
  out.origin = origin;
  out.path = origin.substr(0, mark);
  out.query = mark == origin.npos ? std::string_view{} : origin.substr(mark + 1);
  if (const char *fault = check_path(out.path)) return fault;
  return out.query.find('#') == out.query.npos ? nullptr : "fragment in the request target";
}

const char *split_absolute(std::string_view raw, Method method, Target &out) noexcept {
  const size_t colon = raw.find("://");
  const std::string_view scheme = raw.substr(0, colon);
  if (colon == raw.npos || !(iequals(scheme, "http") || iequals(scheme, "https"))) {
    return "malformed request target";
  }
  const std::string_view rest = raw.substr(colon + 3);
  const size_t end = rest.find_first_of("/?#");
  out.scheme = scheme;
  out.authority = rest.substr(0, end);
  if (out.authority.empty()) return "absolute target without an authority";
  if (out.authority.find('@') != out.authority.npos) return "user information in the target";
  if (end == rest.npos) {  // 9112 3.2.4: OPTIONS without a path asks about the server as a whole
    return split_origin(method == Method::options ? "*" : "/", out);
  }
  if (rest[end] != '/') return "absolute target with a query but no path";
  return split_origin(rest.substr(end), out);
}

bool is_dot_segment(std::string_view segment) noexcept {
  const std::string_view name = segment.substr(0, segment.find(';'));
  return name == "." || name == "..";
}

}  // namespace

const char *parse_target(std::string_view raw, Method method, Target &out) noexcept {
  out = Target{};
  if (raw.front() == '/') return split_origin(raw, out);
  if (raw == "*") {
    if (method != Method::options) return "asterisk target without OPTIONS";
    return split_origin(raw, out);
  }
  return split_absolute(raw, method, out);
}

bool path_is_unambiguous(std::string_view path) noexcept {
  for (size_t i = 0; i + 2 < path.size(); ++i) {
    if (path[i] != '%') continue;
    const std::string_view code = path.substr(i + 1, 2);
    if (iequals(code, "2e") || iequals(code, "2f") || iequals(code, "5c")) return false;
  }
  while (!path.empty()) {
    path.remove_prefix(1);  // the "/" before the segment
    const std::string_view segment = path.substr(0, path.find('/'));
    if (is_dot_segment(segment)) return false;
    path.remove_prefix(segment.size());
    if (segment.empty() && !path.empty()) return false;
  }
  return true;
}

}  // namespace holdfast::proxy::http
