// The pieces of one gathered write, collected during one turn: views into the receive buffer and
// short texts of our own (chunk sizes), which are copied into a small arena. Owned by the worker,
// emptied after each flush. Worker thread only.
#pragma once

#include <sys/uio.h>

#include <array>
#include <cstddef>
#include <cstring>
#include <span>
#include <string_view>

namespace holdfast::proxy {

class Gather {
 public:
  static constexpr size_t kPiecesMax = 64;
  static constexpr size_t kArenaBytes = 2048;
  static constexpr size_t kPackedBytesMax = 4096;

  // True when `pieces` more pieces and `copied` more copied bytes still fit.
  bool has_room(size_t pieces, size_t copied_bytes) const noexcept {
    return count_ + pieces <= kPiecesMax && arena_used_ + copied_bytes <= kArenaBytes;
  }
  // `text` must stay valid until clear(). REQUIRES: has_room(1, 0)
  void add(std::string_view text) noexcept {
    if (text.empty()) return;
    pieces_[count_++] = {const_cast<char *>(text.data()), text.size()};  // only read from
    bytes_ += text.size();
  }
  // REQUIRES: has_room(1, text.size())
  void add_copy(std::string_view text) noexcept {
    char *at = arena_.data() + arena_used_;
    std::memcpy(at, text.data(), text.size());
    arena_used_ += text.size();
    add({at, text.size()});
  }
  // Leaves a place for a text that depends on what follows it; fill() gives it. REQUIRES:
  // has_room(1, 0)
  size_t reserve() noexcept {
    pieces_[count_] = {nullptr, 0};
    return count_++;
  }
  void fill(size_t place, std::string_view text) noexcept {
    char *at = arena_.data() + arena_used_;
    std::memcpy(at, text.data(), text.size());
    arena_used_ += text.size();
    pieces_[place] = {at, text.size()};
    bytes_ += text.size();
  }
  std::span<const iovec> pieces() const noexcept { return {pieces_.data(), count_}; }
  // The same bytes, in one piece where they are few: copying them costs less than the kernel takes
  // to read a list (75 ns a write). Valid until the next call or clear().
  std::span<const iovec> packed() noexcept {
    if (count_ < 2 || bytes_ > kPackedBytesMax) return pieces();
    char *at = packed_bytes_.data();
    for (const iovec &piece : pieces()) {
      std::memcpy(at, piece.iov_base, piece.iov_len);
      at += piece.iov_len;
    }
    packed_ = {packed_bytes_.data(), bytes_};
    return {&packed_, 1};
  }
  size_t bytes() const noexcept { return bytes_; }
  bool empty() const noexcept { return count_ == 0; }
  void clear() noexcept { count_ = arena_used_ = bytes_ = 0; }

 private:
  std::array<iovec, kPiecesMax> pieces_;
  std::array<char, kArenaBytes> arena_;
  size_t count_ = 0;
  size_t arena_used_ = 0;
  size_t bytes_ = 0;
  std::array<char, kPackedBytesMax> packed_bytes_;
  iovec packed_{};
};

}  // namespace holdfast::proxy
