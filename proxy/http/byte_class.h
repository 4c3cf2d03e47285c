// What each byte may be in HTTP/1.1 text (RFC 9110 section 5.6, 3986 section 2), as one table, and
// the few string operations every file of the codec needs. Pure and inline: this is the innermost
// loop.
#pragma once

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace holdfast::proxy::http {

enum ByteClass : uint8_t {
  kTchar = 1,     // of a token
  kPathByte = 2,  // pchar without "%", and "/"
  kVisible = 4,   // 0x21-0x7e
  kHostByte = 8,  // unreserved and sub-delims without ","
  kText = 16,     // of a field value: HTAB, SP, visible and obs-text
  kHexDigit = 32,
  kDigit = 64,
  kQuotedText = 128  // qdtext
};

constexpr std::array<uint8_t, 256> make_byte_classes() noexcept {
  constexpr std::string_view tchar_marks = "!#$%&'*+-.^_`|~";
  constexpr std::string_view path_marks = "-._~!$&'()*+,;=:@/";
  constexpr std::string_view host_marks = "-._~!$&'()*+;=";
  std::array<uint8_t, 256> table{};
  for (size_t i = 0; i < table.size(); ++i) {
    const char c = static_cast<char>(i);
    const bool digit = c >= '0' && c <= '9';
    const bool alpha = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    const bool hex = digit || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
    const bool alnum = digit || alpha;
    const auto has = [c](std::string_view marks) { return marks.find(c) != marks.npos; };
    const bool text = i == '\t' || (i >= 0x20 && i != 0x7f);
    unsigned bits = 0;
    if (alnum || has(tchar_marks)) bits |= kTchar;
    if (alnum || has(path_marks)) bits |= kPathByte;
    if (i > 0x20 && i < 0x7f) bits |= kVisible;
    if (alnum || has(host_marks)) bits |= kHostByte;
    if (text) bits |= kText;
    if (hex) bits |= kHexDigit;
    if (digit) bits |= kDigit;
    if (text && c != '"' && c != '\\') bits |= kQuotedText;
    table[i] = static_cast<uint8_t>(bits);
  }
  return table;
}
inline constexpr std::array<uint8_t, 256> kByteClasses = make_byte_classes();

constexpr bool is(char c, ByteClass byte_class) noexcept {
  return (kByteClasses.data()[static_cast<uint8_t>(c)] & byte_class) != 0;
}

// How many leading bytes of `s` are of the class.
constexpr size_t run_of(std::string_view s, ByteClass byte_class) noexcept {
  const char *p = s.data();
  const char *const end = p + s.size();
  while (p < end && is(*p, byte_class)) ++p;
  return static_cast<size_t>(p - s.data());
}

constexpr bool all_of(std::string_view s, ByteClass byte_class) noexcept {
  return run_of(s, byte_class) == s.size();
}

#if defined(__SSE2__)
inline __m128i load_16(const char *p) noexcept {
  return _mm_loadu_si128(static_cast<const __m128i *>(static_cast<const void *>(p)));
}
#endif

// The first ":" of [begin, end), or end.
inline const char *find_colon(const char *begin, const char *end) noexcept {
  const char *p = begin;
#if defined(__SSE2__)
  const __m128i colon = _mm_set1_epi8(':');
  for (; end - p >= 16; p += 16) {
    const __m128i bytes = load_16(p);
    const auto hits = static_cast<unsigned>(_mm_movemask_epi8(_mm_cmpeq_epi8(bytes, colon)));
    if (hits != 0) return p + std::countr_zero(hits);
  }
#endif
  while (p < end && *p != ':') ++p;
  return p;
}

// How many leading bytes of `s` are visible (kVisible): of a request target, the longest token.
inline size_t visible_run(std::string_view s) noexcept {
  const char *p = s.data();
  const char *const end = p + s.size();
#if defined(__SSE2__)
  const __m128i space = _mm_set1_epi8(0x20);
  const __m128i del = _mm_set1_epi8(0x7f);
  for (; end - p >= 16; p += 16) {
    const __m128i bytes = load_16(p);
    // Compared as signed numbers, bytes from 0x80 are below the space.
    const __m128i visible =
        _mm_andnot_si128(_mm_cmpeq_epi8(bytes, del), _mm_cmpgt_epi8(bytes, space));
    const unsigned stops = static_cast<unsigned>(_mm_movemask_epi8(visible)) ^ 0xffffU;
    if (stops != 0) return static_cast<size_t>(p + std::countr_zero(stops) - s.data());
  }
#endif
  while (p < end && is(*p, kVisible)) ++p;
  return static_cast<size_t>(p - s.data());
}

// The end of the leading run of field text in [begin, end); `obs_text` tells whether bytes from
// 0x80 occur in it.
inline const char *skip_text(const char *begin, const char *end, bool &obs_text) noexcept {
  const char *p = begin;
  unsigned high = 0;
#if defined(__SSE2__)
  // 16 bytes a step: most of a head is values, and the step that ends a value is usually its first
  // or second. Only whole steps inside [begin, end) are read.
  const __m128i space = _mm_set1_epi8(0x20);
  const __m128i del = _mm_set1_epi8(0x7f);
  const __m128i tab = _mm_set1_epi8('\t');
  for (; end - p >= 16; p += 16) {
    const __m128i bytes = load_16(p);
    const __m128i printable = _mm_cmpeq_epi8(_mm_max_epu8(bytes, space), bytes);
    const __m128i text = _mm_or_si128(_mm_andnot_si128(_mm_cmpeq_epi8(bytes, del), printable),
                                      _mm_cmpeq_epi8(bytes, tab));
    const unsigned stops = static_cast<unsigned>(_mm_movemask_epi8(text)) ^ 0xffffU;
    const auto highs = static_cast<unsigned>(_mm_movemask_epi8(bytes));
    if (stops != 0) {
      const unsigned before_stop = (stops & (0U - stops)) - 1U;
      obs_text = (high | (highs & before_stop)) != 0;
      return p + std::countr_zero(stops);
    }
    high |= highs;
  }
#endif
  for (; p < end && is(*p, kText); ++p) high |= static_cast<uint8_t>(*p) & 0x80U;
  obs_text = high != 0;
  return p;
}

constexpr char lower(char c) noexcept {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c;
}

constexpr bool iequals(std::string_view a, std::string_view b) noexcept {
  if (a.size() != b.size()) return false;
  if (a == b) return true;  // nearly always it is written as expected
  for (size_t i = 0; i < a.size(); ++i) {
    if (lower(a[i]) != lower(b[i])) return false;
  }
  return true;
}

constexpr bool is_blank(char c) noexcept { return c == ' ' || c == '\t'; }

// Without the optional white space at both ends.
constexpr std::string_view trim_ows(std::string_view s) noexcept {
  while (!s.empty() && is_blank(s.front())) s.remove_prefix(1);
  while (!s.empty() && is_blank(s.back())) s.remove_suffix(1);
  return s;
}

// Walks the elements of a comma-separated list (9110 5.6.1), trimmed; empty elements are skipped.
// Quoted strings are not understood: for lists of tokens only.
class ListCursor {
 public:
  constexpr explicit ListCursor(std::string_view list) noexcept : rest_(list) {}
  constexpr bool next(std::string_view &element) noexcept {
    while (!rest_.empty()) {
      const size_t comma = rest_.find(',');
      element = trim_ows(rest_.substr(0, comma));
      rest_.remove_prefix(comma == rest_.npos ? rest_.size() : comma + 1);
      if (!element.empty()) return true;
    }
    return false;
  }

 private:
  std::string_view rest_;
};

}  // namespace holdfast::proxy::http
