// The text of one JSON string as it streams past: unescaped into a fixed buffer, cut at its end.
// Owned by RpcScanner, which decides what is worth keeping. RFC 8259 section 7.
// Pure; fixed size, no allocation.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace holdfast::proxy::mcp {

class JsonText {
 public:
  static constexpr size_t kBytesMax = 256;

  enum class Escape : uint8_t {
    more,  // inside the escape sequence
    done,
    bad  // not an escape sequence of RFC 8259: the text has no meaning
  };

  void clear();

  // Adds bytes as they stand. What does not fit is dropped and noted in cut().
  void append(std::string_view bytes);

  // Takes the bytes after a backslash, one at a time, until the answer is not `more`. Halves of a
  // surrogate pair are joined; a half alone becomes U+FFFD.
  Escape feed_escape(char c);

  // The whole text: valid UTF-8, bytes that are not became "?". A cut text ends at a character.
  std::string_view finish();

  // The bytes added so far, unchanged; for tokens kept as received.
  std::string_view raw() const { return {bytes_.data(), size_}; }

  // From clear() on what is added is compared with `text` as well, however long it is. Borrows it
  // until the next clear().
  void compare_with(std::string_view text);
  // Whether it was that text, byte for byte; half a surrogate pair is like no text.
  // REQUIRES: compare_with(), finish().
  bool same() const { return same_ && rest_.empty(); }

  // True for a text that finish() would give back unchanged: ASCII, and not too long.
  static bool is_plain(std::string_view text);

  // True when the text was longer than kBytesMax.
  bool cut() const { return cut_; }

 private:
  Escape on_unit(uint16_t unit);
  void append_code_point(uint32_t code);
  void flush_surrogate();
  void compare(std::string_view bytes);

  std::array<char, kBytesMax> bytes_{};
  size_t size_ = 0;
  uint16_t unit_ = 0;  // of a \u sequence, as far as read
  uint8_t unit_digits_left_ = 0;
  uint16_t high_surrogate_ = 0;  // waiting for its second half; 0: none
  bool cut_ = false;
  bool same_ = false;
  std::string_view rest_{};  // of the text to compare with
};

// Length in bytes of the well-formed UTF-8 sequence `text` begins with (RFC 3629: no overlong
// forms, no surrogates, at most U+10FFFF); 0 when it begins with none. REQUIRES: not empty.
size_t utf8_sequence_bytes(std::string_view text);

}  // namespace holdfast::proxy::mcp
