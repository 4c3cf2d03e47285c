#include "sessiond/core/log_lines.h"

#include <fmt/format.h>

#include <cstdint>

#include "common/json_plain.h"

namespace holdfast::sessiond {
namespace {

constexpr uint32_t kReplacement = 0xfffd;

// Takes one code point off the front of `text`; kReplacement and one byte for what is not UTF-8.
uint32_t take_code_point(std::string_view &text) {
  const auto byte_at = [&](size_t i) {
    return static_cast<uint32_t>(static_cast<uint8_t>(text[i]));
  };
  const uint32_t lead = byte_at(0);
  const size_t length = lead < 0x80 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
  constexpr uint32_t kSmallest[] = {0, 0, 0x80, 0x800, 0x10000};
  uint32_t point = lead;
  bool good = lead < 0x80 || (lead >= 0xc2 && lead <= 0xf4);
  if (length > 1) {
    good = good && text.size() >= length;
    point = lead & (0xffu >> (length + 1));
    for (size_t i = 1; good && i < length; ++i) {
      good = (byte_at(i) & 0xc0) == 0x80;
      point = (point << 6) | (byte_at(i) & 0x3f);
    }
    good = good && point >= kSmallest[length] && point <= 0x10ffff &&
           (point < 0xd800 || point > 0xdfff);
  }
  text.remove_prefix(good ? length : 1);
  return good ? point : kReplacement;
}

}  // namespace

std::string ascii_json_text(std::string_view text) {
  std::string out = "\"";
  const size_t plain = json_plain_bytes(text);
  out += text.substr(0, plain);
  text.remove_prefix(plain);
  while (!text.empty()) {
    const uint32_t point = take_code_point(text);
    if (point == '"' || point == '\\') {
      out += '\\';
      out += static_cast<char>(point);
    } else if (point >= 0x20 && point < 0x7f) {
      out += static_cast<char>(point);
    } else if (point < 0x10000) {
      fmt::format_to(std::back_inserter(out), "\\u{:04x}", point);
    } else {
      const uint32_t rest = point - 0x10000;
      fmt::format_to(std::back_inserter(out), "\\u{:04x}\\u{:04x}", 0xd800 + (rest >> 10),
                     0xdc00 + (rest & 0x3ff));
    }
  }
  return out += '"';
}

std::string session_created_line(std::string_view session, std::string_view user, bool persistent) {
  std::string line = R"([SessionManager] session created {"sessionId":)";
  line.append(ascii_json_text(session)).append(R"(,"userId":)").append(ascii_json_text(user));
  return line.append(R"(,"persistent":)").append(persistent ? "true}" : "false}");
}

std::string sessions_skipped_line(size_t persistent_count) {
  return fmt::format(R"([SessionManager] skipped persistent sessions {{"persistent":{}}})",
                     persistent_count);
}

std::string sessions_cleaned_line(size_t count, size_t persistent_count) {
  return fmt::format(R"([SessionManager] expired sessions cleaned {{"count":{},"persistent":{}}})",
                     count, persistent_count);
}

std::string session_deleted_line(std::string_view session, EndReason reason) {
  std::string line = R"([SessionManager] session deleted {"sessionId":)";
  line.append(ascii_json_text(session)).append(R"(,"reason":")").append(to_word(reason));
  return line.append("\"}");
}

}  // namespace holdfast::sessiond
