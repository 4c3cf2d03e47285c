// The first of two byte values in a range, found in one pass. Two memchr() calls would search the
// rest of the input again for every hit of the nearer byte, which a peer can make quadratic: a
// stream that ends its lines in CR alone, a string made of escapes.
// Pure; reads nothing outside [p, end).
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>

namespace holdfast::proxy::mcp {

namespace find_either_detail {

inline constexpr size_t kVectorBytes = 16;
using Vector = unsigned char __attribute__((vector_size(kVectorBytes)));

inline Vector splat(char c) { return Vector{} + static_cast<unsigned char>(c); }

inline Vector hits(const char *p, Vector a, Vector b) {
  Vector bytes;
  std::memcpy(&bytes, p, sizeof bytes);
  return static_cast<Vector>(bytes == a) | static_cast<Vector>(bytes == b);
}

inline bool any(Vector hit) {
  uint64_t words[2];
  std::memcpy(words, &hit, sizeof words);
  return (words[0] | words[1]) != 0;
}

// The high bit of every zero byte of `word`, and possibly of bytes above the lowest such one.
inline uint64_t zero_bytes(uint64_t word) {
  constexpr uint64_t kLow = 0x0101010101010101u;
  return (word - kLow) & ~word & (kLow << 7);
}

// The offset of the first byte of p[0..8) that is `a` or `b`; 8 when there is none.
inline size_t offset_in_word(const char *p, char a, char b) {
  constexpr uint64_t kOnes = 0x0101010101010101u;
  uint64_t word;
  std::memcpy(&word, p, sizeof word);
  if constexpr (std::endian::native == std::endian::big) word = __builtin_bswap64(word);
  const uint64_t hit = zero_bytes(word ^ (kOnes * static_cast<unsigned char>(a))) |
                       zero_bytes(word ^ (kOnes * static_cast<unsigned char>(b)));
  return static_cast<size_t>(std::countr_zero(hit)) / 8;
}

}  // namespace find_either_detail

// The first byte of [p, end) that is `a` or `b`; `end` when there is none. Short distances, the
// usual case, stay in 8-byte words; after 32 bytes 64 are compared per step.
inline const char *find_either(const char *p, const char *end, char a, char b) {
  using namespace find_either_detail;
  const auto left = [&] { return static_cast<size_t>(end - p); };
  for (int i = 0; i < 4 && left() >= 8; ++i, p += 8) {
    const size_t offset = offset_in_word(p, a, b);
    if (offset < 8) return p + offset;
  }
  const Vector va = splat(a);
  const Vector vb = splat(b);
  for (; left() >= 4 * kVectorBytes; p += 4 * kVectorBytes) {
    const Vector hit = hits(p, va, vb) | hits(p + kVectorBytes, va, vb) |
                       hits(p + 2 * kVectorBytes, va, vb) | hits(p + 3 * kVectorBytes, va, vb);
    if (any(hit)) break;
  }
  for (; left() >= 8; p += 8) {
    const size_t offset = offset_in_word(p, a, b);
    if (offset < 8) return p + offset;
  }
  while (p != end && *p != a && *p != b) ++p;
  return p;
}

}  // namespace holdfast::proxy::mcp
