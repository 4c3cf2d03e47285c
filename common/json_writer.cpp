#include "common/json_writer.h"

#include <algorithm>
#include <array>
#include <charconv>

#include "common/json_plain.h"
#include "common/utf8.h"

namespace holdfast {
namespace {

constexpr char kHex[] = "0123456789abcdef";
constexpr size_t kShortBytes = 48;  // most names and values

}  // namespace

void JsonWriter::separate() {
  if (comma_) out_ += ',';
  comma_ = true;
}

JsonWriter &JsonWriter::open(char bracket) {
  separate();
  out_ += bracket;
  comma_ = false;
  return *this;
}

JsonWriter &JsonWriter::close(char bracket) {
  out_ += bracket;
  comma_ = true;
  return *this;
}

JsonWriter &JsonWriter::key(std::string_view name) {
  if (name.size() <= kShortBytes && is_json_plain(name)) {
    put_short(name, "\":");
  } else {
    text(name);
    out_ += ':';
  }
  comma_ = false;
  return *this;
}

// A short plain text in quotes with its comma and what stands behind it: one append for all.
void JsonWriter::put_short(std::string_view text, std::string_view behind) {
  std::array<char, kShortBytes + 8> piece;
  char *at = piece.data();
  if (comma_) *at++ = ',';
  *at++ = '"';
  at = std::copy(text.begin(), text.end(), at);
  at = std::copy(behind.begin(), behind.end(), at);
  out_.append(piece.data(), static_cast<size_t>(at - piece.data()));
  comma_ = true;
}

// Control characters, DEL and U+0080 to U+009F among them, are escaped: a line stays one line and
// steers no terminal.
void JsonWriter::append_escaped(std::string_view well_formed) {
  while (!well_formed.empty()) {
    const size_t plain = json_plain_bytes(well_formed);
    out_ += well_formed.substr(0, plain);
    well_formed.remove_prefix(plain);
    if (well_formed.empty()) return;
    const auto c = static_cast<unsigned char>(well_formed[0]);
    if (c == '"' || c == '\\') {
      out_ += '\\';
      out_ += well_formed[0];
    } else if (c == '\n') {
      out_ += "\\n";
    } else if (c == 0xc2 && well_formed.size() > 1 &&
               static_cast<unsigned char>(well_formed[1]) < 0xa0) {
      const auto c1 = static_cast<unsigned char>(well_formed[1]);
      out_ += "\\u00";
      out_ += kHex[c1 >> 4];
      out_ += kHex[c1 & 15];
      well_formed.remove_prefix(1);
    } else if (c >= 0x80) {
      out_ += well_formed[0];
    } else {
      out_ += "\\u00";
      out_ += kHex[c >> 4];
      out_ += kHex[c & 15];
    }
    well_formed.remove_prefix(1);
  }
}

JsonWriter &JsonWriter::text(std::string_view value, size_t bytes_max) {
  const bool plain = value.size() <= bytes_max && is_json_plain(value);
  if (plain && value.size() <= kShortBytes) {
    put_short(value, "\"");
    return *this;
  }
  separate();
  out_ += '"';
  if (plain) {
    out_ += value;
  } else {
    append_escaped(utf8_prefix(utf8_repaired(value), bytes_max));
  }
  out_ += '"';
  return *this;
}

JsonWriter &JsonWriter::number(int64_t value) {
  separate();
  std::array<char, 24> digits;
  const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), value);
  out_.append(digits.data(), end.ptr);
  return *this;
}

JsonWriter &JsonWriter::number(double value, int decimals) {
  separate();
  std::array<char, 400> digits;  // the widest double has 309 digits before the point
  const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), value,
                                 std::chars_format::fixed, decimals);
  out_.append(digits.data(), end.ptr);
  return *this;
}

JsonWriter &JsonWriter::boolean(bool value) {
  separate();
  out_ += value ? "true" : "false";
  return *this;
}

JsonWriter &JsonWriter::null() {
  separate();
  out_ += "null";
  return *this;
}

}  // namespace holdfast
