// Appends the lines of a head to a string. They are put together here and handed over in one piece,
// each piece copied in place, because a head is forty short pieces and each append of std::string
// checks, calls and counts on its own. Pure; lives on the stack of one write_… call.
#pragma once

#include <array>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

#include "proxy/http/message.h"

namespace holdfast::proxy::http {

class HeadBuffer {
 public:
  explicit HeadBuffer(std::string &out) : out_(out) {}
  ~HeadBuffer() { flush(); }
  HeadBuffer(const HeadBuffer &) = delete;
  HeadBuffer &operator=(const HeadBuffer &) = delete;

  // Inlined wherever it is used: most pieces are constants, which become a few stores.
  [[gnu::always_inline]] void text(std::string_view piece) {
    if (has_room(piece.size())) [[likely]]
      at_ = put(at_, piece);
    else
      spill(piece);
  }
  void number(uint64_t value) {
    if (!has_room(kDigitsMax)) flush();
    at_ = put_number(at_, value);
  }
  void field(std::string_view name, std::string_view value) {
    if (has_room(name.size() + value.size() + 4)) [[likely]] {
      at_ = put(put(put(put(at_, name), ": "), value), "\r\n");
    } else {
      for (const std::string_view piece : {name, std::string_view(": "), value, kLineEnd})
        spill(piece);
    }
  }
  void field(std::string_view name, uint64_t value) {
    text(name);
    text(": ");
    number(value);
    text(kLineEnd);
  }
  // A received field. As it is written in most heads, with one space before its value, it is copied
  // in one piece.
  void field(const Field &received) {
    const char *const between = received.name.data() + received.name.size();
    if (received.value.data() != between + 2 || std::memcmp(between, ": ", 2) != 0) {
      field(received.name, received.value);
      return;
    }
    text({received.name.data(), received.name.size() + 2 + received.value.size()});
    text(kLineEnd);
  }

 private:
  static constexpr size_t kDigitsMax = 20;
  static constexpr std::string_view kLineEnd = "\r\n";
  static constexpr size_t kBytes = 1024;  // of most heads all

  bool has_room(size_t bytes) const noexcept {
    return bytes <= static_cast<size_t>(bytes_.data() + kBytes - at_);
  }
  void flush() {
    out_.append(bytes_.data(), static_cast<size_t>(at_ - bytes_.data()));
    at_ = bytes_.data();
  }
  [[gnu::noinline]] void spill(std::string_view piece) {
    flush();
    out_.append(piece);
  }
  // These return what follows; there is room. Up to four blocks of 16 bytes and one that may
  // overlap the last of them: a call of memcpy() costs more than that.
  [[gnu::always_inline]] static char *put(char *to, std::string_view piece) noexcept {
    const char *const from = piece.data();
    const size_t n = piece.size();
    if (n > 64) {
      std::memcpy(to, from, n);
    } else if (n >= 16) {
      for (size_t i = 0; i < n - 15; i += 16) std::memcpy(to + i, from + i, 16);
      std::memcpy(to + n - 16, from + n - 16, 16);
    } else if (n >= 8) {
      put_ends<8>(to, from, n);
    } else if (n >= 4) {
      put_ends<4>(to, from, n);
    } else if (n >= 2) {
      put_ends<2>(to, from, n);
    } else if (n == 1) {
      *to = *from;
    }
    return to + n;
  }
  // The first and the last kBytes of n, which may overlap.
  template <size_t kEndBytes>
  static void put_ends(char *to, const char *from, size_t n) noexcept {
    std::array<char, kEndBytes> first;
    std::array<char, kEndBytes> last;
    std::memcpy(first.data(), from, kEndBytes);
    std::memcpy(last.data(), from + n - kEndBytes, kEndBytes);
    std::memcpy(to, first.data(), kEndBytes);
    std::memcpy(to + n - kEndBytes, last.data(), kEndBytes);
  }
  static char *put_number(char *to, uint64_t value) noexcept {
    return std::to_chars(to, to + kDigitsMax, value).ptr;
  }

  std::string &out_;
  std::array<char, kBytes> bytes_;
  char *at_ = bytes_.data();
};

}  // namespace holdfast::proxy::http
