#include "tests/demo/control.h"

#include <utility>

namespace holdfast::demo {
namespace {

JsonPtr sessions_json(const Sessions &sessions) {
  JsonPtr list(json_array());
  for (const auto &[id, session] : sessions.live()) {
    JsonPtr subscriptions(json_array());
    for (const std::string &uri : session.subscriptions) {
      json_array_append_new(subscriptions.get(), text_json(uri).release());
    }
    json_array_append_new(list.get(), json_pack("{s:s, s:s, s:o, s:o, s:I}", "id", id.c_str(),
                                                "transport", session.legacy ? "sse" : "streamable",
                                                "subscriptions", subscriptions.release(),
                                                "log_level", text_json(session.log_level).release(),
                                                "pings", static_cast<json_int_t>(session.pings)));
  }
  return list;
}

JsonPtr ended_json(const Sessions &sessions) {
  JsonPtr list(json_array());
  for (const EndedSession &ended : sessions.ended()) {
    json_array_append_new(list.get(),
                          json_pack("{s:s, s:s}", "id", ended.id.c_str(), "how", ended.how));
  }
  return list;
}

JsonPtr streams_json(const EventStreams &streams) {
  JsonPtr list(json_array());
  for (const StreamInfo &info : streams.list()) {
    json_array_append_new(
        list.get(), json_pack("{s:I, s:s, s:s, s:I}", "id", static_cast<json_int_t>(info.id),
                              "kind", word_of(info.kind), "session", info.session.c_str(), "events",
                              static_cast<json_int_t>(info.events_count)));
  }
  return list;
}

bool names_stream(const json_t *order, const StreamInfo &info) {
  const json_t *stream = json_object_get(order, "stream");
  if (json_is_integer(stream)) {
    return static_cast<StreamId>(json_integer_value(stream)) == info.id;
  }
  const std::string_view session = text_member(order, "session");
  if (!session.empty()) return session == info.session && info.kind != StreamKind::post;
  return info.kind != StreamKind::post;
}

}  // namespace

void Control::on_request(evhttp_request *req, const Target &target) {
  if (target.rest == "state") return state(req);
  if (evhttp_request_get_command(req) != EVHTTP_REQ_POST) return send_not_allowed(req, "POST");
  JsonPtr order = parse_json(body_of(req));
  if (!order) order.reset(json_object());
  if (target.rest == "emit") return emit(req, order.get());
  if (target.rest == "close-streams") return close_streams(req, order.get());
  if (target.rest == "forget") {
    sessions_.forget_all();
    return send_json(req, 200, JsonPtr(json_object()).get());
  }
  send_text(req, 404, "unknown order\n");
}

void Control::state(evhttp_request *req) {
  const JsonPtr state(json_pack(
      "{s:o, s:o, s:o, s:I, s:o, s:o, s:I}", "sessions", sessions_json(sessions_).release(),
      "ended", ended_json(sessions_).release(), "streams", streams_json(streams_).release(),
      "exchanges", static_cast<json_int_t>(exchanges_.count()), "requests",
      journal_.counts().release(), "last", journal_.last().release(), "counter",
      static_cast<json_int_t>(notices_.counter())));
  send_json(req, 200, state.get());
}

void Control::emit(evhttp_request *req, const json_t *order) {
  json_int_t sent = 0;
  for (const StreamInfo &info : streams_.list()) {
    if (names_stream(order, info) && emit_to(info, order)) ++sent;
  }
  send_json(req, 200, JsonPtr(json_pack("{s:I}", "sent", sent)).get());
}

bool Control::emit_to(const StreamInfo &info, const json_t *order) {
  const json_t *message = json_object_get(order, "message");
  if (message == nullptr) return streams_.send(info.id, text_member(order, "raw"));
  if (info.kind == StreamKind::listen) return notices_.to_listener(info.id, message);
  Session *session = sessions_.find(info.session);
  if (session != nullptr && session->stream == info.id) {
    return notices_.to_session(*session, message);
  }
  return streams_.send(info.id, message_event({}, message));
}

void Control::close_streams(evhttp_request *req, const json_t *order) {
  const bool cut = text_member(order, "how") == "cut";
  const bool all = json_object_get(order, "stream") == nullptr;
  json_int_t closed = 0;
  for (const StreamInfo &info : streams_.list()) {
    if (!all && !names_stream(order, info)) continue;
    ++closed;
    if (cut) {
      streams_.cut(info.id);
    } else {
      streams_.end(info.id);
    }
  }
  send_json(req, 200, JsonPtr(json_pack("{s:I}", "closed", closed)).get());
}

}  // namespace holdfast::demo
