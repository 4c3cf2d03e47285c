// Appends the lines of a head to a string. Room is made once a line, not once a piece, because a
// head is forty short pieces and each append of std::string checks, calls and counts on its own.
// Pure; lives on the stack of one write_… call.
#pragma once

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace holdfast::proxy::http {

class HeadBuffer {
 public:
  explicit HeadBuffer(std::string &out) : out_(out), used_(out.size()) {}
  ~HeadBuffer() { out_.resize(used_); }
  HeadBuffer(const HeadBuffer &) = delete;
  HeadBuffer &operator=(const HeadBuffer &) = delete;

  void text(std::string_view piece) {
    reserve(piece.size());
    put(piece);
  }
  void number(uint64_t value) {
    char digits[20];
    const char *end = std::to_chars(digits, digits + sizeof digits, value).ptr;
    text({digits, static_cast<size_t>(end - digits)});
  }
  void field(std::string_view name, std::string_view value) {
    reserve(name.size() + value.size() + 4);
    put(name);
    put(": ");
    put(value);
    put("\r\n");
  }
  void field(std::string_view name, uint64_t value) {
    char digits[20];
    const char *end = std::to_chars(digits, digits + sizeof digits, value).ptr;
    field(name, std::string_view(digits, static_cast<size_t>(end - digits)));
  }

 private:
  void reserve(size_t bytes) {
    if (out_.size() - used_ < bytes) out_.resize(used_ + std::max<size_t>(bytes, kStepBytes));
  }
  void put(std::string_view piece) noexcept {  // REQUIRES: reserved
    used_ += piece.copy(out_.data() + used_, piece.size());
  }

  // A usual head fits in one step; the string fills it with zeros, so more would cost time.
  static constexpr size_t kStepBytes = 1024;
  std::string &out_;
  size_t used_;
};

}  // namespace holdfast::proxy::http
