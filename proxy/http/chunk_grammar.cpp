#include "proxy/http/chunk_grammar.h"

#include "proxy/http/byte_class.h"
#include "proxy/http/limits.h"

namespace holdfast::proxy::http {
namespace {

constexpr unsigned kSizeDigitsMax = 16;

uint64_t hex_value(char c) noexcept {
  return static_cast<uint64_t>(is(c, kDigit) ? c - '0' : lower(c) - 'a' + 10);
}

}  // namespace

ChunkGrammar::Event ChunkGrammar::fail(const char *reason) noexcept {
  error_ = reason;
  return Event::failed;
}

ChunkGrammar::Event ChunkGrammar::feed(char c) noexcept {
  if (at_ <= At::size) return on_size(c);
  if (at_ < At::size_lf) return on_extension(c);
  if (at_ < At::trailer_start || at_ >= At::trailer_lf) return on_line_feed(c);
  return on_trailer(c);
}

ChunkGrammar::PlainSize ChunkGrammar::find_plain_size(std::string_view in) const noexcept {
  constexpr size_t digits_max = 7;  // so that the size is within kChunkBytesMax
  const bool line_end_due = at_ == At::data_cr;
  if (!line_end_due && at_ != At::size_first) return {};
  const char *p = in.data();
  const char *const end = p + in.size();
  if (line_end_due) {
    if (end - p < 2 || p[0] != '\r' || p[1] != '\n') return {};
    p += 2;
  }
  const char *const digits = p;
  PlainSize line;
  for (; p < end && is(*p, kHexDigit); ++p)
    line.chunk_bytes = (line.chunk_bytes << 4U) | hex_value(*p);
  const auto digits_count = static_cast<size_t>(p - digits);
  if (digits_count == 0 || digits_count > digits_max) return {};
  if (end - p < 2 || p[0] != '\r' || p[1] != '\n') return {};
  line.line_bytes = static_cast<size_t>(p + 2 - in.data());
  return line;
}

void ChunkGrammar::take(const PlainSize &line) noexcept {
  chunk_bytes_ = line.chunk_bytes;
  if (line.chunk_bytes == 0) at_ = At::trailer_start;
}

ChunkGrammar::Event ChunkGrammar::on_size(char c) noexcept {
  if (at_ == At::size_first) {
    chunk_bytes_ = 0;
    size_digits_ = 0;
    extension_bytes_ = 0;
    if (!is(c, kHexDigit)) return fail("chunk size is not a hexadecimal number");
  } else if (!is(c, kHexDigit)) {
    return on_size_end(c);
  }
  if (++size_digits_ > kSizeDigitsMax) return fail("chunk size has too many digits");
  chunk_bytes_ = (chunk_bytes_ << 4U) | hex_value(c);  // 16 digits fit in 64 bits
  if (chunk_bytes_ > kChunkBytesMax) return fail("chunk too large");
  return go(At::size);
}

ChunkGrammar::Event ChunkGrammar::on_size_end(char c) noexcept {
  if (c == '\r') return go(At::size_lf);
  if (c != ';' && !is_blank(c)) return fail("byte not allowed after a chunk size");
  if (++extension_bytes_ > kChunkExtensionBytesMax ||
      ++extension_total_bytes_ > kChunkExtensionTotalBytesMax) {
    return fail("chunk extensions too long");
  }
  return go(c == ';' ? At::extension_start : At::before_semicolon);
}

ChunkGrammar::Event ChunkGrammar::on_extension(char c) noexcept {
  const bool blank = is_blank(c);
  const bool token = is(c, kTchar);
  const bool closed = at_ == At::value_end || at_ == At::value_token || at_ == At::extension_name;
  if (closed && (c == '\r' || c == ';')) return on_size_end(c);
  if (++extension_bytes_ > kChunkExtensionBytesMax ||
      ++extension_total_bytes_ > kChunkExtensionTotalBytesMax) {
    return fail("chunk extensions too long");
  }
  switch (at_) {
    case At::before_semicolon:
      if (blank) return Event::none;
      if (c == ';') return go(At::extension_start);
      break;
    case At::extension_start:
      if (blank) return Event::none;
      if (token) return go(At::extension_name);
      break;
    case At::extension_name:
      if (token) return Event::none;
      [[fallthrough]];
    case At::after_name:
      if (blank) return go(At::after_name);
      if (c == ';') return go(At::extension_start);
      if (c == '=') return go(At::value_start);
      break;
    case At::value_start:
      if (blank) return Event::none;
      if (c == '"') return go(At::value_quoted);
      if (token) return go(At::value_token);
      break;
    case At::value_token:
      if (token) return Event::none;
      [[fallthrough]];
    case At::value_end:
      if (blank) return go(At::before_semicolon);
      break;
    default:
      return on_quoted(c);
  }
  return fail("malformed chunk extension");
}

ChunkGrammar::Event ChunkGrammar::on_quoted(char c) noexcept {
  if (!is(c, kText)) return fail("control byte in a chunk extension");
  if (at_ == At::value_escape) return go(At::value_quoted);
  if (c == '\\') return go(At::value_escape);
  return go(c == '"' ? At::value_end : At::value_quoted);
}

// The fixed line ends: the LF of a size line, the CRLF behind data, the LFs of the trailer section.
ChunkGrammar::Event ChunkGrammar::on_line_feed(char c) noexcept {
  if (at_ == At::data_cr) {
    return c == '\r' ? go(At::data_lf) : fail("chunk data is longer than its size");
  }
  if (c != '\n') return fail("carriage return without line feed");
  switch (at_) {
    case At::size_lf:
      if (chunk_bytes_ == 0) return go(At::trailer_start);
      return Event::data;
    case At::data_lf:
      return go(At::size_first);
    case At::trailer_lf:
      ++trailer_bytes_;
      return go(At::trailer_start);
    default:
      return Event::end;
  }
}

ChunkGrammar::Event ChunkGrammar::on_trailer(char c) noexcept {
  if (++trailer_bytes_ > kTrailerBytesMax) return fail("trailer section too large");
  switch (at_) {
    case At::trailer_start:
      if (c == '\r') return go(At::last_lf);
      if (!is(c, kTchar)) return fail("malformed trailer field");
      if (++trailer_fields_ > kTrailerFieldsMax) return fail("too many trailer fields");
      trailer_name_bytes_ = 1;
      return go(At::trailer_name);
    case At::trailer_name:
      if (c == ':') return go(At::trailer_value);
      if (!is(c, kTchar)) return fail("malformed trailer field");
      if (++trailer_name_bytes_ > kFieldNameBytesMax) return fail("trailer field name too long");
      return Event::none;
    default:
      if (c == '\r') return go(At::trailer_lf);
      return is(c, kText) ? Event::none : fail("control byte in a trailer field");
  }
}

}  // namespace holdfast::proxy::http
