// One event stream, read event by event: what came, when, and how it ended. Blocking with
// deadlines; one thread at a time.
#pragma once

#include <deque>
#include <memory>
#include <optional>
#include <string>

#include "tests/support/http_client.h"

namespace holdfast::test {

struct Event {
  bool comment = false;  // a frame of comments only: dispatches nothing
  std::string name;      // of the `event:` line; empty when there is none
  std::string data;
  std::string id;
  std::string raw;  // the frame's bytes with its blank line
};

class SseClient {
 public:
  // Sends the request on a connection of its own and waits for the head.
  SseClient(uint16_t port, const Request &request, Millis timeout = kSoon);
  // The same on a connection the caller prepared.
  SseClient(Connection connection, const Request &request, Millis timeout = kSoon);

  const ResponseHead &head() const { return head_; }
  // True when the answer is a 200 event stream.
  bool streaming() const;

  // The next event, comments left out; fails the test when none comes in time or the stream ends.
  Event next(Millis timeout = kSoon);
  // The next frame of any kind.
  Event next_frame(Millis timeout = kSoon);
  // The next event if one is there within `timeout` (comments are left out), else nullopt.
  std::optional<Event> poll(Millis timeout);
  // Reads to the end and says how it came; fails the test when it does not. Events on the way are
  // kept for next().
  BodyEnd wait_end(Millis timeout = kSoon);
  // How it stands as far as it has been read.
  BodyEnd end() const { return reader_.end(); }
  // All bytes of the body so far, decoded.
  const std::string &body() const { return body_; }
  size_t comments_count() const { return comments_count_; }

  // Leaves: FIN.
  void close() { connection_->close(); }
  Connection &connection() { return *connection_; }

 private:
  bool read_more(Millis timeout);
  void split();

  std::unique_ptr<Connection> connection_;  // its address is kept by reader_
  ResponseReader reader_;
  ResponseHead head_;
  std::string body_;
  size_t parsed_ = 0;  // of body_
  size_t comments_count_ = 0;
  std::deque<Event> frames_;
};

}  // namespace holdfast::test
