// The bytes that stand in a JSON string as they are: printable ASCII but '"' and '\'. The reader
// and the writer of the link's lines pass over runs of them at once. Pure and inline; any thread.
#pragma once

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

#include <bit>
#include <cstddef>
#include <string_view>

namespace holdfast {

inline bool is_json_plain(char c) noexcept {
  return c >= 0x20 && c < 0x7f && c != '"' && c != '\\';
}

// How many of them `text` begins with.
inline size_t json_plain_bytes(std::string_view text) noexcept {
  size_t n = 0;
#if defined(__SSE2__)
  // Signed compares: bytes from 0x80 on are below every printable one.
  const __m128i last_control = _mm_set1_epi8(0x1f);
  const __m128i del = _mm_set1_epi8(0x7f);
  const __m128i quote = _mm_set1_epi8('"');
  const __m128i backslash = _mm_set1_epi8('\\');
  for (; text.size() - n >= 16; n += 16) {
    const __m128i bytes =
        _mm_loadu_si128(static_cast<const __m128i *>(static_cast<const void *>(text.data() + n)));
    const __m128i marks =
        _mm_or_si128(_mm_cmpeq_epi8(bytes, quote), _mm_cmpeq_epi8(bytes, backslash));
    const __m128i printable =
        _mm_andnot_si128(_mm_cmpeq_epi8(bytes, del), _mm_cmpgt_epi8(bytes, last_control));
    const auto plain = static_cast<unsigned>(_mm_movemask_epi8(_mm_andnot_si128(marks, printable)));
    if (plain != 0xffff) return n + static_cast<size_t>(std::countr_one(plain));
  }
#endif
  while (n < text.size() && is_json_plain(text[n])) ++n;
  return n;
}

}  // namespace holdfast
