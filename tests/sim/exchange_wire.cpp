#include "tests/sim/exchange_wire.h"

#include <algorithm>
#include <cctype>
#include <charconv>

#include "tests/sim/trace.h"

namespace holdfast::sim {
namespace {

bool is_token(std::string_view text) {
  constexpr std::string_view kOthers = "!#$%&'*+-.^_`|~";
  return !text.empty() && std::all_of(text.begin(), text.end(), [&](unsigned char c) {
    return std::isalnum(c) != 0 || kOthers.find(static_cast<char>(c)) != std::string_view::npos;
  });
}

bool is_printable(std::string_view text) {
  return std::all_of(text.begin(), text.end(),
                     [](unsigned char c) { return c == '\t' || (c >= 0x20 && c != 0x7f); });
}

}  // namespace

size_t WireHead::count(std::string_view name) const {
  return static_cast<size_t>(std::count_if(fields.begin(), fields.end(),
                                           [&](const auto &field) { return field.first == name; }));
}

const std::string *WireHead::find(std::string_view name) const {
  for (const auto &[field, value] : fields) {
    if (field == name) return &value;
  }
  return nullptr;
}

std::optional<uint64_t> number(std::string_view text, int base) {
  uint64_t value = 0;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), value, base);
  if (text.empty() || parsed.ec != std::errc{} || parsed.ptr != text.data() + text.size())
    return std::nullopt;
  return value;
}

std::optional<WireHead> take_head(std::string &buffer, const char *promise) {
  const size_t end = buffer.find("\r\n\r\n");
  if (end == std::string::npos) return std::nullopt;
  const std::string_view text(buffer.data(), end);
  WireHead head;
  for (size_t at = 0; at <= text.size();) {
    const size_t line_end = std::min(text.find("\r\n", at), text.size());
    const std::string_view line = text.substr(at, line_end - at);
    require(is_printable(line), promise, "a control byte in a head: {}", line);
    if (at == 0) {
      head.line = line;
    } else {
      const size_t colon = line.find(':');
      require(colon != std::string_view::npos && is_token(line.substr(0, colon)), promise,
              "not a field: {}", line);
      std::string name(line.substr(0, colon));
      std::transform(name.begin(), name.end(), name.begin(),
                     [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
      std::string_view value = line.substr(colon + 1);
      if (!value.empty() && value.front() == ' ') value.remove_prefix(1);
      head.fields.emplace_back(std::move(name), value);
    }
    at = line_end + 2;
  }
  buffer.erase(0, end + 4);
  return head;
}

WireBody WireBody::of(const WireHead &head, bool bodiless, Kind otherwise, const char *promise) {
  const size_t lengths = head.count("content-length");
  const size_t codings = head.count("transfer-encoding");
  require(lengths + codings <= 1, promise, "{} framing fields", lengths + codings);
  if (bodiless) return {Kind::none, 0};
  if (codings > 0) {
    const std::string &coding = *head.find("transfer-encoding");
    require(coding == "chunked", promise, "Transfer-Encoding: {}", coding);
    return {Kind::chunked, 0};
  }
  if (lengths == 0) return {otherwise, 0};
  const auto length = number(*head.find("content-length"));
  require(length.has_value(), promise, "Content-Length: {}", *head.find("content-length"));
  return {Kind::length, *length};
}

bool WireBody::take(std::string &buffer, std::string &body, const char *promise) {
  switch (kind_) {
    case Kind::none:
      return true;
    case Kind::chunked:
      return take_chunks(buffer, body, promise);
    case Kind::until_close:
      body += buffer;
      buffer.clear();
      return false;
    case Kind::length:
      break;
  }
  const size_t bytes = static_cast<size_t>(std::min<uint64_t>(left_, buffer.size()));
  body.append(buffer, 0, bytes);
  buffer.erase(0, bytes);
  left_ -= bytes;
  return left_ == 0;
}

bool WireBody::take_chunks(std::string &buffer, std::string &body, const char *promise) {
  size_t at = 0;
  bool ended = false;
  for (bool more = true; more && !ended;) {
    const std::string_view rest = std::string_view(buffer).substr(at);
    const size_t line_end = rest.find("\r\n");
    const size_t bytes = static_cast<size_t>(std::min<uint64_t>(left_, rest.size()));
    switch (part_) {
      case Part::size: {
        more = line_end != std::string_view::npos;
        if (!more) {
          require(rest.size() < 18, promise, "not a chunk size: {}", rest.substr(0, 18));
          break;
        }
        const auto size = number(rest.substr(0, line_end), 16);
        require(size.has_value(), promise, "not a chunk size: {}", rest.substr(0, line_end));
        left_ = *size;
        part_ = left_ == 0 ? Part::last : Part::data;
        at += line_end + 2;
        break;
      }
      case Part::data:
        body.append(rest.substr(0, bytes));
        at += bytes;
        left_ -= bytes;
        more = left_ == 0;
        if (more) part_ = Part::data_end;
        break;
      case Part::data_end:
      case Part::last:
        more = rest.size() >= 2;
        if (!more) break;
        require(line_end == 0, promise, "no line end behind a chunk");
        at += 2;
        ended = part_ == Part::last;
        part_ = Part::size;
        break;
    }
  }
  buffer.erase(0, at);
  return ended;
}

}  // namespace holdfast::sim
