#include "tests/demo/legacy.h"

#include <utility>

namespace holdfast::demo {

void Legacy::on_get(evhttp_request *req, const Target &target) {
  if (options_.refuse_initialize != 0) {
    return send_text(req, options_.refuse_initialize, "refused\n");
  }
  Session &session = sessions_.create(true);
  const std::string event = endpoint_event(req, target.prefix, session.id);
  session.stream = streams_.open(req, StreamKind::legacy, session.id);
  streams_.send(session.stream, event);
}

std::string Legacy::endpoint_event(evhttp_request *req, const std::string &prefix,
                                   const std::string &session) const {
  const std::string path = prefix + "/message";
  const std::string relative = path + "?sessionId=" + session;
  const auto lines = [](const std::string &uri, const char *eol) {
    return std::string("event: endpoint") + eol + "data: " + uri + eol + eol;
  };
  switch (options_.endpoint) {
    case EndpointForm::relative:
      return lines(relative, "\n");
    case EndpointForm::bare:
      return lines("message?sessionId=" + session, "\n");
    case EndpointForm::absolute:
      return lines("http://" + authority_ + relative, "\n");
    case EndpointForm::host:
      return lines("http://" + header(req, "Host").value_or(authority_) + relative, "\n");
    case EndpointForm::session_id:
      return lines(path + "?session_id=" + session, "\n");
    case EndpointForm::path:
      return lines(path + "/" + session, "\n");
    case EndpointForm::crlf:
      return lines(relative, "\r\n");
    case EndpointForm::foreign:
      return lines("http://elsewhere.example" + relative, "\n");
  }
  return {};
}

void Legacy::on_post(evhttp_request *req, const Target &target, const json_t *message) {
  std::string id = query_value(target.query, "sessionId");
  if (id.empty()) id = query_value(target.query, "session_id");
  if (id.empty()) id = target.rest;
  const Session *session = sessions_.find(id);
  if (session == nullptr || !session->legacy) return send_text(req, 404, "Session not found\n");
  send_text(req, 202, "Accepted");
  if (!is_request(message)) return rpc_.on_other(id, message);
  const ExchangeId exchange = exchanges_.open_legacy(id);
  rpc_.on_request(text_member(message, "method"),
                  Call{exchange, false, id, share(json_object_get(message, "id")),
                       share(json_object_get(message, "params"))});
}

}  // namespace holdfast::demo
