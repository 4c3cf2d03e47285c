// Session ids of the mock: 32 hex digits, a counter and its keyed hash. They are checked without a
// table, so that a million sessions cost nothing.
#pragma once

#include <unistd.h>

#include <charconv>
#include <cstdint>
#include <cstdio>
#include <string>
#include <string_view>

namespace holdfast::bench {

// splitmix64's finaliser.
inline uint64_t mix(uint64_t x) {
  x += 0x9e3779b97f4a7c15U;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9U;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebU;
  return x ^ (x >> 31);
}

inline std::string make_session() {
  static uint64_t next = mix(static_cast<uint64_t>(::getpid()));
  ++next;
  char text[33];
  (void)std::snprintf(text, sizeof text, "%016llx%016llx", static_cast<unsigned long long>(next),
                      static_cast<unsigned long long>(mix(next)));
  return text;
}

inline bool valid_session(std::string_view id) {
  if (id.size() != 32) return false;
  uint64_t count = 0;
  uint64_t hash = 0;
  const char *middle = id.data() + 16;
  const bool hex = std::from_chars(id.data(), middle, count, 16).ptr == middle &&
                   std::from_chars(middle, middle + 16, hash, 16).ptr == middle + 16;
  return hex && hash == mix(count);
}

}  // namespace holdfast::bench
