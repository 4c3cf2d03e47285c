// Streamable HTTP, 2025-03-26 to 2025-11-25: one endpoint, a session id from initialize on, POST
// answers as event streams or JSON, one GET stream a session. Owned by Demo. Loop thread only.
#pragma once

#include "tests/demo/journal.h"
#include "tests/demo/options.h"
#include "tests/demo/rpc.h"

namespace holdfast::demo {

class Streamable {
 public:
  Streamable(const Options &options, Sessions &sessions, EventStreams &streams,
             Exchanges &exchanges, Rpc &rpc)
      : options_(options),
        sessions_(sessions),
        streams_(streams),
        exchanges_(exchanges),
        rpc_(rpc) {}

  // `message` is the parsed body, one message or a batch. Answers `req` now or later.
  void on_post(evhttp_request *req, const json_t *message);
  void on_get(evhttp_request *req);
  void on_delete(evhttp_request *req);

  // Ends the session and its stream; `how` as in EndedSession.
  void end_session(Session &session, const char *how);

 private:
  void initialize(evhttp_request *req, const json_t *message);
  void take_messages(evhttp_request *req, const std::string &session, const json_t *message);
  ExchangeId open_exchange(evhttp_request *req, AnswerPlan plan);
  // The session named by the request; nullptr when the request has been answered with the error.
  Session *require_session(evhttp_request *req);

  const Options &options_;
  Sessions &sessions_;
  EventStreams &streams_;
  Exchanges &exchanges_;
  Rpc &rpc_;
};

}  // namespace holdfast::demo
