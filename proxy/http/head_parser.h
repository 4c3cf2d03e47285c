// Strict, incremental, I/O-free parsers of message heads (RFC 9112 sections 2 to 6). The caller
// shows all bytes of the message it has so far; the parser remembers how far it looked, so a head
// that arrives byte by byte costs no more than one that comes whole. Any split of the same bytes
// gives the same outcome: faults are judged in order of position, the request or status line as
// soon as its line end is there, the field section once complete, limits at once. Never allocates,
// never blocks. One parser per connection and direction; loop thread only.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "proxy/http/head_end.h"
#include "proxy/http/message.h"

namespace holdfast::proxy::http {

enum class HeadState : uint8_t { incomplete, complete, failed };

// Why a head was refused. `status` is the answer's code (400, 414, 431, 501, 505, 417, 421; always
// 502 for responses), `reason` a fixed short text for the log and the answer; it never echoes
// bytes.
struct HeadError {
  int status = 0;
  const char *reason = "";
};

class RequestParser {
 public:
  // `bytes`: everything received of this message, from its first byte; it may have grown and moved
  // since the last call. On `complete`, `out` holds views into `bytes`. After `failed` the parser
  // stays failed until reset().
  HeadState parse(std::string_view bytes, RequestHead &out) noexcept;

  size_t head_bytes() const noexcept {
    return head_bytes_;
  }                                                    // REQUIRES: complete. Leading CRLFs included
  HeadError error() const noexcept { return error_; }  // REQUIRES: failed
  // False while nothing but the CRLFs that may precede a request line has been seen (9112 2.2).
  bool started() const noexcept { return started_; }
  void reset() noexcept { *this = RequestParser{}; }

 private:
  HeadState fail(HeadError error) noexcept;
  HeadState read_line(std::string_view bytes, RequestHead &out) noexcept;
  HeadState conclude(size_t head_bytes, RequestHead &out) noexcept;

  HeadEnd end_;
  uint32_t line_bytes_ = 0;  // leading CRLFs plus the request line with its end, once judged
  uint32_t head_bytes_ = 0;
  HeadError error_;
  bool started_ = false;
};

class ResponseParser {
 public:
  // As RequestParser::parse. `method` is that of the request being answered: it decides whether a
  // body follows (9112 6.3). A 1xx head is reported like any other: the caller goes on with
  // reset().
  HeadState parse(std::string_view bytes, Method method, ResponseHead &out) noexcept;

  size_t head_bytes() const noexcept { return head_bytes_; }
  HeadError error() const noexcept { return error_; }
  void reset() noexcept { *this = ResponseParser{}; }

 private:
  HeadState fail(const char *reason) noexcept;
  HeadState read_line(std::string_view bytes, ResponseHead &out) noexcept;
  HeadState conclude(size_t head_bytes, Method method, ResponseHead &out) noexcept;

  HeadEnd end_;
  uint32_t line_bytes_ = 0;  // the status line with its end, once judged
  uint32_t head_bytes_ = 0;
  HeadError error_;
};

}  // namespace holdfast::proxy::http
