#include "common/base64.h"

namespace holdfast {
namespace {

// 0 to 63, or -1 for a character outside the alphabet.
int value_of(char c, Base64 form) noexcept {
  if (c >= 'A' && c <= 'Z') return c - 'A';
  if (c >= 'a' && c <= 'z') return c - 'a' + 26;
  if (c >= '0' && c <= '9') return c - '0' + 52;
  if (c == (form == Base64::url ? '-' : '+')) return 62;
  return c == (form == Base64::url ? '_' : '/') ? 63 : -1;
}

}  // namespace

std::optional<std::string> base64_decode(std::string_view text, Base64 form) {
  if (form == Base64::standard) {
    if (text.size() % 4 != 0) return std::nullopt;
    for (int padding = 0; padding < 2 && text.ends_with('='); ++padding) text.remove_suffix(1);
  }
  if (text.size() % 4 == 1) return std::nullopt;
  std::string bytes;
  bytes.reserve(text.size() / 4 * 3 + 2);
  uint32_t bits = 0;
  unsigned bits_count = 0;
  for (const char c : text) {
    const int value = value_of(c, form);
    if (value < 0) return std::nullopt;
    bits = (bits << 6 | static_cast<uint32_t>(value)) & 0xffff;
    bits_count += 6;
    if (bits_count < 8) continue;
    bits_count -= 8;
    bytes += static_cast<char>(bits >> bits_count & 0xff);
  }
  const uint32_t left_over = bits & ((1u << bits_count) - 1);
  if (left_over != 0) return std::nullopt;
  return bytes;
}

}  // namespace holdfast
