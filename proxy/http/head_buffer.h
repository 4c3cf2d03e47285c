// Appends the lines of a head to a string. Room is made once a line, not once a piece, and a piece
// is copied in place, because a head is forty short pieces and each append of std::string checks,
// calls and counts on its own. Pure; lives on the stack of one write_… call.
#pragma once

#include <algorithm>
#include <array>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

namespace holdfast::proxy::http {

class HeadBuffer {
 public:
  explicit HeadBuffer(std::string &out) : out_(out) { grow(out.size(), kStepBytes); }
  ~HeadBuffer() { out_.resize(used()); }
  HeadBuffer(const HeadBuffer &) = delete;
  HeadBuffer &operator=(const HeadBuffer &) = delete;

  // Inlined wherever it is used: most pieces are constants, which become a few stores.
  [[gnu::always_inline]] void text(std::string_view piece) {
    reserve(piece.size());
    put(piece);
  }
  void number(uint64_t value) {
    reserve(kDigitsMax);
    put_number(value);
  }
  void field(std::string_view name, std::string_view value) {
    reserve(name.size() + value.size() + 4);
    put(name);
    put(": ");
    put(value);
    put("\r\n");
  }
  void field(std::string_view name, uint64_t value) {
    reserve(name.size() + kDigitsMax + 4);
    put(name);
    put(": ");
    put_number(value);
    put("\r\n");
  }

 private:
  static constexpr size_t kDigitsMax = 20;
  // A usual head fits in one step; the string fills it with zeros, so more would cost time.
  static constexpr size_t kStepBytes = 640;

  size_t used() const noexcept { return static_cast<size_t>(at_ - out_.data()); }
  void reserve(size_t bytes) {
    if (static_cast<size_t>(end_ - at_) < bytes) [[unlikely]]
      grow(used(), std::max(bytes, kStepBytes));
  }
  [[gnu::noinline]] void grow(size_t used_bytes, size_t more_bytes) {
    out_.resize(used_bytes + more_bytes);
    at_ = out_.data() + used_bytes;
    end_ = at_ + more_bytes;
  }
  // REQUIRES: reserved. Up to four blocks of 16 bytes and one that may overlap the last of them: a
  // call of memcpy() costs more than that.
  [[gnu::always_inline]] void put(std::string_view piece) noexcept {
    const char *const from = piece.data();
    const size_t n = piece.size();
    char *const to = at_;
    at_ += n;
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
  }
  // The first and the last kBytes of n, which may overlap.
  template <size_t kBytes>
  static void put_ends(char *to, const char *from, size_t n) noexcept {
    std::array<char, kBytes> first;
    std::array<char, kBytes> last;
    std::memcpy(first.data(), from, kBytes);
    std::memcpy(last.data(), from + n - kBytes, kBytes);
    std::memcpy(to, first.data(), kBytes);
    std::memcpy(to + n - kBytes, last.data(), kBytes);
  }
  void put_number(uint64_t value) noexcept { at_ = std::to_chars(at_, end_, value).ptr; }

  std::string &out_;
  char *at_ = nullptr;
  char *end_ = nullptr;
};

}  // namespace holdfast::proxy::http
