// Finds where a head ends while it arrives. It ends at LF LF or LF CRLF, so that a head with bare
// line feeds is refused at once by the strict pass instead of waiting for an end that never comes.
// Pure; part of a parser.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace holdfast::proxy::http {

class HeadEnd {
 public:
  enum class Found : uint8_t { no, yes, too_large, too_many_fields };

  // `bytes`: the message so far; `line_bytes` (> 0): where its field section begins, behind a LF.
  // REQUIRES: the same line_bytes and the same leading bytes on each call.
  Found search(std::string_view bytes, size_t line_bytes) noexcept;
  size_t head_bytes() const noexcept { return next_; }  // REQUIRES: yes

 private:
  uint32_t next_ = 0;          // where to look for the next LF; once found, the head's end
  uint32_t fields_count_ = 0;  // field lines begun
};

}  // namespace holdfast::proxy::http
