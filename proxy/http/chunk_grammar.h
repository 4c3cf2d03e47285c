// The lines around chunk data (RFC 9112 section 7.1): size, extensions, trailer section. A byte
// machine, because these lines are short and may be split anywhere; chunk data never passes through
// it. Pure; part of BodyDecoder.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace holdfast::proxy::http {

class ChunkGrammar {
 public:
  enum class Event : uint8_t {
    none,  // go on
    data,  // a size line ended: chunk_bytes() of data follow, then data_ended() must be called
    end,   // the trailer section ended, and with it the body
    failed
  };
  Event feed(char c) noexcept;

  // The usual line before chunk data: the CRLF behind the chunk before, if it is still due, a few
  // digits and CRLF. Looking for it whole only saves time; feed() accepts the same bytes.
  struct PlainSize {
    size_t line_bytes = 0;  // 0: not such a line, or not all of it is here
    uint64_t chunk_bytes = 0;
  };
  PlainSize find_plain_size(std::string_view in) const noexcept;
  // Goes on behind a line that find_plain_size() found: with data, or with trailers after a size of
  // 0.
  void take(const PlainSize &line) noexcept;

  void data_ended() noexcept { at_ = At::data_cr; }
  uint64_t chunk_bytes() const noexcept { return chunk_bytes_; }
  const char *error() const noexcept { return error_; }  // fixed text; empty unless failed

 private:
  //  size_first -> size -> (extension states) -> size_lf -> [data] -> data_cr -> data_lf ->
  //  size_first
  //                                                     \-> trailer_start -> ... -> last_lf
  enum class At : uint8_t {
    size_first,
    size,
    before_semicolon,  // blanks that only a ";" can justify
    extension_start,   // behind ";"
    extension_name,
    after_name,  // blanks that only "=" or ";" can justify
    value_start,
    value_token,
    value_quoted,
    value_escape,
    value_end,  // behind the closing quote
    size_lf,
    data_cr,
    data_lf,
    trailer_start,
    trailer_name,
    trailer_value,
    trailer_lf,
    last_lf
  };
  Event fail(const char *reason) noexcept;
  Event go(At next) noexcept {
    at_ = next;
    return Event::none;
  }
  Event on_size(char c) noexcept;
  Event on_size_end(char c) noexcept;  // behind something complete: ";", blanks before it, or CR
  Event on_extension(char c) noexcept;
  Event on_quoted(char c) noexcept;
  Event on_line_feed(char c) noexcept;
  Event on_trailer(char c) noexcept;

  uint64_t chunk_bytes_ = 0;
  const char *error_ = "";
  uint16_t extension_bytes_ = 0;        // of the current chunk
  uint16_t extension_total_bytes_ = 0;  // of the whole body
  uint16_t trailer_bytes_ = 0;
  uint16_t trailer_name_bytes_ = 0;
  uint8_t trailer_fields_ = 0;
  uint8_t size_digits_ = 0;
  At at_ = At::size_first;
};

}  // namespace holdfast::proxy::http
