// HTTP/1.1 as a test needs it: requests exactly as given, answers taken apart, and the truth about
// how an answer ended. Blocking with deadlines; one thread at a time.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tests/support/connection.h"

namespace holdfast::test {

using Headers = std::vector<std::pair<std::string, std::string>>;

struct Request {
  std::string method = "GET";
  std::string target = "/";
  Headers headers;  // Host and, with a body, Content-Length are added unless they are here
  std::string body;
};
// The request's bytes.
std::string to_text(const Request &request);

// How a body ended: framed is by its own framing (length or last chunk), to_eof is a body without
// framing that ended with the connection; cut and reset broke off before the framing's end.
enum class BodyEnd { open, framed, to_eof, cut, reset };

struct ResponseHead {
  int status = 0;
  Headers headers;

  // The first value, by name in any case.
  std::optional<std::string> header(std::string_view name) const;
  size_t count(std::string_view name) const;
};

struct Response : ResponseHead {
  std::string body;
  BodyEnd end = BodyEnd::open;
};

// Takes one answer apart as it arrives. Borrows the connection, which must outlive it; bytes behind
// the answer's end stay in the connection's buffer.
class ResponseReader {
 public:
  explicit ResponseReader(Connection &connection) : connection_(connection) {}

  // Waits for the head (1xx are skipped). nullopt when the connection ended before it.
  std::optional<ResponseHead> read_head(Millis timeout = kSoon);
  // Waits for more of the body and appends it, decoded, to `body`. False at its end.
  bool read_some(std::string &body, Millis timeout = kSoon);
  BodyEnd end() const { return end_; }

 private:
  enum class Framing { none, length, chunked, to_eof };
  bool decode(std::string &body);
  bool decode_chunked(std::string &body);
  void choose_framing(const ResponseHead &head);

  Connection &connection_;
  Framing framing_ = Framing::none;
  uint64_t left_ = 0;        // of the length, or of the chunk
  bool chunk_open_ = false;  // inside chunk data (or before its line end)
  bool trailers_ = false;    // after the last chunk
  BodyEnd end_ = BodyEnd::open;
};

// One exchange on an open connection; fails the test when no answer comes.
Response exchange(Connection &connection, const Request &request, Millis timeout = kSoon);
// The same on a connection of its own.
Response fetch(uint16_t port, const Request &request, Millis timeout = kSoon);
Response fetch_unix(const std::string &path, const Request &request, Millis timeout = kSoon);

}  // namespace holdfast::test
