#include "common/utf8.h"

namespace holdfast {
namespace {

constexpr std::string_view kReplacement = "\xef\xbf\xbd";  // U+FFFD

bool is_tail(char c) noexcept { return (static_cast<unsigned char>(c) & 0xc0) == 0x80; }

// Length by the first byte; 0 for bytes that can begin nothing.
size_t expected_bytes(unsigned char first) noexcept {
  if (first < 0x80) return 1;
  if (first >= 0xc2 && first < 0xe0) return 2;
  if (first >= 0xe0 && first < 0xf0) return 3;
  if (first >= 0xf0 && first < 0xf5) return 4;
  return 0;
}

// The second byte alone decides about overlong forms, surrogates and the upper end.
bool second_in_range(unsigned char first, unsigned char second) noexcept {
  switch (first) {
    case 0xe0:
      return second >= 0xa0;
    case 0xed:
      return second < 0xa0;
    case 0xf0:
      return second >= 0x90;
    case 0xf4:
      return second < 0x90;
    default:
      return true;
  }
}

}  // namespace

size_t utf8_char_bytes(std::string_view text) noexcept {
  if (text.empty()) return 0;
  const auto first = static_cast<unsigned char>(text[0]);
  const size_t bytes = expected_bytes(first);
  if (bytes <= 1) return bytes;
  if (text.size() < bytes) return 0;
  for (size_t i = 1; i < bytes; ++i) {
    if (!is_tail(text[i])) return 0;
  }
  return second_in_range(first, static_cast<unsigned char>(text[1])) ? bytes : 0;
}

std::string utf8_repaired(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    const size_t bytes = utf8_char_bytes(text);
    out += bytes > 0 ? text.substr(0, bytes) : kReplacement;
    text.remove_prefix(bytes > 0 ? bytes : 1);
  }
  return out;
}

std::string_view utf8_prefix(std::string_view text, size_t bytes_max) noexcept {
  if (text.size() <= bytes_max) return text;
  while (bytes_max > 0 && is_tail(text[bytes_max])) --bytes_max;
  return text.substr(0, bytes_max);
}

}  // namespace holdfast
