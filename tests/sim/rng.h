// The simulation's own randomness: xoshiro256** seeded through splitmix64 (Blackman, Vigna), so
// that a seed means the same history with every compiler and library. Never for secrets. Pure.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "common/clock.h"

namespace holdfast::sim {

class Rng {
 public:
  explicit Rng(uint64_t seed) {
    for (uint64_t &word : state_) {
      seed += 0x9e3779b97f4a7c15U;
      uint64_t z = seed;
      z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9U;
      z = (z ^ (z >> 27)) * 0x94d049bb133111ebU;
      word = z ^ (z >> 31);
    }
  }

  uint64_t next() {
    const uint64_t result = rotl(state_[1] * 5, 7) * 9;
    const uint64_t t = state_[1] << 17;
    state_[2] ^= state_[0];
    state_[3] ^= state_[1];
    state_[1] ^= state_[2];
    state_[0] ^= state_[3];
    state_[2] ^= t;
    state_[3] = rotl(state_[3], 45);
    return result;
  }

  // 0 … bound - 1. REQUIRES: bound > 0. The bias of the remainder is of no matter here.
  size_t below(size_t bound) { return static_cast<size_t>(next() % bound); }
  bool percent(unsigned chance) { return below(100) < chance; }
  bool permille(unsigned chance) { return below(1000) < chance; }
  Millis between(Millis low, Millis high) {
    return low +
           Millis{static_cast<Millis::rep>(below(static_cast<size_t>((high - low).count()) + 1))};
  }
  template <class Container>
  auto &pick(Container &from) {
    return from[below(from.size())];
  }

 private:
  static uint64_t rotl(uint64_t x, int by) { return (x << by) | (x >> (64 - by)); }

  std::array<uint64_t, 4> state_{};
};

}  // namespace holdfast::sim
