#include "tests/demo/exchanges.h"

#include <utility>

namespace holdfast::demo {

ExchangeId Exchanges::open_legacy(std::string session) {
  Exchange &exchange = exchanges_[++last_id_];
  exchange.way = Way::legacy;
  exchange.plan.session = std::move(session);
  return last_id_;
}

ExchangeId Exchanges::open_sse(evhttp_request *req, AnswerPlan plan) {
  Exchange &exchange = exchanges_[++last_id_];
  exchange.plan = std::move(plan);
  start_stream(exchange, req);
  return last_id_;
}

ExchangeId Exchanges::open_json(evhttp_request *req, AnswerPlan plan) {
  Exchange &exchange = exchanges_[++last_id_];
  exchange.plan = std::move(plan);
  exchange.req = req;
  exchange.answers.reset(json_array());
  return last_id_;
}

bool Exchanges::say(ExchangeId id, const json_t *message) {
  const auto found = exchanges_.find(id);
  if (found == exchanges_.end()) return false;
  Exchange &exchange = found->second;
  if (exchange.way == Way::json) {
    if (!exchange.plan.modern) return false;
    start_stream(exchange, std::exchange(exchange.req, nullptr));
  }
  return write(exchange, message);
}

void Exchanges::answer(ExchangeId id, JsonPtr response) { settle(id, std::move(response)); }

void Exchanges::forgo(ExchangeId id) { settle(id, nullptr); }

void Exchanges::on_stream_closed(const StreamInfo &info) {
  // Only in the sessionless era does leaving mean cancelling; elsewhere the work goes on unheard.
  std::erase_if(exchanges_, [&](const auto &entry) {
    return entry.second.way == Way::sse && entry.second.plan.modern &&
           entry.second.stream == info.id;
  });
}

void Exchanges::start_stream(Exchange &exchange, evhttp_request *req) {
  exchange.way = Way::sse;
  exchange.stream = streams_.open(req, StreamKind::post, exchange.plan.session);
  if (exchange.plan.modern) return;
  streams_.send(exchange.stream, priming_event("post-" + std::to_string(exchange.stream) + "-0"));
}

bool Exchanges::write(Exchange &exchange, const json_t *message) {
  if (exchange.way == Way::legacy) {
    const Session *session = sessions_.find(exchange.plan.session);
    return session != nullptr && streams_.send(session->stream, message_event({}, message));
  }
  std::string event_id;
  if (!exchange.plan.modern) {
    event_id =
        "post-" + std::to_string(exchange.stream) + "-" + std::to_string(++exchange.events_count);
  }
  return streams_.send(exchange.stream, message_event(event_id, message));
}

void Exchanges::settle(ExchangeId id, JsonPtr response) {
  const auto found = exchanges_.find(id);
  if (found == exchanges_.end()) return;
  Exchange &exchange = found->second;
  if (response) {
    if (exchange.way == Way::json) {
      json_array_append_new(exchange.answers.get(), response.release());
    } else {
      (void)write(exchange, response.get());  // ignoring: a client that left hears nothing
    }
  }
  if (--exchange.plan.answers_count > 0) return;
  const auto node = exchanges_.extract(found);
  const Exchange &done = node.mapped();
  if (done.way == Way::sse) streams_.end(done.stream);
  if (done.way != Way::json) return;
  if (json_array_size(done.answers.get()) == 0) {
    send_empty(done.req, 202);
  } else {
    send_json(done.req, 200,
              done.plan.batch ? done.answers.get() : json_array_get(done.answers.get(), 0));
  }
}

}  // namespace holdfast::demo
