// The tests' own door, /_demo/: look at what the backend holds and has seen, and make it do what a
// failing server does. Not part of MCP. Owned by Demo. Loop thread only.
//
//   GET  /_demo/state          {"sessions": […], "ended": […], "streams": […], "exchanges": n,
//                               "requests": {kind: n}, "last": {kind: {…}}, "counter": n}
//   POST /_demo/emit           {"message": {…} | "raw": "bytes", "session"?: id, "stream"?: n}:
//                              down that session's stream or that stream, else down every get,
//                              legacy and listen stream; answers {"sent": n}
//   POST /_demo/forget         every session is unknown from now on; streams stay
//   POST /_demo/close-streams  {"how": "end" | "cut", "stream"?: n}: with or without the last chunk
#pragma once

#include "tests/demo/journal.h"
#include "tests/demo/notices.h"

#include "tests/demo/exchanges.h"

namespace holdfast::demo {

class Control {
 public:
  Control(const Journal &journal, Sessions &sessions, EventStreams &streams, Exchanges &exchanges,
          Notices &notices)
      : journal_(journal),
        sessions_(sessions),
        streams_(streams),
        exchanges_(exchanges),
        notices_(notices) {}

  void on_request(evhttp_request *req, const Target &target);

 private:
  void state(evhttp_request *req);
  void emit(evhttp_request *req, const json_t *order);
  bool emit_to(const StreamInfo &stream, const json_t *order);
  void close_streams(evhttp_request *req, const json_t *order);

  const Journal &journal_;
  Sessions &sessions_;
  EventStreams &streams_;
  Exchanges &exchanges_;
  Notices &notices_;
};

}  // namespace holdfast::demo
