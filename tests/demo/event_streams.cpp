#include "tests/demo/event_streams.h"

#include <event2/buffer.h>

#include <utility>

namespace holdfast::demo {

const char *word_of(StreamKind kind) {
  switch (kind) {
    case StreamKind::get:
      return "get";
    case StreamKind::post:
      return "post";
    case StreamKind::legacy:
      return "legacy";
    case StreamKind::listen:
      return "listen";
  }
  return "unknown";
}

EventStreams::EventStreams(event_base *base, Millis keepalive) {
  if (keepalive.count() == 0) return;
  keepalive_.reset(event_new(base, -1, EV_PERSIST, on_keepalive_c, this));
  const auto ms = keepalive.count();
  const timeval tv{static_cast<time_t>(ms / 1000), static_cast<suseconds_t>(ms % 1000 * 1000)};
  event_add(keepalive_.get(), &tv);
}

StreamId EventStreams::open(evhttp_request *req, StreamKind kind, std::string session) {
  auto stream = std::make_unique<Stream>();
  stream->owner = this;
  stream->info = {++last_id_, kind, std::move(session), 0};
  stream->req = req;
  add_header(req, "Content-Type", "text/event-stream");
  add_header(req, "Cache-Control", "no-cache, no-transform");
  add_header(req, "X-Accel-Buffering", "no");
  evhttp_connection_set_closecb(evhttp_request_get_connection(req), on_client_left_c, stream.get());
  evhttp_send_reply_start(req, 200, nullptr);
  const StreamId id = stream->info.id;
  streams_.emplace(id, std::move(stream));
  return id;
}

bool EventStreams::send(StreamId id, std::string_view event) {
  const auto found = streams_.find(id);
  if (found == streams_.end()) return false;
  ++found->second->info.events_count;
  write(*found->second, event);
  return true;
}

void EventStreams::end(StreamId id) {
  if (!is_open(id)) return;
  const Stream stream = take(id);
  evhttp_send_reply_end(stream.req);
  if (on_closed_) on_closed_(stream.info);
}

void EventStreams::cut(StreamId id) {
  if (!is_open(id)) return;
  const Stream stream = take(id);
  evhttp_connection_free(evhttp_request_get_connection(stream.req));  // frees the request as well
  if (on_closed_) on_closed_(stream.info);
}

std::vector<StreamInfo> EventStreams::list() const {
  std::vector<StreamInfo> all;
  for (const auto &[id, stream] : streams_) all.push_back(stream->info);
  return all;
}

void EventStreams::on_client_left(StreamId id) {
  const auto node = streams_.extract(id);
  const Stream &stream = *node.mapped();
  // A connection that failed while we were writing no longer owns the request: nobody else would
  // free it.
  if (evhttp_request_get_connection(stream.req) == nullptr) evhttp_request_free(stream.req);
  if (on_closed_) on_closed_(stream.info);
}

void EventStreams::on_keepalive() {
  for (const auto &[id, stream] : streams_) write(*stream, ": keepalive\n\n");
}

void EventStreams::write(const Stream &stream, std::string_view bytes) {
  const EvbufferPtr chunk(evbuffer_new());
  evbuffer_add(chunk.get(), bytes.data(), bytes.size());
  evhttp_send_reply_chunk(stream.req, chunk.get());
}

EventStreams::Stream EventStreams::take(StreamId id) {
  const auto node = streams_.extract(id);
  evhttp_connection_set_closecb(evhttp_request_get_connection(node.mapped()->req), nullptr,
                                nullptr);
  return *node.mapped();
}

}  // namespace holdfast::demo
