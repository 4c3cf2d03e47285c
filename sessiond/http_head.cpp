#include "sessiond/http_head.h"

#include <algorithm>

namespace holdfast::sessiond {
namespace {

constexpr std::string_view kMethods[] = {"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS"};

char lower(char c) noexcept { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

bool same_name(std::string_view name, std::string_view lower_case) noexcept {
  return std::equal(name.begin(), name.end(), lower_case.begin(), lower_case.end(),
                    [](char a, char b) { return lower(a) == b; });
}

bool is_token_char(char c) noexcept {
  const bool word = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
  return word || std::string_view("!#$%&'*+-.^_`|~").find(c) != std::string_view::npos;
}

bool is_visible(char c) noexcept { return c > 0x20 && c < 0x7f; }

// Takes the text up to CRLF off the front; a bare CR, LF or NUL in it makes the head invalid later,
// because no rule below accepts them.
std::string_view take_line(std::string_view &rest) noexcept {
  const size_t end = std::min(rest.find("\r\n"), rest.size());
  const std::string_view line = rest.substr(0, end);
  rest.remove_prefix(std::min(end + 2, rest.size()));
  return line;
}

int check_request_line(std::string_view line) noexcept {
  const size_t first = line.find(' ');
  if (first == std::string_view::npos) return 400;
  const size_t second = line.find(' ', first + 1);
  if (second == std::string_view::npos) return 400;
  const std::string_view method = line.substr(0, first);
  const std::string_view target = line.substr(first + 1, second - first - 1);
  if (target.empty() || target[0] != '/') return 400;
  const bool clean =
      std::all_of(target.begin(), target.end(), [](char c) { return is_visible(c) && c != '#'; });
  if (!clean || line.substr(second + 1) != "HTTP/1.1") return 400;
  if (std::find(std::begin(kMethods), std::end(kMethods), method) == std::end(kMethods)) return 501;
  return 0;
}

// At most 6 digits: the body bound is far below.
bool read_length(std::string_view value, size_t &bytes) noexcept {
  if (value.empty() || value.size() > 6) return false;
  bytes = 0;
  for (const char c : value) {
    if (c < '0' || c > '9') return false;
    bytes = bytes * 10 + static_cast<size_t>(c - '0');
  }
  return true;
}

struct SeenFields {
  size_t fields_count = 0;
  bool host = false;
  bool length = false;
  size_t body_bytes = 0;
};

int check_field(std::string_view line, SeenFields &seen) noexcept {
  if (++seen.fields_count > kHttpFieldsMax) return 431;
  const size_t colon = line.find(':');
  if (colon == std::string_view::npos || colon == 0) return 400;
  const std::string_view name = line.substr(0, colon);
  if (!std::all_of(name.begin(), name.end(), is_token_char)) return 400;
  std::string_view value = line.substr(colon + 1);
  while (value.starts_with(' ')) value.remove_prefix(1);
  const bool clean =
      std::all_of(value.begin(), value.end(), [](char c) { return is_visible(c) || c == ' '; });
  if (!clean) return 400;
  if (same_name(name, "host")) {
    if (seen.host || value.empty()) return 400;
    seen.host = true;
  } else if (same_name(name, "content-length")) {
    if (seen.length || !read_length(value, seen.body_bytes)) return 400;
    seen.length = true;
  } else if (same_name(name, "transfer-encoding") || same_name(name, "expect") ||
             same_name(name, "upgrade") || same_name(name, "trailer")) {
    return 400;
  }
  return 0;
}

}  // namespace

size_t http_head_bytes(std::string_view input) noexcept {
  const size_t end = input.find("\r\n\r\n");
  return end == std::string_view::npos ? 0 : end + 4;
}

CheckedHead check_http_head(std::string_view head) noexcept {
  if (head.size() > kHttpHeadBytesMax) return {431, 0};
  if (const int refusal = check_request_line(take_line(head))) return {refusal, 0};
  SeenFields seen;
  for (;;) {
    const std::string_view line = take_line(head);
    if (line.empty()) break;
    if (const int refusal = check_field(line, seen)) return {refusal, 0};
  }
  if (!seen.host) return {400, 0};
  if (seen.body_bytes > kHttpBodyBytesMax) return {413, 0};
  return {0, seen.body_bytes};
}

}  // namespace holdfast::sessiond
