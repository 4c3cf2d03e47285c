// Streaming HTTP/1.1 message parser of the bench tools, for requests and responses. Fed whatever
// recv() returned, it calls a handler and keeps no body bytes, so that idle connections cost next
// to nothing. Lenient on purpose: it measures proxies, it does not judge them.
#pragma once

#include <strings.h>

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <string>
#include <string_view>

namespace holdfast::bench {

enum class Side : uint8_t { request, response };

// What the tools need to know of a message head. Views are valid during on_head() only.
struct Head {
  int status = 0;           // response
  std::string_view method;  // request
  std::string_view path;    // request
  std::string_view session;
  bool event_stream = false;  // Content-Type (response) or Accept (request) names text/event-stream
  bool close = false;
  bool chunked = false;
  int64_t length = -1;  // Content-Length, -1 when absent
};

template <Side S>
class HttpParser {
 public:
  // Handler: void on_head(const Head &); void on_body(string_view); void on_end();
  // It may start the next exchange in on_end() but must not destroy the parser. False on malformed
  // input.
  template <class Handler>
  bool feed(std::string_view in, Handler &handler) {
    while (!in.empty() && !bad_) {
      switch (state_) {
        case State::head:
          take_head(in, handler);
          break;
        case State::length:
          if (take_data(in, handler)) finish(handler);
          break;
        case State::to_close:
          handler.on_body(in);
          return true;
        case State::chunk_size:
          take_chunk_size(take_byte(in));
          break;
        case State::chunk_data:
          if (take_data(in, handler)) state_ = State::chunk_end;
          break;
        case State::chunk_end:
          if (take_byte(in) == '\n') state_ = State::chunk_size;
          break;
        case State::trailer:
          if (take_trailer(take_byte(in))) finish(handler);
          break;
      }
    }
    return !bad_;
  }

  // The peer closed. True when that legitimately ends the current message.
  template <class Handler>
  bool eof(Handler &handler) {
    if (state_ != State::to_close) return false;
    finish(handler);
    return true;
  }

  void reset() { *this = HttpParser(); }

 private:
  enum class State : uint8_t { head, length, to_close, chunk_size, chunk_data, chunk_end, trailer };
  static constexpr size_t kHeadBytesMax = 64 * 1024;
  static constexpr size_t kChunkBytesMax = size_t{1} << 40;

  static char take_byte(std::string_view &in) {
    const char byte = in.front();
    in.remove_prefix(1);
    return byte;
  }

  template <class Handler>
  void finish(Handler &handler) {
    state_ = State::head;
    handler.on_end();
  }

  // True when all of the body or chunk has come.
  template <class Handler>
  bool take_data(std::string_view &in, Handler &handler) {
    const size_t bytes = std::min(in.size(), left_);
    left_ -= bytes;
    if (bytes > 0) handler.on_body(in.substr(0, bytes));
    in.remove_prefix(bytes);
    return left_ == 0;
  }

  // Hex digits, an extension perhaps, LF.
  void take_chunk_size(char byte) {
    if (byte == '\n') {
      bad_ = !digits_;
      extension_ = digits_ = false;
      state_ = left_ > 0 ? State::chunk_data : State::trailer;
      line_bytes_ = 0;
    } else if (byte == ';') {
      extension_ = true;
    } else if (byte != '\r' && !extension_) {
      unsigned digit = 0;
      bad_ =
          std::from_chars(&byte, &byte + 1, digit, 16).ec != std::errc{} || left_ > kChunkBytesMax;
      left_ = left_ * 16 + digit;
      digits_ = true;
    }
  }

  // True at the empty line that ends the message.
  bool take_trailer(char byte) {
    if (byte == '\n') {
      const bool end = line_bytes_ == 0;
      line_bytes_ = 0;
      return end;
    }
    if (byte != '\r') ++line_bytes_;
    return false;
  }

