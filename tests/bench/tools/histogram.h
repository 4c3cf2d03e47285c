// Log-linear histogram of nanoseconds: 64 steps per power of two (<= 1.6 % error), constant memory,
// no allocation while recording.
#pragma once

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace holdfast::bench {

class Histogram {
 public:
  void add(uint64_t ns) {
    ++bins_[index(ns)];
    ++count_;
    max_ns_ = std::max(max_ns_, ns);
  }
  uint64_t max_ns() const { return max_ns_; }

  uint64_t quantile_ns(double q) const {
    const auto want =
        std::max<uint64_t>(1, static_cast<uint64_t>(std::llround(q * static_cast<double>(count_))));
    uint64_t seen = 0;
    for (size_t i = 0; i < bins_.size(); ++i) {
      seen += bins_[i];
      if (seen >= want) return std::min(upper_edge(i), max_ns_);
    }
    return max_ns_;
  }

 private:
  static constexpr unsigned kBits = 6;
  static constexpr size_t kSteps = size_t{1} << kBits;

  static size_t index(uint64_t ns) {
    if (ns < kSteps) return ns;
    const unsigned top = 63U - static_cast<unsigned>(std::countl_zero(ns));
    return (size_t{top - kBits + 1} << kBits) + ((ns >> (top - kBits)) & (kSteps - 1));
  }
  static uint64_t upper_edge(size_t bin) {
    const size_t octave = bin >> kBits;
    const size_t step = bin & (kSteps - 1);
    return octave == 0 ? step : (kSteps + step + 1) << (octave - 1);
  }

  std::vector<uint64_t> bins_ = std::vector<uint64_t>((64 - kBits + 1) << kBits);
  uint64_t count_ = 0;
  uint64_t max_ns_ = 0;
};

}  // namespace holdfast::bench
