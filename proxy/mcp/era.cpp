#include "proxy/mcp/era.h"

#include <algorithm>

#include "proxy/http/byte_class.h"

namespace holdfast::proxy::mcp {

namespace {

constexpr std::string_view kFirstModernVersion = "2026-07-28";
constexpr std::string_view kEventStream = "text/event-stream";
// The Accept of a POST as the SDKs write it.
constexpr std::string_view kUsualAccept = "application/json, text/event-stream";

using http::iequals;
using http::trim_ows;

// Removes and returns, trimmed, everything of `rest` before the first `separator` that stands
// outside a quoted string, and removes the separator.
std::string_view take_part(std::string_view *rest, char separator) {
  bool quoted = false;
  size_t i = 0;
  for (; i < rest->size(); ++i) {
    const char c = (*rest)[i];
    if (quoted && c == '\\') {
      ++i;
    } else if (c == '"') {
      quoted = !quoted;
    } else if (c == separator && !quoted) {
      break;
    }
  }
  i = std::min(i, rest->size());
  const std::string_view part = rest->substr(0, i);
  rest->remove_prefix(std::min(i + 1, rest->size()));
  return trim_ows(part);
}

// How closely a media range names `type`: 3 exactly, 2 by type/*, 1 by */*, 0 not at all.
int closeness(std::string_view range, std::string_view type) {
  if (iequals(range, type)) return 3;
  if (range == "*/*") return 1;
  const std::string_view main_type = type.substr(0, type.find('/') + 1);
  const bool any_subtype = range.size() == main_type.size() + 1 && range.ends_with("/*") &&
                           iequals(range.substr(0, main_type.size()), main_type);
  return any_subtype ? 2 : 0;
}

// True for a weight of zero, "0", "0." or "0.000".
bool is_zero(std::string_view weight) {
  if (!weight.starts_with('0')) return false;
  weight.remove_prefix(1);
  if (weight.starts_with('.')) weight.remove_prefix(1);
  return weight.find_first_not_of('0') == std::string_view::npos;
}

bool refused_by_weight(std::string_view parameters) {
  while (!parameters.empty()) {
    const std::string_view parameter = take_part(&parameters, ';');
    const bool weight =
        parameter.size() >= 2 && http::lower(parameter[0]) == 'q' && parameter[1] == '=';
    if (weight && is_zero(parameter.substr(2))) return true;
  }
  return false;
}

// A list without parameters and quotes, as nearly every client sends it: any match admits.
bool plain_list_accepts(std::string_view accept, std::string_view type) {
  http::ListCursor ranges(accept);
  std::string_view range;
  while (ranges.next(range)) {
    if (closeness(range, type) > 0) return true;
  }
  return false;
}

}  // namespace

bool is_modern_version(std::string_view version) {
  if (version.size() != kFirstModernVersion.size() || version < kFirstModernVersion) return false;
  for (size_t i = 0; i < version.size(); ++i) {
    const bool digit = version[i] >= '0' && version[i] <= '9';
    if (kFirstModernVersion[i] == '-' ? version[i] != '-' : !digit) return false;
  }
  return true;
}

// The closest range decides (9110 section 12.5.1), so "text/event-stream;q=0, */*" refuses streams.
bool accepts(std::string_view accept, std::string_view type) {
  if (accept == kUsualAccept && type == kEventStream) return true;
  const bool plain =
      accept.find(';') == std::string_view::npos && accept.find('"') == std::string_view::npos;
  if (plain) return plain_list_accepts(accept, type);
  int closest = 0;
  bool admitted = false;
  while (!accept.empty()) {
    std::string_view range = take_part(&accept, ',');
    const std::string_view name = take_part(&range, ';');
    const int close = closeness(name, type);
    if (close == 0 || close < closest) continue;
    const bool admits = !refused_by_weight(range);
    admitted = close == closest ? admitted || admits : admits;
    closest = close;
  }
  return admitted;
}

bool asks_for_stream(std::string_view accept) {
  if (accept.empty() || accept == "*/*") return true;
  return accept.find(kEventStream) != std::string_view::npos && accepts(accept, kEventStream);
}

bool content_type_is(std::string_view content_type, std::string_view type) {
  return content_type == type ||
         iequals(trim_ows(content_type.substr(0, content_type.find(';'))), type);
}

}  // namespace holdfast::proxy::mcp
