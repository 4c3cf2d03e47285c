#include "proxy/mcp/json_text.h"

#include <algorithm>
#include <cstring>

namespace holdfast::proxy::mcp {

namespace {

// 0 to 15, or -1 when `c` is no hexadecimal digit.
int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

bool in_range(char c, unsigned low, unsigned high) {
  const auto byte = static_cast<unsigned char>(c);
  return byte >= low && byte <= high;
}

// The number of leading ASCII bytes, in steps of a word: nearly all captured text is ASCII.
size_t ascii_bytes(std::string_view text) {
  size_t count = 0;
  for (uint64_t word; text.size() - count >= sizeof word; count += sizeof word) {
    std::memcpy(&word, text.data() + count, sizeof word);
    if ((word & 0x8080808080808080u) != 0) break;
  }
  while (count < text.size() && static_cast<unsigned char>(text[count]) < 0x80) ++count;
  return count;
}

// True when `text` begins like a UTF-8 sequence and ends before it is complete.
bool is_sequence_start(std::string_view text) {
  return text.size() < 4 && in_range(text[0], 0xC2, 0xF4) &&
         std::all_of(text.begin() + 1, text.end(), [](char c) { return in_range(c, 0x80, 0xBF); });
}

// The character a one-letter escape stands for, or NUL when the letter is none.
char simple_escape(char c) {
  switch (c) {
    case '"':
    case '\\':
    case '/':
      return c;
    case 'b':
      return '\b';
    case 'f':
      return '\f';
    case 'n':
      return '\n';
    case 'r':
      return '\r';
    case 't':
      return '\t';
    default:
      return '\0';
  }
}

}  // namespace

size_t utf8_sequence_bytes(std::string_view text) {
  const auto lead = static_cast<unsigned char>(text[0]);
  if (lead < 0x80) return 1;
  size_t bytes_count = 0;
  unsigned second_low = 0x80;   // the second byte's range excludes overlong forms, surrogates
  unsigned second_high = 0xBF;  // and everything above U+10FFFF
  if (lead >= 0xC2 && lead <= 0xDF) {
    bytes_count = 2;
  } else if (lead >= 0xE0 && lead <= 0xEF) {
    bytes_count = 3;
    if (lead == 0xE0) second_low = 0xA0;
    if (lead == 0xED) second_high = 0x9F;
  } else if (lead >= 0xF0 && lead <= 0xF4) {
    bytes_count = 4;
    if (lead == 0xF0) second_low = 0x90;
    if (lead == 0xF4) second_high = 0x8F;
  }
  if (bytes_count == 0 || text.size() < bytes_count) return 0;
  if (!in_range(text[1], second_low, second_high)) return 0;
  for (size_t i = 2; i < bytes_count; ++i) {
    if (!in_range(text[i], 0x80, 0xBF)) return 0;
  }
  return bytes_count;
}

void JsonText::clear() {
  size_ = 0;
  unit_ = 0;
  unit_digits_left_ = 0;
  high_surrogate_ = 0;
  cut_ = same_ = false;
}

void JsonText::compare_with(std::string_view text) {
  same_ = true;
  rest_ = text;
}

void JsonText::compare(std::string_view bytes) {
  same_ = rest_.starts_with(bytes);
  if (same_) rest_.remove_prefix(bytes.size());
}

void JsonText::append(std::string_view bytes) {
  if (bytes.empty()) return;
  flush_surrogate();
  if (same_) compare(bytes);
  const size_t fitting = std::min(bytes.size(), kBytesMax - size_);
  std::memcpy(bytes_.data() + size_, bytes.data(), fitting);
  size_ += fitting;
  if (fitting < bytes.size()) cut_ = true;
}

JsonText::Escape JsonText::feed_escape(char c) {
  if (unit_digits_left_ > 0) {
    const int digit = hex_value(c);
    if (digit < 0) return Escape::bad;
    unit_ = static_cast<uint16_t>(unit_ << 4 | digit);
    return --unit_digits_left_ == 0 ? on_unit(unit_) : Escape::more;
  }
  if (c == 'u') {
    unit_ = 0;
    unit_digits_left_ = 4;
    return Escape::more;
  }
  const char meant = simple_escape(c);
  if (meant == '\0') return Escape::bad;
  append({&meant, 1});
  return Escape::done;
}

JsonText::Escape JsonText::on_unit(uint16_t unit) {
  const bool low = unit >= 0xDC00 && unit <= 0xDFFF;
  if (low && high_surrogate_ != 0) {
    const uint32_t high = high_surrogate_;
    high_surrogate_ = 0;
    append_code_point(0x10000 + ((high - 0xD800) << 10) + (unit - 0xDC00u));
    return Escape::done;
  }
  flush_surrogate();
  if (unit >= 0xD800 && unit <= 0xDBFF) {
    high_surrogate_ = unit;
  } else {
    if (low) same_ = false;
    append_code_point(low ? 0xFFFD : unit);
  }
  return Escape::done;
}

void JsonText::append_code_point(uint32_t code) {
  char utf8[4];
  size_t count = 0;
  const auto tail = [code](int shift) { return static_cast<char>(0x80 | (code >> shift & 0x3F)); };
  if (code < 0x80) {
    utf8[count++] = static_cast<char>(code);
  } else if (code < 0x800) {
    utf8[count++] = static_cast<char>(0xC0 | code >> 6);
    utf8[count++] = tail(0);
  } else if (code < 0x10000) {
    utf8[count++] = static_cast<char>(0xE0 | code >> 12);
    utf8[count++] = tail(6);
    utf8[count++] = tail(0);
  } else {
    utf8[count++] = static_cast<char>(0xF0 | code >> 18);
    utf8[count++] = tail(12);
    utf8[count++] = tail(6);
    utf8[count++] = tail(0);
  }
  append({utf8, count});
}

void JsonText::flush_surrogate() {
  if (high_surrogate_ == 0) return;
  high_surrogate_ = 0;
  same_ = false;
  append_code_point(0xFFFD);
}

bool JsonText::is_plain(std::string_view text) {
  return text.size() <= kBytesMax && ascii_bytes(text) == text.size();
}

std::string_view JsonText::finish() {
  flush_surrogate();
  size_t at = ascii_bytes(raw());
  while (at < size_) {
    const size_t sequence = utf8_sequence_bytes(raw().substr(at));
    if (sequence > 0) {
      at += sequence;
    } else if (cut_ && is_sequence_start(raw().substr(at))) {
      size_ = at;  // the cut went through this character
    } else {
      bytes_[at++] = '?';
    }
  }
  return raw();
}

}  // namespace holdfast::proxy::mcp
