// Appends the lines of a head to a string. Room is made once a line, not once a piece, because a
// head is forty short pieces and each append of std::string checks, calls and counts on its own.
// Pure; lives on the stack of one write_… call.
#pragma once

#include <algorithm>
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

  void text(std::string_view piece) {
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
  static constexpr size_t kStepBytes = 1024;

  size_t used() const noexcept { return static_cast<size_t>(at_ - out_.data()); }
  void reserve(size_t bytes) {
    if (static_cast<size_t>(end_ - at_) < bytes) grow(used(), std::max(bytes, kStepBytes));
  }
  void grow(size_t used_bytes, size_t more_bytes) {
    out_.resize(used_bytes + more_bytes);
    at_ = out_.data() + used_bytes;
    end_ = at_ + more_bytes;
  }
  void put(std::string_view piece) noexcept {  // REQUIRES: reserved
    if (piece.empty()) return;                 // its pointer may be null
    std::memcpy(at_, piece.data(), piece.size());
    at_ += piece.size();
  }
  void put_number(uint64_t value) noexcept { at_ = std::to_chars(at_, end_, value).ptr; }

  std::string &out_;
  char *at_ = nullptr;
  char *end_ = nullptr;
};

}  // namespace holdfast::proxy::http
