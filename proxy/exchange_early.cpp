// A slow answer is not a dead one (SPEC, early_stream): a call whose backend has been silent for
// long is answered with an event stream, which heartbeats keep alive. What the backend then says
// travels in it: its JSON as one event, its own events as they are, its failure as a JSON-RPC
// error.
#include <utility>

#include "proxy/client_conn.h"
#include "proxy/exchange.h"
#include "proxy/http/head_parser.h"
#include "proxy/mcp/era.h"
#include "proxy/own_answers.h"
#include "proxy/worker.h"

namespace holdfast::proxy {
namespace {

constexpr std::string_view kOwnHead =
    "HTTP/1.1 200 OK\r\n"
    "Content-Type: text/event-stream\r\n"
    "Cache-Control: no-cache\r\n\r\n";

bool is_identity(const http::ResponseHead &head) {
  const std::string_view coding = head.fields.value(http::FieldId::content_encoding);
  return coding.empty() || coding == "identity";
}

}  // namespace

// Only a single request of which client and backend both know how to hear in a stream: what opens
// something needs its answer's head, and a batch has no one id for an error.
bool Exchange::may_stream_early() const noexcept {
  return settings_->early_stream > Millis{0} && is_call_ && json_body_ && accepts_stream_ &&
         !http10_ && (kind_ == Kind::session || kind_ == Kind::plain);
}

void Exchange::start_early_stream() {
  request_->early_due = MonoTime::max();
  if (client_ == nullptr || response_started_ || !backend_) return;
  if (!request_complete_ || request_id_.empty()) {  // it is the client that is slow
    request_->early_due = worker_.now() + settings_->early_stream;
    return;
  }
  early_ = std::make_unique<ExchangeEarly>();
  worker_.counters().add(Counter::early_streams);
  scan_events_ = kind_ == Kind::session;
  if (in_session_) open_stream(StreamKind::post);
  begin_own_stream();
  send_opening();
}

// The head of an event stream that no backend has begun.
void Exchange::begin_own_stream() {
  event_stream_ = true;
  watch_stream();
  status_ = 200;
  worker_.counters().add(Counter::responses_2xx);
  http::ResponseParser parser;
  http::ResponseHead &head = worker_.scratch().response;
  (void)parser.parse(kOwnHead, method_, head);  // ignoring: a constant
  send_client_head(head);
  begin_stream_limits();
}

// The backend's head, once the client has had ours.
void Exchange::on_early_head(const http::ResponseHead &head) {
  early_->headed = true;
  if (in_session_) session_answered(head);
  if (client_ == nullptr) return;  // drained
  const std::string_view type = head.fields.value(http::FieldId::content_type);
  const bool ok = head.status >= 200 && head.status < 300 && is_identity(head);
  if (ok && mcp::content_type_is(type, "text/event-stream")) {
    request_->head_due = MonoTime::max();
    return;
  }
  if (ok && mcp::content_type_is(type, "application/json")) {
    early_->json = true;
    watch_backend();
    return;
  }
  if (head.status == 404 && kind_ == Kind::session) {
    request_->refusal_reason = public_word(EndReason::backend_ended);
    fail_early(kRpcSessionNotFound, "Session not found");
  } else {
    fail_early(kRpcServerError, "Bad Gateway: the backend answered " + std::to_string(head.status) +
                                    (ok ? " with neither JSON nor an event stream" : ""));
  }
}

void Exchange::add_early_json(std::string_view data) {
  if (client_ == nullptr) return;
  if (!std::exchange(early_->in_event, true)) add_client_data(mcp::MessageEvent::kBegin);
  while (!data.empty()) {
    const std::string_view piece = early_->event.next(data);
    if (!piece.empty()) add_client_data(piece);
  }
}

void Exchange::end_early_json() {
  if (client_ == nullptr) return;
  if (!std::exchange(early_->in_event, false)) {
    fail_early(kRpcServerError, "Bad Gateway: the backend's answer is empty");
    return;
  }
  add_client_data(mcp::MessageEvent::kEnd);
  note_early_answer();
}

void Exchange::note_early_answer() {
  answered_ = true;
  if (in_session_) worker_.registry().on_response(key(), request_id_);
}

// REQUIRES: no event is open.
void Exchange::fail_early(int code, std::string_view message) {
  note_early_answer();
  finish_stream(StreamReason::complete, message_event(rpc_error_body(request_id_, code, message,
                                                                     request_->refusal_reason)));
}

}  // namespace holdfast::proxy