  // Takes the head's bytes out of `in`. Empty while it is incomplete or too long (bad_).
  std::string_view complete_head(std::string_view &in) {
    if (partial_.empty()) {
      const size_t end = in.find("\r\n\r\n");
      if (end == std::string_view::npos) {
        partial_.assign(in);
        in = {};
        return {};
      }
      const std::string_view lines = in.substr(0, end + 2);
      in.remove_prefix(end + 4);
      return lines;
    }
    const size_t before = partial_.size();
    partial_.append(in.substr(0, kHeadBytesMax));
    const size_t end = partial_.find("\r\n\r\n", before > 3 ? before - 3 : 0);
    if (end == std::string::npos) {
      bad_ = partial_.size() > kHeadBytesMax;
      in = {};
      return {};
    }
    in.remove_prefix(end + 4 - before);
    return std::string_view(partial_).substr(0, end + 2);
  }

  template <class Handler>
  void take_head(std::string_view &in, Handler &handler) {
    const std::string_view lines = complete_head(in);
    if (lines.empty()) return;
    Head head;
    if (!parse(lines, head)) {
      bad_ = true;
      return;
    }
    if (S == Side::request || head.status >= 200) {  // 100 Continue and friends are skipped
      begin_body(head);
      handler.on_head(head);
    }
    partial_.clear();
    if (state_ == State::length && left_ == 0) finish(handler);
  }

  void begin_body(const Head &head) {
    left_ = 0;
    state_ = State::length;
    if (head.status == 204 || head.status == 304) return;
    if (head.chunked) {
      state_ = State::chunk_size;
    } else if (head.length >= 0) {
      left_ = static_cast<size_t>(head.length);
    } else if (S == Side::response) {
      state_ = State::to_close;
    }
  }

  static bool same(std::string_view a, std::string_view b) {
    return a.size() == b.size() && ::strncasecmp(a.data(), b.data(), a.size()) == 0;
  }

  static bool parse_first_line(std::string_view line, Head &head) {
    if constexpr (S == Side::response) {
      if (line.size() < 12 || !line.starts_with("HTTP/1.")) return false;
      head.close = line[7] == '0';
      return std::from_chars(line.data() + 9, line.data() + 12, head.status).ec == std::errc{};
    }
    const size_t first = line.find(' ');
    const size_t last = line.rfind(' ');
    if (first == last) return false;
    head.method = line.substr(0, first);
    head.path = line.substr(first + 1, last - first - 1);
    head.close = line.substr(last + 1) == "HTTP/1.0";
    return true;
  }

  // One comparison a field at most: this runs for every message of a measurement.
  static void parse_field(std::string_view name, std::string_view value, Head &head) {
    switch (name.size()) {
      case 6:
        if (S == Side::request && same(name, "accept"))
          head.event_stream = value.find("text/event-stream") != std::string_view::npos;
        break;
      case 10:
        if (!same(name, "connection")) break;
        if (same(value, "close")) head.close = true;
        if (same(value, "keep-alive")) head.close = false;
        break;
      case 12:
        if (S == Side::response && same(name, "content-type"))
          head.event_stream = value.starts_with("text/event-stream");
        break;
      case 14:
        if (same(name, "content-length")) {
          (void)std::from_chars(value.data(), value.data() + value.size(), head.length);
        } else if (same(name, "mcp-session-id")) {
          head.session = value;
        }
        break;
      case 17:
        if (same(name, "transfer-encoding")) head.chunked = same(value, "chunked");
        break;
      default:
        break;
    }
  }

  static bool parse(std::string_view lines, Head &head) {
    size_t end = lines.find("\r\n");
    if (!parse_first_line(lines.substr(0, end), head)) return false;
    for (lines.remove_prefix(end + 2); !lines.empty(); lines.remove_prefix(end + 2)) {
      end = lines.find("\r\n");
      const std::string_view line = lines.substr(0, end);
      const size_t colon = line.find(':');
      if (colon == std::string_view::npos) return false;
      std::string_view value = line.substr(colon + 1);
      while (!value.empty() && value.front() == ' ') value.remove_prefix(1);
      parse_field(line.substr(0, colon), value, head);
    }
    return true;
  }

  State state_ = State::head;
  bool bad_ = false;
  bool extension_ = false;
  bool digits_ = false;
  size_t left_ = 0;
  size_t line_bytes_ = 0;
  std::string partial_;  // the start of a head that came in pieces
};

}  // namespace holdfast::bench
