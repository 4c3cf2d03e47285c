// HTTP+SSE, 2024-11-05: the GET stream is the session, its first event says where to POST, and
// every answer comes down the stream. Owned by Demo. Loop thread only.
#pragma once

#include <cstdint>

#include "tests/demo/options.h"
#include "tests/demo/rpc.h"

namespace holdfast::demo {

class Legacy {
 public:
  Legacy(const Options &options, Sessions &sessions, EventStreams &streams, Exchanges &exchanges,
         Rpc &rpc)
      : options_(options),
        sessions_(sessions),
        streams_(streams),
        exchanges_(exchanges),
        rpc_(rpc) {}

  // Where we listen, for the absolute form of the endpoint; known once bound.
  void set_authority(std::string authority) { authority_ = std::move(authority); }

  // Opens a session. `prefix` is the path before "/sse".
  void on_get(evhttp_request *req, const Target &target);
  // `message` is the parsed body.
  void on_post(evhttp_request *req, const Target &target, const json_t *message);

 private:
  std::string endpoint_event(evhttp_request *req, const std::string &prefix,
                             const std::string &session) const;

  const Options &options_;
  Sessions &sessions_;
  EventStreams &streams_;
  Exchanges &exchanges_;
  Rpc &rpc_;
  std::string authority_;
};

}  // namespace holdfast::demo
