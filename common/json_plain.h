// The bytes that stand in a JSON string as they are: printable ASCII but '"' and '\'. The reader
// and the writer of the link's lines pass over runs of them at once. Pure and inline; any thread.
#pragma once

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

namespace holdfast {

inline bool is_json_plain(char c) noexcept {
  return c >= 0x20 && c < 0x7f && c != '"' && c != '\\';
}

#if defined(__SSE2__)
namespace json_plain_detail {

inline constexpr unsigned kAll = 0xffff;

// A bit for each of 16 bytes.
inline unsigned plain_of(__m128i bytes) noexcept {
  // Signed compares: bytes from 0x80 on are below every printable one.
  const __m128i marks = _mm_or_si128(_mm_cmpeq_epi8(bytes, _mm_set1_epi8('"')),
                                     _mm_cmpeq_epi8(bytes, _mm_set1_epi8('\\')));
  const __m128i printable = _mm_andnot_si128(_mm_cmpeq_epi8(bytes, _mm_set1_epi8(0x7f)),
                                             _mm_cmpgt_epi8(bytes, _mm_set1_epi8(0x1f)));
  return static_cast<unsigned>(_mm_movemask_epi8(_mm_andnot_si128(marks, printable)));
}

inline int64_t load_8(const char *p) noexcept {
  int64_t word = 0;
  std::memcpy(&word, p, sizeof word);
  return word;
}

}  // namespace json_plain_detail
#endif

// How many of them `text` begins with.
inline size_t json_plain_bytes(std::string_view text) noexcept {
  size_t n = 0;
#if defined(__SSE2__)
  using namespace json_plain_detail;
  for (; text.size() - n >= 16; n += 16) {
    const unsigned plain = plain_of(
        _mm_loadu_si128(static_cast<const __m128i *>(static_cast<const void *>(text.data() + n))));
    if (plain != kAll) return n + static_cast<size_t>(std::countr_one(plain));
  }
#endif
  while (n < text.size() && is_json_plain(text[n])) ++n;
  return n;
}

// Whether `text` is nothing else.
inline bool is_json_plain(std::string_view text) noexcept {
#if defined(__SSE2__)
  using namespace json_plain_detail;
  if (text.size() >= 8 && text.size() <= 16) {  // both its ends, which may overlap
    const char *const end = text.data() + text.size();
    return plain_of(_mm_set_epi64x(load_8(end - 8), load_8(text.data()))) == kAll;
  }
#endif
  return json_plain_bytes(text) == text.size();
}

}  // namespace holdfast
