// Where the messages about a client's request go until it is answered: down the legacy stream, down
// the POST's own event stream, or into one JSON body. Tools keep an ExchangeId across time and need
// not know which; messages for an exchange that is over are dropped. Owned by Demo. Loop thread
// only.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "tests/demo/event_streams.h"
#include "tests/demo/sessions.h"

namespace holdfast::demo {

using ExchangeId = uint64_t;  // never reused

// How one POST wants to be answered.
struct AnswerPlan {
  std::string session;       // empty when there is none
  size_t answers_count = 1;  // requests in the body
  bool batch = false;        // JSON answers go into an array
  bool modern = false;       // no event ids; a client that leaves has cancelled
};

class Exchanges {
 public:
  Exchanges(EventStreams &streams, Sessions &sessions) : streams_(streams), sessions_(sessions) {}

  // The POST itself has had its 202; everything goes down the session's stream.
  ExchangeId open_legacy(std::string session);
  // Answers `req` with an event stream now.
  ExchangeId open_sse(evhttp_request *req, AnswerPlan plan);
  // Answers `req` with one JSON body when every answer is there; a modern one becomes an event
  // stream with the first message that precedes its answer.
  ExchangeId open_json(evhttp_request *req, AnswerPlan plan);

  // A notification or request to the client ahead of the answer. False when nothing can carry it.
  bool say(ExchangeId id, const json_t *message);
  // The answer to one of its requests; the last one ends the exchange.
  void answer(ExchangeId id, JsonPtr response);
  // As answer, but nothing is said: the request was cancelled.
  void forgo(ExchangeId id);

  bool is_open(ExchangeId id) const { return exchanges_.contains(id); }
  size_t count() const { return exchanges_.size(); }
  void on_stream_closed(const StreamInfo &info);

 private:
  enum class Way { legacy, sse, json };
  struct Exchange {
    Way way = Way::json;
    AnswerPlan plan;
    StreamId stream = 0;            // way sse
    evhttp_request *req = nullptr;  // way json: evhttp's, until answered
    JsonPtr answers;                // way json: an array
    uint64_t events_count = 0;
  };

  void start_stream(Exchange &exchange, evhttp_request *req);
  bool write(Exchange &exchange, const json_t *message);
  void settle(ExchangeId id, JsonPtr response);

  EventStreams &streams_;
  Sessions &sessions_;
  ExchangeId last_id_ = 0;
  std::map<ExchangeId, Exchange> exchanges_;
};

}  // namespace holdfast::demo
