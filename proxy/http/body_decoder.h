// Takes a message body out of its framing (RFC 9112 sections 6 and 7): content length, chunked, or
// until the connection ends. Pure and incremental; the pieces are views into the input, nothing is
// copied or kept. Any split of the same bytes yields the same data, end and error.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "proxy/http/chunk_grammar.h"
#include "proxy/http/message.h"

namespace holdfast::proxy::http {

class BodyDecoder {
 public:
  enum class State : uint8_t {
    more,      // feed what follows the consumed bytes
    end,       // the message is complete; bytes after `consumed` belong to the next one
    failed,    // malformed: nothing further may be read from this connection; `data` is empty
    too_large  // decoded data would exceed the limit; `data` is empty
  };
  struct Step {
    size_t consumed = 0;    // > 0 unless the input is empty or the state is not `more`
    std::string_view data;  // decoded bytes, a view into the input; may be empty
    State state = State::more;
  };

  BodyDecoder() = default;
  // `bytes_max`: bound on decoded bytes; UINT64_MAX for none (responses).
  explicit BodyDecoder(Framing framing, uint64_t bytes_max = UINT64_MAX) noexcept;

  // Decodes the next piece of `in`; call again with the rest while it returns `more` and input is
  // left. A body of kind none, or of length 0, ends at once (also on empty input).
  Step next(std::string_view in) noexcept;

  // The peer closed cleanly: true when that completes the message (until_close, or already ended).
  bool finish_at_eof() noexcept;

  bool ended() const noexcept { return phase_ == Phase::ended; }
  const char *error() const noexcept;  // fixed text; empty unless failed
  // Bytes that are content for sure: of the body, or of the chunk that has begun.
  uint64_t known_bytes() const noexcept { return phase_ == Phase::data ? left_bytes_ : 0; }
  uint64_t decoded_bytes() const noexcept { return decoded_bytes_; }
  BodyKind kind() const noexcept { return kind_; }

 private:
  enum class Phase : uint8_t {
    data,     // inside content
    framing,  // between chunks, in the lines of ChunkGrammar
    ended,
    too_large,
    failed
  };
  // Both consume at least one byte of `in` or leave the phase.
  void take_data(std::string_view in, Step &step) noexcept;
  void take_framing(std::string_view in, Step &step) noexcept;
  bool overhead_allowed(uint64_t more_bytes) const noexcept;
  bool fits(uint64_t chunk_bytes) const noexcept {
    return chunk_bytes <= bytes_max_ - decoded_bytes_;
  }
  Step finish(Step step) const noexcept;

  uint64_t bytes_max_ = UINT64_MAX;
  uint64_t decoded_bytes_ = 0;
  uint64_t left_bytes_ = 0;      // of the content or the current chunk
  uint64_t overhead_bytes_ = 0;  // framing bytes seen
  ChunkGrammar grammar_;
  BodyKind kind_ = BodyKind::none;
  Phase phase_ = Phase::ended;
};

// Writes the line that opens a chunk of `bytes` (> 0) into `out` and returns its length:
// "1f40\r\n". The data and kChunkEnd follow; kLastChunk ends the body. REQUIRES: room for
// kChunkOpenBytesMax.
inline constexpr size_t kChunkOpenBytesMax = 20;
size_t write_chunk_open(char *out, uint64_t bytes) noexcept;
inline constexpr std::string_view kChunkEnd = "\r\n";
inline constexpr std::string_view kLastChunk = "0\r\n\r\n";

}  // namespace holdfast::proxy::http
