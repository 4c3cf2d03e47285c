// The way in: from a parsed head to a backend that has the whole request.
#include <strings.h>

#include <algorithm>

#include "proxy/backend_pool.h"
#include "proxy/balance.h"
#include "proxy/client_conn.h"
#include "proxy/control.h"
#include "proxy/exchange.h"
#include "proxy/header_values.h"
#include "proxy/http/target.h"
#include "proxy/mcp/endpoint_rewrite.h"
#include "proxy/mcp/era.h"
#include "proxy/route.h"
#include "proxy/worker.h"

namespace holdfast::proxy {
namespace {

bool has_body(http::Framing framing) {
  return framing.kind == http::BodyKind::chunked ||
         (framing.kind == http::BodyKind::length && framing.length > 0);
}

}  // namespace

Exchange::Exchange(Worker &worker, ClientConn &client)
    : worker_(worker),
      client_(&client),
      config_(client.config()),
      request_(worker.take_request()),
      timer_(worker.wheel(), *this),
      id_(worker.enlist(*this)) {}

Exchange::~Exchange() {
  worker_.give_request(std::move(request_));
  worker_.delist(id_);
}

// The client has the head of its event stream: what served the request is for the next one.
void Exchange::forget_request() {
  if (!event_stream_ || !request_ || !flushed_ || !request_complete_) return;
  if (legacy_ || early_ || unopened_ || admitted_ || judging() || splicing()) return;
  worker_.give_request(std::move(request_));
}

void Exchange::read_flags(const http::RequestHead &head) {
  method_ = head.method;
  http10_ = head.minor_version == 0;
  keep_alive_ = head.keep_alive && !http10_;
  request_->framing = head.framing;
  const std::string_view accept = head.fields.value(http::FieldId::accept);
  accepts_stream_ = mcp::accepts(accept, "text/event-stream");
  asks_stream_ = method_ == http::Method::get && mcp::asks_for_stream(accept);
  modern_ = mcp::is_modern_version(head.fields.value(http::FieldId::mcp_protocol_version));
  const std::string_view type = head.fields.value(http::FieldId::content_type);
  json_body_ = method_ == http::Method::post && has_body(head.framing) &&
               (type.empty() || mcp::content_type_is(type, "application/json"));
}

size_t Exchange::start(const http::RequestHead &head, std::string_view raw_head,
                       std::string_view body) {
  worker_.counters().add(Counter::requests);
  read_flags(head);
  locate(head);
  const uint64_t bytes_max = settings_->client_body_bytes_max;
  request_->body = http::BodyDecoder(head.framing, bytes_max == 0 ? UINT64_MAX : bytes_max);
  request_complete_ = !has_body(head.framing) && head.framing.kind != http::BodyKind::chunked;
  if (settings_->access_log != kNone) begin_log(head);
  if (json_body_) scanner_ = worker_.take_scanner();
  begin_head_check(head);

  Pieces &pieces = worker_.scratch().pieces;
  pieces.clear();
  if (head.framing.kind == http::BodyKind::length && bytes_max != 0 &&
      head.framing.length > bytes_max) {
    refuse(413, "request body too large");
    return body.size();
  }
  const size_t consumed = decode(body, pieces);
  if (!check(head)) return request_complete_ ? consumed : body.size();
  if (request_->body_error != 0) {
    refuse_body();
    return body.size();
  }
  start_handler(head);
  if (phase_ == Phase::inspect && head.expect_continue && !request_complete_ && body.empty())
    invite_body(head);
  if (phase_ == Phase::inspect) advance(&head, raw_head, pieces);
  return consumed;
}

// RFC 9110 10.1.1: who asks before sending the body is judged by the head alone. An `initialize` on
// a stale session cannot be told from any other request yet; after this 404 its client opens anew.
void Exchange::invite_body(const http::RequestHead &head) {
  const std::string_view field = head.fields.value(http::FieldId::mcp_session_id);
  const std::string_view session = field.empty() ? mcp::session_id_in_query(head.query) : field;
  const bool judged = kind_ != Kind::management && method_ == http::Method::post && !modern_;
  if (judged && !session.empty() && !worker_.registry().knows(session, request_->user) &&
      !worker_.legacy_streams().find(session, request_->user) &&
      !worker_.legacy_guests().find(session, request_->user) && !worker_.control().restoring() &&
      !worker_.control().has_siblings()) {
    refuse_session_not_found();
    return;
  }
  client_->send_continue();
}

// RFC 9110 7.4: a plain connection cannot speak for https, nor one made for another server's name
// for this one, whose certificate the client has not seen.
bool Exchange::misdirected(const http::RequestHead &head) const {
  if (!head.scheme.empty() && head.scheme.size() != client_->scheme().size()) return true;
  const std::string_view name = client_->tls_name();
  return !name.empty() && &find_server(*config_, client_->listener(), name) != request_->server;
}

bool Exchange::check(const http::RequestHead &head) {
  if (head.method == http::Method::trace) {
    refuse(405, "method not allowed", "Allow", "GET, HEAD, POST, DELETE, OPTIONS, PUT, PATCH");
    return false;
  }
  if (misdirected(head)) {
    refuse(421, "Misdirected Request: this connection is not for that scheme or host");
    return false;
  }
  const std::string_view forwards = head.fields.value(http::FieldId::max_forwards);
  if (head.target == "*" || (head.method == http::Method::options && forwards == "0")) {
    answer(204, {}, {}, "Allow", "GET, HEAD, POST, DELETE, OPTIONS, PUT, PATCH");
    return false;
  }
  if (!host_allowed(client_->listener(), *request_->server, *settings_, head.host)) {
    refuse(403, "this Host is not served here (see allowed_hosts)");
    return false;
  }
  const http::Field *origin = head.fields.find(http::FieldId::origin);
  if (origin != nullptr &&
      !origin_allowed(client_->listener(), *request_->server, *settings_, origin->value)) {
    refuse(403, "this Origin is not allowed here (see allowed_origins)");
    return false;
  }
  if (request_->location == nullptr) {
    answer(404, "text/plain; charset=utf-8", "no location matches this path\n");
    return false;
  }
  if (!request_->location->exact && !http::path_is_unambiguous(head.path)) {
    refuse(400, "ambiguous path: dot segments, encoded slashes and empty segments are not routed");
    return false;
  }
  if (head.fields.find(http::FieldId::via) == nullptr) return true;
  for (const http::Field &field : head.fields.all()) {
    if (field.id != http::FieldId::via || !http::via_names(field.value, kViaName)) continue;
    refuse(508, "this request has passed here before: proxy_pass leads back to this server");
    return false;
  }
  return true;
}

void Exchange::start_handler(const http::RequestHead &head) {
  switch (request_->location->handler) {
    case Handler::return_text: {
      const bool redirect =
          request_->location->return_code >= 300 && request_->location->return_code < 400;
      const std::string_view text = request_->location->return_text;
      answer(request_->location->return_code, "text/plain; charset=utf-8",
             redirect ? std::string_view{} : text, redirect ? "Location" : "",
             redirect ? text : std::string_view{});
      return;
    }
    case Handler::health:
    case Handler::status:
    case Handler::metrics:
      kind_ = Kind::management;
      if (head.method != http::Method::get && head.method != http::Method::head &&
          head.method != http::Method::post) {
        refuse(405, "method not allowed", "Allow", "GET, HEAD, POST");
      }
      return;
    case Handler::proxy:
      identify_user(head);
      choose_pass(head);
      return;
  }
}

size_t Exchange::decode(std::string_view bytes, Pieces &pieces) {
  size_t consumed = 0;
  while (!request_complete_) {
    const http::BodyDecoder::Step step = request_->body.next(bytes.substr(consumed));
    consumed += step.consumed;
    if (!step.data.empty()) {
      pieces.push_back(step.data);
      if (scanner_ && !classified_)
        (void)scanner_->feed(step.data);  // ignoring: state() is asked where it matters
    }
    switch (step.state) {
      case http::BodyDecoder::State::end:
        request_complete_ = true;
        break;
      case http::BodyDecoder::State::more:
        if (consumed == bytes.size()) return consumed;
        break;
      case http::BodyDecoder::State::failed:
        request_->body_error = 400;
        return bytes.size();
      case http::BodyDecoder::State::too_large:
        request_->body_error = 413;
        return bytes.size();
    }
  }
  return consumed;
}

// The backend must see an incomplete message, the client a plain refusal.
void Exchange::refuse_body() {
  worker_.counters().add(Counter::protocol_errors);
  keep_alive_ = false;
  const bool framing = request_->body.error()[0] != '\0';
  const std::string_view text =
      request_->body_error == 413 ? "request body too large"
      : framing                   ? request_->body.error()
      : head_belied()             ? request_->head_check->text()
                      : "ambiguous JSON: a member that routes the message is there twice";
  if (response_started_) {
    cut();
    return;
  }
  drop_backend();
  refuse(request_->body_error, text);
}

size_t Exchange::on_client_bytes(std::string_view bytes) {
  Pieces &pieces = worker_.scratch().pieces;
  pieces.clear();
  const size_t consumed = decode(bytes, pieces);
  if (request_->body_error != 0) {
    refuse_body();
    return bytes.size();
  }
  advance(nullptr, {}, pieces);
  return consumed;
}

bool Exchange::ready_to_decide(const Pieces &pieces) {
  if (kind_ == Kind::management) {
    return request_complete_ || request_->body.decoded_bytes() > kManagementBodyBytesMax;
  }
  if (!scanner_ || request_complete_ || scanner_->state() != mcp::RpcScanner::State::more)
    return true;
  size_t bytes = request_->waiting ? request_->waiting->body.size() : 0;
  for (const std::string_view piece : pieces) bytes += piece.size();
  if (bytes >= kHeldBodyBytesMax) return true;
  if (!scanner_->routable() || head_unproven()) return false;
  // What opens something is read whole: the id, and who the client is, are needed before its
  // answer.
  const std::string &method = scanner_->first().method;
  return scanner_->batch() || (method != mcp::kInitialize && method != mcp::kListen);
}

void Exchange::advance(const http::RequestHead *head, std::string_view raw_head,
                       const Pieces &pieces) {
  switch (phase_) {
    case Phase::inspect:
      if (!ready_to_decide(pieces)) {
        hold(raw_head, pieces);
        return;
      }
      if (head == nullptr) head = &reparse();
      decide(*head);
      if (phase_ == Phase::forwarding) {
        keep_copy(raw_head, pieces);
        dispatch(*head, pieces);
      } else if (phase_ == Phase::restoring || phase_ == Phase::admitting ||
                 phase_ == Phase::opening || phase_ == Phase::unopened ||
                 phase_ == Phase::recovering) {
        hold(raw_head, pieces);
      } else if (phase_ == Phase::refusing) {
        advance(head, raw_head, pieces);
      }
      return;
    case Phase::restoring:
    case Phase::opening:
    case Phase::unopened:
    case Phase::admitting:
      hold({}, pieces);
      return;
    case Phase::recovering:
      if (request_->waiting) hold({}, pieces);  // those that were sent before are complete
      return;
    case Phase::forwarding:
      if (discard_request_ || !backend_) return;
      if (belied()) {  // what it was routed by does not hold: the backend must not see it whole
        request_->body_error = 400;
        refuse_body();
        return;
      }
      keep_more(pieces);
      send_request({}, {}, pieces);
      if (in_session_ && !classified_) classify();
      return;
    case Phase::refusing:
      if (identified(pieces.empty() ? 0 : pieces.back().size())) refuse_identified();
      return;
    case Phase::answered:
    case Phase::done:
      return;
  }
}

void Exchange::hold(std::string_view raw_head, const Pieces &pieces) {
  if (!request_->waiting) {
    request_->waiting = std::make_unique<ExchangeWaiting>();
    request_->waiting->head = raw_head;
  }
  for (const std::string_view piece : pieces) request_->waiting->body.append(piece);
  if (phase_ != Phase::inspect && request_->waiting->body.size() >= kHeldBodyBytesMax &&
      client_ != nullptr) {
    client_->pause_reading(true);
  }
}

// The head of a request that had to wait; it was accepted once, so it is accepted again.
const http::RequestHead &Exchange::reparse() {
  http::RequestParser parser;
  http::RequestHead &head = worker_.scratch().request;
  (void)parser.parse(request_->waiting->head, head);  // ignoring: parsed before
  return head;
}

// What was waited for has come.
void Exchange::go_on() {
  phase_ = Phase::forwarding;
  if (head_belied()) {
    refuse_belied();
  } else {
    keep_copy({}, {});
    dispatch(reparse(), {});
  }
  if (client_ != nullptr) client_->pause_reading(false);
}

void Exchange::dispatch(const http::RequestHead &head, const Pieces &pieces) {
  if (kind_ == Kind::management) {
    write_management_head(head);
  } else {
    write_backend_head(head);
  }
  if (!choose_backend(head)) {
    if (kind_ == Kind::management) {
      backend_failed(503, "no backend is available");
      return;
    }
    if (admitted_) release(ReleaseReason::backend_failed);
    refuse(503, "Service Unavailable: no server takes requests now", "Retry-After", "5");
    return;
  }
  std::string &text = worker_.scratch().backend_head;
  const bool safe = method_ == http::Method::get || method_ == http::Method::head ||
                    method_ == http::Method::options;
  const bool stream = kind_ == Kind::session && method_ == http::Method::get;
  if ((stream || (backend_->reused() && safe)) && request_complete_) request_->resend = text;
  const std::string held = request_->waiting ? std::move(request_->waiting->body) : std::string();
  send_request(text, held, pieces);
  request_->waiting.reset();
  arm_for_head();
}

bool Exchange::choose_backend(const http::RequestHead &head) {
  BackendId to = kNoBackend;
  if (kind_ == Kind::management) {
    to = worker_.management_backend();
  } else if (kind_ == Kind::session || kind_ == Kind::legacy_post) {
    to = home_.backend;
  } else {
    if (!upstream_->hash_key().empty()) {
      request_->balance_key = balance_key(filled_in(upstream_->hash_key(), context(head)));
    }
    const std::optional<BackendId> picked =
        upstream_->pick(worker_.now(), request_->tried, request_->balance_key);
    if (picked) to = *picked;
  }
  if (to == kNoBackend) return false;
  attach(dial(to));
  return true;
}

std::unique_ptr<BackendConn> Exchange::dial(BackendId backend) {
  if (kind_ != Kind::management) {
    std::unique_ptr<BackendConn> idle = worker_.pool(backend).take(worker_.now());
    if (idle) return idle;
  }
  request_->connect_due = worker_.now() + settings_->connect_timeout;
  return BackendConn::dial(worker_, backend);
}

void Exchange::attach(std::unique_ptr<BackendConn> conn) {
  request_->tried.push_back(conn->backend());
  worker_.backend_stats().cells[conn->backend()].requests.fetch_add(1, std::memory_order_relaxed);
  home_.backend = conn->backend();
  if (upstream_ != nullptr) running_ = upstream_->mark_running(conn->backend());
  request_->send_due = MonoTime::max();  // of the connection before
  backend_ = std::move(conn);
  backend_->begin(*this, method_);
}

void Exchange::write_backend_head(const http::RequestHead &head) {
  std::string &out = worker_.scratch().backend_head;
  out.clear();
  http::RequestForwarding how;
  how.target =
      kind_ == Kind::legacy_post ? std::string_view(request_->view.backend_session) : head.target;
  how.host = !head.host.empty() ? head.host : std::string_view(request_->pass->host);
  how.framing = request_->framing;
  switch (kind_) {
    case Kind::session:
      how.session_rule = http::SessionIdRule::replace;
      how.session_id = request_->view.backend_session;
      how.drop_last_event_id = fences_last_event(head);
      break;
    case Kind::initialize:
    case Kind::legacy_open:
    case Kind::legacy_post:
      how.session_rule = http::SessionIdRule::drop;
      break;
    default:
      break;
  }
  how.identity_encoding = accepts_stream_;
  how.trusted_peer = client_->trusted();
  how.client_address = client_->peer_ip();
  how.scheme = client_->scheme();
  how.via = kViaName;
  HeaderValues values(*settings_, context(head));
  how.set = values.fields();
  http::write_request_head(out, head, how);
}

// sessiond's HTTP API reads only what we wrote ourselves: origin form, one Host, a length, no more.
void Exchange::write_management_head(const http::RequestHead &head) {
  std::string &out = worker_.scratch().backend_head;
  out.clear();
  request_->target = management_target(*request_->location, head);
  const bool users = request_->location->health_users || client_->listener().trusted_local;
  out.append(head.method_name)
      .append(" ")
      .append(request_->target)
      .append(" HTTP/1.1\r\nHost: localhost\r\n");
  if (users) out.append("X-Holdfast-Users: 1\r\n");
  out.append("X-Holdfast-Level: ")
      .append(request_->location->status_admin ? "admin" : "readonly")
      .append("\r\n");
  for (const http::Field &field : head.fields.all()) {
    if (field.name.size() == 16 && ::strncasecmp(field.name.data(), "X-Holdfast-Admin", 16) == 0) {
      out.append("X-Holdfast-Admin: 1\r\n");
      break;
    }
  }
  const uint64_t body_bytes = request_->body.decoded_bytes();
  if (method_ == http::Method::post)
    out.append("Content-Length: ").append(std::to_string(body_bytes)).append("\r\n");
  out.append("Connection: close\r\n\r\n");
  request_->framing = {http::BodyKind::length, body_bytes};
}

void Exchange::send_request(std::string_view head, std::string_view held, const Pieces &pieces) {
  Gather &gather = worker_.scratch().backend_gather;
  gather.clear();
  gather.add(head);
  size_t body_bytes = held.size();
  for (const std::string_view piece : pieces) body_bytes += piece.size();
  const bool chunked = request_->framing.kind == http::BodyKind::chunked;
  char open[20];
  if (chunked && body_bytes > 0) gather.add_copy({open, http::write_chunk_open(open, body_bytes)});
  gather.add(held);
  for (const std::string_view piece : pieces) {
    if (!gather.has_room(3, 0)) {
      backend_->send(gather.packed());
      gather.clear();
    }
    gather.add(piece);
  }
  if (chunked && body_bytes > 0) gather.add(http::kChunkEnd);
  if (chunked && request_complete_) gather.add(http::kLastChunk);
  backend_->send(gather.packed());
  gather.clear();
  if (request_complete_) backend_->request_sent();
  // A rest is unsent: the rest of the body stays in the kernel until it is gone.
  if (backend_->unsent_bytes() > 0 && !request_complete_ && client_ != nullptr) {
    worker_.counters().add(Counter::backpressure_pauses);
    client_->pause_reading(true);
  }
  if (backend_->unsent_bytes() > 0 && !backend_->connecting()) arm_for_send();
}

// A backend that reads nothing of the request for a while holds a connection for nothing.
void Exchange::arm_for_send() {
  if (!request_ || request_->send_due != MonoTime::max()) return;
  request_->send_mark = backend_->accepted_bytes();
  request_->send_due = worker_.now() + settings_->send_timeout;
  rearm();
}

size_t Exchange::room_for_request() const {
  if (!backend_ || request_complete_) return 0;
  const uint64_t wanted = request_->body.known_bytes();
  return wanted > kReadBytes ? std::min(uint64_t{backend_->room()}, wanted) : 0;
}

void Exchange::on_backend_blocked() {
  if (request_) request_->connect_due = MonoTime::max();
  arm_for_send();
}

void Exchange::on_backend_writable() {
  if (request_) request_->connect_due = request_->send_due = MonoTime::max();
  rearm();
  if (client_ != nullptr) client_->pause_reading(false);
}

// Sends the request somewhere else, once more, where that cannot run it twice: nothing was accepted
// by the kernel, or it is safe by method and met a connection that had died while idle.
bool Exchange::try_elsewhere(BackendFault fault) {
  const bool untouched = backend_->accepted_bytes() == 0;
  const bool died_idle = backend_->reused() && fault == BackendFault::closed_early;
  const bool refused = fault == BackendFault::connect_refused || fault == BackendFault::tls_failed;
  if (!refused && !(died_idle && (untouched || !request_->resend.empty()))) return false;
  if (!refused && discard_request_) return false;
  if (!untouched && request_->resend.empty()) return false;
  std::string bytes = untouched ? backend_->take_unsent() : request_->resend;
  const BackendId same = backend_->backend();
  const bool bound =
      kind_ == Kind::session || kind_ == Kind::legacy_post || kind_ == Kind::management;
  drop_backend();
  BackendId to = same;
  if (refused) {
    if (bound) return false;
    const std::optional<BackendId> next =
        upstream_->pick(worker_.now(), request_->tried, request_->balance_key);
    if (!next) return false;
    to = *next;
  }
  request_->resend.clear();
  request_->connect_due = worker_.now() + settings_->connect_timeout;
  attach(BackendConn::dial(worker_, to));
  const iovec all{bytes.data(), bytes.size()};
  backend_->send({&all, 1});
  if (request_complete_) backend_->request_sent();
  arm_for_head();
  return true;
}

// A client that comes back at once may overtake the end of its last stream: the backend, which
// allows one, has not seen that end yet and answers 409. The stream's end is on its way (its
// client's FIN brought a heartbeat, which brings an RST), so the GET is asked again for a second.
bool Exchange::await_old_stream(int status) {
  const bool stream = kind_ == Kind::session && method_ == http::Method::get;
  if (status != 409 || !stream || request_->resend.empty() || client_ == nullptr ||
      request_->conflict_tries >= kConflictTriesMax)
    return false;
  ++request_->conflict_tries;
  drop_backend();
  request_->head_due = MonoTime::max();
  request_->again_due = worker_.now() + kConflictPause;
  rearm();
  return true;
}

void Exchange::ask_again() {
  request_->again_due = MonoTime::max();
  attach(dial(home_.backend));
  const iovec all{request_->resend.data(), request_->resend.size()};
  backend_->send({&all, 1});
  backend_->request_sent();
  arm_for_head();
}

}  // namespace holdfast::proxy
