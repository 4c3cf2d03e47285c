// Messages nobody asked for: resource updates and requests to the client outside an answer. Knows
// the sessionless era's listen streams and the one resource there is. Owned by Demo. Loop thread
// only; never blocks.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "tests/demo/sessions.h"

namespace holdfast::demo {

inline constexpr std::string_view kCounterUri = "demo://counter";

class Notices {
 public:
  Notices(EventStreams &streams, Sessions &sessions) : streams_(streams), sessions_(sessions) {}

  // Down the session's own stream, kept for Last-Event-ID. False when no stream is open.
  bool to_session(Session &session, const json_t *message);
  // Down a listen stream, tagged with its subscription id.
  bool to_listener(StreamId stream, const json_t *message);

  // `params` of subscriptions/listen; acknowledges on `stream`. `id` names the subscription.
  void add_listener(StreamId stream, const json_t *id, const json_t *params);
  void on_stream_closed(const StreamInfo &info);

  int64_t counter() const { return counter_; }
  // Adds one and tells every subscriber; returns the new value.
  int64_t bump();

 private:
  struct Listener {
    JsonPtr id;
    JsonPtr filter;  // the `notifications` it asked for
  };
  static bool wants_counter(const Listener &listener);

  EventStreams &streams_;
  Sessions &sessions_;
  std::map<StreamId, Listener> listeners_;
  int64_t counter_ = 0;
};

}  // namespace holdfast::demo
