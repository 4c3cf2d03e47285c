#include "tests/demo/notices.h"

namespace holdfast::demo {
namespace {

JsonPtr updated_message() {
  return rpc_notification("notifications/resources/updated",
                          JsonPtr(json_pack("{s:o}", "uri", text_json(kCounterUri).release())));
}

}  // namespace

bool Notices::to_session(Session &session, const json_t *message) {
  // The legacy transport has no event ids, hence nothing to resume from.
  const std::string event = session.legacy ? message_event({}, message) : session.record(message);
  return streams_.send(session.stream, event);
}

bool Notices::to_listener(StreamId stream, const json_t *message) {
  const auto found = listeners_.find(stream);
  if (found == listeners_.end()) return false;
  const JsonPtr tagged(json_deep_copy(message));
  json_t *params = json_object_get(tagged.get(), "params");
  if (params == nullptr) {
    params = json_object();
    json_object_set_new(tagged.get(), "params", params);
  }
  json_t *meta = json_object_get(params, "_meta");
  if (meta == nullptr) {
    meta = json_object();
    json_object_set_new(params, "_meta", meta);
  }
  json_object_set_new(meta, kMetaSubscription, share(found->second.id.get()).release());
  return streams_.send(stream, message_event({}, tagged.get()));
}

void Notices::add_listener(StreamId stream, const json_t *id, const json_t *params) {
  const json_t *filter = json_object_get(params, "notifications");
  JsonPtr honoured = filter != nullptr ? share(filter) : JsonPtr(json_object());
  listeners_[stream] = Listener{share(id), share(honoured.get())};
  const JsonPtr acknowledged =
      rpc_notification("notifications/subscriptions/acknowledged",
                       JsonPtr(json_pack("{s:o}", "notifications", honoured.release())));
  (void)to_listener(stream, acknowledged.get());  // ignoring: the client may have left already
}

void Notices::on_stream_closed(const StreamInfo &info) { listeners_.erase(info.id); }

bool Notices::wants_counter(const Listener &listener) {
  const json_t *uris = json_object_get(listener.filter.get(), "resourceSubscriptions");
  size_t index = 0;
  const json_t *uri = nullptr;
  json_array_foreach(uris, index, uri) {
    if (json_is_string(uri) && json_string_value(uri) == kCounterUri) return true;
  }
  return false;
}

int64_t Notices::bump() {
  ++counter_;
  const JsonPtr message = updated_message();
  for (auto &[id, session] : sessions_.live()) {
    if (session.subscriptions.contains(std::string(kCounterUri))) {
      (void)to_session(session, message.get());  // ignoring: kept for the next stream
    }
  }
  for (const auto &[stream, listener] : listeners_) {
    if (wants_counter(listener)) (void)to_listener(stream, message.get());  // ignoring: as above
  }
  return counter_;
}

}  // namespace holdfast::demo
