// The strict check of a management request before libevhtp may see it. The proxy writes these
// requests itself (origin form, one Host, a length, close), so whatever deviates is a mistake or an
// attack and is refused; nothing is tolerated or repaired. Pure; any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace holdfast::sessiond {

inline constexpr size_t kHttpHeadBytesMax = 8 * 1024;
inline constexpr size_t kHttpFieldsMax = 32;
inline constexpr size_t kHttpBodyBytesMax = 64 * 1024;

// What the guard needs to know of a head that passed.
struct CheckedHead {
  int refusal = 0;        // 0: fine; else the status to refuse it with
  size_t body_bytes = 0;  // from Content-Length
};

// Bytes of the head at the start of `input`, with its empty line; 0: it is not complete yet.
size_t http_head_bytes(std::string_view input) noexcept;

// Checks a whole head (http_head_bytes() of it).
CheckedHead check_http_head(std::string_view head) noexcept;

}  // namespace holdfast::sessiond
