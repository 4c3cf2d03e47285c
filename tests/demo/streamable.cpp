#include "tests/demo/streamable.h"

#include <utility>
#include <vector>

namespace holdfast::demo {
namespace {

constexpr const char *kSessionHeader = "Mcp-Session-Id";

bool accepts(evhttp_request *req, std::string_view type) {
  const auto accept = header(req, "Accept");
  return accept &&
         (accept->find(type) != std::string::npos || accept->find("*/*") != std::string::npos);
}

std::vector<const json_t *> messages_of(const json_t *body) {
  if (!json_is_array(body)) return {body};
  std::vector<const json_t *> messages;
  for (size_t i = 0; i < json_array_size(body); ++i) messages.push_back(json_array_get(body, i));
  return messages;
}

}  // namespace

void Streamable::on_post(evhttp_request *req, const json_t *message) {
  if (!accepts(req, "application/json") || !accepts(req, "text/event-stream")) {
    return send_rpc_error(
        req, 406, kErrorServer,
        "Not Acceptable: Client must accept both application/json and text/event-stream");
  }
  if (text_member(message, "method") == "initialize") return initialize(req, message);
  if (!options_.sessions) return take_messages(req, {}, message);
  const Session *session = require_session(req);
  if (session != nullptr) take_messages(req, session->id, message);
}

void Streamable::initialize(evhttp_request *req, const json_t *message) {
  const json_t *id = json_object_get(message, "id");
  if (options_.refuse_initialize != 0) {
    return send_rpc_error(req, options_.refuse_initialize, kErrorServer, "initialize refused", id);
  }
  std::string session;
  if (options_.sessions) {
    Session &opened = sessions_.create(false);
    opened.last_use = SystemClock().now();
    session = opened.id;
    add_header(req, kSessionHeader, session);
  }
  take_messages(req, session, message);
}

void Streamable::take_messages(evhttp_request *req, const std::string &session,
                               const json_t *body) {
  const std::vector<const json_t *> messages = messages_of(body);
  AnswerPlan plan;
  plan.session = session;
  plan.batch = json_is_array(body);
  plan.answers_count = 0;
  for (const json_t *message : messages) {
    if (is_request(message)) {
      ++plan.answers_count;
    } else {
      rpc_.on_other(session, message);
    }
  }
  if (plan.answers_count == 0) return send_empty(req, 202);
  const ExchangeId exchange = open_exchange(req, std::move(plan));
  for (const json_t *message : messages) {
    if (!is_request(message)) continue;
    rpc_.on_request(text_member(message, "method"),
                    Call{exchange, false, session, share(json_object_get(message, "id")),
                         share(json_object_get(message, "params"))});
  }
}

ExchangeId Streamable::open_exchange(evhttp_request *req, AnswerPlan plan) {
  return options_.answer_sse ? exchanges_.open_sse(req, std::move(plan))
                             : exchanges_.open_json(req, std::move(plan));
}

Session *Streamable::require_session(evhttp_request *req) {
  const auto id = header(req, kSessionHeader);
  if (!id) {
    send_rpc_error(req, 400, kErrorServer, "Bad Request: Mcp-Session-Id header is required");
    return nullptr;
  }
  Session *session = sessions_.find(*id);
  const MonoTime now = SystemClock().now();
  if (session != nullptr && options_.forget_idle.count() > 0 &&
      now - session->last_use > options_.forget_idle) {
    sessions_.end(*id, "forgotten");
    session = nullptr;
  }
  if (session != nullptr && evhttp_request_get_command(req) == EVHTTP_REQ_POST)
    session->last_use = now;
  if (session == nullptr || session->legacy) {
    if (options_.unknown_session == 400) {  // as server-everything does, without any id
      send_json(
          req, 400,
          JsonPtr(json_pack("{s:s, s:{s:i, s:s}}", "jsonrpc", "2.0", "error", "code", kErrorServer,
                            "message", "Bad Request: No valid session ID provided"))
              .get());
      return nullptr;
    }
    send_rpc_error(req, 404, kErrorSession, "Session not found");
    return nullptr;
  }
  return session;
}

void Streamable::on_get(evhttp_request *req) {
  if (!options_.sessions) return send_not_allowed(req, "POST");
  if (!accepts(req, "text/event-stream")) {
    return send_rpc_error(req, 406, kErrorServer,
                          "Not Acceptable: Client must accept text/event-stream");
  }
  Session *session = require_session(req);
  if (session == nullptr) return;
  if (streams_.is_open(session->stream)) {
    return send_rpc_error(req, 409, kErrorServer,
                          "Conflict: Only one SSE stream is allowed per session");
  }
  const auto last_event_id = header(req, "Last-Event-ID");
  add_header(req, kSessionHeader, session->id);
  session->stream = streams_.open(req, StreamKind::get, session->id);
  if (!last_event_id) return;
  for (const std::string &event : session->after(*last_event_id)) {
    streams_.send(session->stream, event);
  }
}

void Streamable::on_delete(evhttp_request *req) {
  if (!options_.sessions) return send_not_allowed(req, "POST");
  Session *session = require_session(req);
  if (session == nullptr) return;
  end_session(*session, "delete");
  send_empty(req, 200);
}

void Streamable::end_session(Session &session, const char *how) {
  const StreamId stream = session.stream;
  sessions_.end(std::string(session.id), how);
  streams_.end(stream);
}

}  // namespace holdfast::demo
