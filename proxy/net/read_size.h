// How much one read asks for. A connection that sends a lot is read in larger pieces than others,
// as long as whoever they go to takes them whole: each read and each write wakes a peer, and over a
// mebibyte those wake-ups cost more than the copying. What the other side would not take at once is
// not read, so a blocked peer still costs one ordinary piece. Worker thread only.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

namespace holdfast::proxy {

inline constexpr size_t kReadBytes = 64 * 1024;      // what a blocked peer may cost
inline constexpr size_t kReadBytesMax = 256 * 1024;  // what a turn may take of one connection

class ReadSize {
 public:
  // For the next read, `taken_bytes` (< kReadBytesMax) into a turn. `room`, asked only where it
  // matters: how many bytes the other side takes at once; 0 where it does not know.
  template <typename Room>
  size_t next(size_t taken_bytes, Room room) const {
    const size_t most = kReadBytesMax - taken_bytes;
    if (large_reads_ == 0 || most <= kReadBytes) return std::min(most, kReadBytes);
    return std::clamp(room(), kReadBytes, most);
  }
  // What it brought.
  void note(size_t got_bytes) noexcept {
    if (got_bytes >= kReadBytes) {
      large_reads_ = kPatience;
    } else if (large_reads_ > 0) {
      --large_reads_;
    }
  }

 private:
  // Small reads before a connection is one of small messages again: a large message ends with one,
  // and the next may be large, too.
  static constexpr uint8_t kPatience = 4;

  uint8_t large_reads_ = 0;
};

}  // namespace holdfast::proxy
