// Keeps a peer from flooding the log: at most kPerSecond lines of one event a second; what was left
// out is counted and told with the next line that passes. Pure; one thread.
#pragma once

#include <cstdint>

#include "common/clock.h"

namespace holdfast {

class LogLimit {
 public:
  static constexpr int kPerSecond = 5;

  // True when a line may be written now; then suppressed() says how many were left out before it.
  bool allow(MonoTime now) {
    if (now - window_ >= Millis{1000}) {
      window_ = now;
      written_ = 0;
    }
    if (written_ == kPerSecond) {
      ++left_out_;
      return false;
    }
    ++written_;
    told_ = left_out_;
    left_out_ = 0;
    return true;
  }
  uint64_t suppressed() const { return told_; }

 private:
  MonoTime window_{};
  int written_ = 0;
  uint64_t left_out_ = 0;
  uint64_t told_ = 0;
};

}  // namespace holdfast
