// Every event stream the demo backend holds open. Owned by Demo; the requests underneath are
// evhttp's. One door in (open), three ways out: end (last chunk), cut (the connection is closed
// without one), or the client leaves; on_closed hears each exactly once. Loop thread only.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "common/clock.h"
#include "tests/demo/http_io.h"

namespace holdfast::demo {

using StreamId = uint64_t;  // never reused; 0 is "none"

enum class StreamKind { get, post, legacy, listen };
const char *word_of(StreamKind kind);

// What is known about an open stream.
struct StreamInfo {
  StreamId id = 0;
  StreamKind kind = StreamKind::get;
  std::string session;        // empty in the sessionless era
  uint64_t events_count = 0;  // comments do not count
};

class EventStreams {
 public:
  using OnClosed = std::function<void(const StreamInfo &)>;

  // keepalive 0: no comments. `base` is borrowed and must outlive *this.
  EventStreams(event_base *base, Millis keepalive);
  EventStreams(const EventStreams &) = delete;
  EventStreams &operator=(const EventStreams &) = delete;

  void set_on_closed(OnClosed on_closed) { on_closed_ = std::move(on_closed); }

  // Answers `req` with 200 and the head of an event stream at once; headers added before go with
  // it.
  StreamId open(evhttp_request *req, StreamKind kind, std::string session);

  // Writes one event (complete, with its blank line). False when the stream is not open any more.
  bool send(StreamId id, std::string_view event);

  void end(StreamId id);
  void cut(StreamId id);

  bool is_open(StreamId id) const { return streams_.contains(id); }
  std::vector<StreamInfo> list() const;

 private:
  struct Stream {
    EventStreams *owner = nullptr;
    StreamInfo info;
    evhttp_request *req = nullptr;
  };

  static void on_client_left_c(evhttp_connection *, void *self) noexcept {
    auto *stream = static_cast<Stream *>(self);
    stream->owner->on_client_left(stream->info.id);
  }
  static void on_keepalive_c(evutil_socket_t, short, void *self) noexcept {
    static_cast<EventStreams *>(self)->on_keepalive();
  }
  void on_client_left(StreamId id);
  void on_keepalive();
  void write(const Stream &stream, std::string_view bytes);
  Stream take(StreamId id);  // REQUIRES: is_open(id)

  StreamId last_id_ = 0;
  std::map<StreamId, std::unique_ptr<Stream>> streams_;
  OnClosed on_closed_;
  EventPtr keepalive_;
};

}  // namespace holdfast::demo
