// The first of two byte values in a range, found in one pass over it. Two memchr() calls over the
// whole rest would search it again for every hit of the nearer byte, which a peer can make
// quadratic: a stream that ends its lines in CR alone, a string made of escapes. Two over a block
// of bounded size cannot.
// Pure; reads nothing outside [p, end).
#pragma once

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>

namespace holdfast::proxy::mcp {

namespace find_either_detail {

inline constexpr size_t kBlockBytes = 2048;

// The first of either in p[0..bytes), or nullptr; memchr() is the fastest loop of the machine.
inline const char *find_in_block(const char *p, size_t bytes, char a, char b) {
  const auto *const first = static_cast<const char *>(std::memchr(p, a, bytes));
  if (first != nullptr) bytes = static_cast<size_t>(first - p);
  const auto *const earlier = static_cast<const char *>(std::memchr(p, b, bytes));
  return earlier != nullptr ? earlier : first;
}

#if defined(__SSE2__)

inline constexpr size_t kStepBytes = 16;

// The offset of the first byte of p[0..16) that is `a` or `b`; 16 or more when there is none.
inline size_t offset_in_step(const char *p, char a, char b) {
  const __m128i bytes = _mm_loadu_si128(static_cast<const __m128i *>(static_cast<const void *>(p)));
  const __m128i hits = _mm_or_si128(_mm_cmpeq_epi8(bytes, _mm_set1_epi8(a)),
                                    _mm_cmpeq_epi8(bytes, _mm_set1_epi8(b)));
  return static_cast<size_t>(std::countr_zero(static_cast<unsigned>(_mm_movemask_epi8(hits))));
}

#else

inline constexpr size_t kStepBytes = 8;

// The high bit of every zero byte of `word`, and possibly of bytes above the lowest such one.
inline uint64_t zero_bytes(uint64_t word) {
  constexpr uint64_t kLow = 0x0101010101010101u;
  return (word - kLow) & ~word & (kLow << 7);
}

// The offset of the first byte of p[0..8) that is `a` or `b`; 8 when there is none.
inline size_t offset_in_step(const char *p, char a, char b) {
  constexpr uint64_t kOnes = 0x0101010101010101u;
  uint64_t word;
  std::memcpy(&word, p, sizeof word);
  if constexpr (std::endian::native == std::endian::big) word = __builtin_bswap64(word);
  const uint64_t hit = zero_bytes(word ^ (kOnes * static_cast<unsigned char>(a))) |
                       zero_bytes(word ^ (kOnes * static_cast<unsigned char>(b)));
  return static_cast<size_t>(std::countr_zero(hit)) / 8;
}

#endif

}  // namespace find_either_detail

// The first byte of [p, end) that is `a` or `b`; `end` when there is none. Short distances, the
// usual case, are gone in a few steps of a vector or word.
inline const char *find_either(const char *p, const char *end, char a, char b) {
  using namespace find_either_detail;
  const auto left = [&] { return static_cast<size_t>(end - p); };
  for (int i = 0; i < 4 && left() >= kStepBytes; ++i, p += kStepBytes) {
    const size_t offset = offset_in_step(p, a, b);
    if (offset < kStepBytes) return p + offset;
  }
  for (; left() >= kStepBytes; p += std::min(left(), kBlockBytes)) {
    const char *const hit = find_in_block(p, std::min(left(), kBlockBytes), a, b);
    if (hit != nullptr) return hit;
  }
  while (p != end && *p != a && *p != b) ++p;
  return p;
}

}  // namespace holdfast::proxy::mcp
