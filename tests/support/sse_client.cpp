#include "tests/support/sse_client.h"

#include <utility>

#include "tests/support/hf_test.h"

namespace holdfast::test {
namespace {

// One frame without its blank line; line ends LF or CRLF.
Event parse_frame(std::string_view text) {
  Event event;
  event.comment = true;
  bool first_data = true;
  while (!text.empty()) {
    const size_t eol = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, eol);
    text.remove_prefix(std::min(eol + 1, text.size()));
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (line.empty() || line.starts_with(':')) continue;
    event.comment = false;
    const size_t colon = std::min(line.find(':'), line.size());
    const std::string_view name = line.substr(0, colon);
    std::string_view value = line.substr(std::min(colon + 1, line.size()));
    if (value.starts_with(' ')) value.remove_prefix(1);
    if (name == "event") event.name = value;
    if (name == "id") event.id = value;
    if (name == "data") {
      if (!std::exchange(first_data, false)) event.data += '\n';
      event.data += value;
    }
  }
  return event;
}

// Length of the first complete frame with its blank line; 0 when there is none.
size_t frame_bytes(std::string_view text) {
  const size_t lf = text.find("\n\n");
  const size_t crlf = text.find("\n\r\n");
  if (lf == std::string_view::npos && crlf == std::string_view::npos) return 0;
  return lf < crlf ? lf + 2 : crlf + 3;
}

}  // namespace

SseClient::SseClient(uint16_t port, const Request &request, Millis timeout)
    : SseClient(Connection::tcp(port), request, timeout) {}

SseClient::SseClient(Connection connection, const Request &request, Millis timeout)
    : connection_(std::make_unique<Connection>(std::move(connection))), reader_(*connection_) {
  connection_->send(to_text(request), timeout);
  auto head = reader_.read_head(timeout);
  if (!head) HF_FAIL("the connection ended without an answer to " + request.method);
  head_ = *std::move(head);
}

bool SseClient::streaming() const {
  return head_.status == 200 &&
         head_.header("Content-Type").value_or("").starts_with("text/event-stream");
}

Event SseClient::next_frame(Millis timeout) {
  const Deadline deadline(timeout);
  while (frames_.empty()) {
    if (!read_more(deadline.left())) {
      HF_FAIL("the stream ended; it had sent: \"" + body_.substr(0, 1000) + "\"");
    }
  }
  Event event = std::move(frames_.front());
  frames_.pop_front();
  return event;
}

Event SseClient::next(Millis timeout) {
  const Deadline deadline(timeout);
  for (;;) {
    Event event = next_frame(deadline.left());
    if (!event.comment) return event;
  }
}

std::optional<Event> SseClient::poll(Millis timeout) {
  const Deadline deadline(timeout);
  for (;;) {
    while (!frames_.empty()) {
      Event event = std::move(frames_.front());
      frames_.pop_front();
      if (!event.comment) return event;
    }
    if (reader_.end() != BodyEnd::open || !connection_->readable(deadline.left())) {
      return std::nullopt;
    }
    (void)read_more(deadline.left() + Millis{100});  // ignoring: what came is in frames_
  }
}

BodyEnd SseClient::wait_end(Millis timeout) {
  const Deadline deadline(timeout);
  while (read_more(deadline.left())) {
  }
  return reader_.end();
}

bool SseClient::read_more(Millis timeout) {
  const bool more = reader_.read_some(body_, timeout);
  split();
  return more;
}

void SseClient::split() {
  for (;;) {
    const std::string_view rest = std::string_view(body_).substr(parsed_);
    const size_t bytes = frame_bytes(rest);
    if (bytes == 0) return;
    parsed_ += bytes;
    Event event = parse_frame(rest.substr(0, bytes));
    event.raw = rest.substr(0, bytes);
    if (event.comment) ++comments_count_;
    frames_.push_back(std::move(event));
  }
}

}  // namespace holdfast::test
