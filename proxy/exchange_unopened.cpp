// A legacy stream before its session: its client gets our endpoint at once, a backend is dialled
// and a slot is asked for when an initialize is posted. So a client that only reconnects, as SDKs
// do for ever without initializing again, costs a socket. The POST may come to another worker; it
// is held until the stream's worker has told how the opening went.
//
//   POST:    [opening] ──LegacyOpened──▶ looked at again (the session is there), or refused
//   stream:  unopened ──OpenLegacy──▶ admitting ──▶ forwarding ──endpoint──▶ a session like any
//               ▲                         │             │
//               └──── fail_opening() ─────┴─────────────┘
#include <algorithm>
#include <utility>

#include "common/limits.h"
#include "common/log.h"
#include "proxy/client_conn.h"
#include "proxy/control.h"
#include "proxy/exchange.h"
#include "proxy/http/byte_class.h"
#include "proxy/http/head_parser.h"
#include "proxy/mcp/endpoint_rewrite.h"
#include "proxy/mcp/era.h"
#include "proxy/worker.h"

namespace holdfast::proxy {
namespace {

constexpr std::string_view kEventStream = "text/event-stream";

bool is_event_stream(const http::ResponseHead &head) {
  const std::string_view coding = head.fields.value(http::FieldId::content_encoding);
  return head.status == 200 && head.framing.kind != http::BodyKind::none &&
         mcp::content_type_is(head.fields.value(http::FieldId::content_type), kEventStream) &&
         (coding.empty() || coding == "identity");
}

// The value of a field that has no id of its own.
std::string_view value_of(const http::FieldList &fields, std::string_view name) {
  for (const http::Field &field : fields.all()) {
    if (http::iequals(field.name, name)) return field.value;
  }
  return {};
}

void set_authorization(http::RequestHead &head, std::string_view value) {
  for (http::Field &field : head.fields.all()) {
    if (field.id != http::FieldId::authorization) continue;
    field.value = value;
    return;
  }
  // ignoring: a head as full of fields as it may be goes without
  (void)head.fields.push({"Authorization", value, http::FieldId::authorization});
}

}  // namespace

// ---- the stream ----

// Whether this GET gets its endpoint from us, and its backend with its first POST. A GET that does
// not name event streams (curl, a health check) is not answered with one that never ends.
bool Exchange::opens_later(const http::RequestHead &head) const {
  if (settings_->legacy_sse == LegacySse::off || !request_complete_ || worker_.draining())
    return false;
  if (head.fields.value(http::FieldId::accept).find(kEventStream) == std::string_view::npos)
    return false;
  return settings_->legacy_sse == LegacySse::on || worker_.legacy_places().knows(place_of(head));
}

// Where this GET is, as it is learned; empty where nothing is.
std::string Exchange::place_of(const http::RequestHead &head) const {
  if (settings_->legacy_sse != LegacySse::automatic) return {};
  const bool credentials = head.fields.find(http::FieldId::authorization) != nullptr;
  return legacy_place(config_->upstreams[request_->pass->upstream], head.path, credentials);
}

void Exchange::begin_unopened(const http::RequestHead &head) {
  const int64_t waiting = worker_.counters().get(Counter::legacy_streams_waiting);
  if (waiting >= int64_t{settings_->legacy_sse_waiting}) {
    refuse(503, "Service Unavailable: too many event streams wait for an initialize", "Retry-After",
           "5");
    return;
  }
  session_.assign(mint_session_id());
  unopened_ = std::make_unique<ExchangeUnopened>();
  unopened_->place = worker_.legacy_streams().enter(session_.str(), request_->user, ref());
  worker_.counters().add(Counter::legacy_streams_waiting);
  phase_ = Phase::unopened;
  begin_own_stream();
  const std::string endpoint = mcp::endpoint_event(head.path, session_.view());
  add_client_data(endpoint);
  flush_client();
  rearm();
}

void Exchange::on_open_wanted(const OpenLegacy &wanted) {
  LegacyOpened answer{.exchange = wanted.asker};
  if (!unopened_) {  // it has its session by now, or has ended
    answer.status = in_session_ ? 0 : 404;
    answer.message = "Session not found";
    worker_.tell(wanted.asker_worker, std::move(answer));
    return;
  }
  if (unopened_->waiters.size() >= kLegacyWaitersMax) {
    answer.status = 503;
    answer.message = "Service Unavailable: too many requests wait for this stream's backend";
    answer.extra_name = "Retry-After";
    answer.extra_value = "1";
    worker_.tell(wanted.asker_worker, std::move(answer));
    return;
  }
  unopened_->waiters.push_back({wanted.asker_worker, wanted.asker});
  if (phase_ != Phase::unopened) return;  // on its way
  if (request_->waiting) unopened_->head = std::move(request_->waiting->head);
  request_->waiting = std::make_unique<ExchangeWaiting>();
  request_->waiting->head = unopened_->head;
  unopened_->authorization = wanted.authorization;
  unopened_->client_name = wanted.client_name;
  unopened_->client_version = wanted.client_version;
  ask_admission(reparse(), Transport::sse);
}

// A slot is there: the client's GET goes to a backend, with the credentials its POST came with.
void Exchange::open_backend() {
  phase_ = Phase::forwarding;
  unopened_->due = worker_.now() + std::min(settings_->read_timeout, kLegacyOpenMax);
  (void)reparse();
  http::RequestHead &head = worker_.scratch().request;
  if (!unopened_->authorization.empty()) set_authorization(head, unopened_->authorization);
  dispatch(head, {});
}

// The client's GET, which dispatch() has given away.
const http::RequestHead &Exchange::reparse_unopened() {
  http::RequestParser parser;
  http::RequestHead &head = worker_.scratch().request;
  (void)parser.parse(unopened_->head, head);  // ignoring: parsed before
  return head;
}

void Exchange::on_opening_head(const http::ResponseHead &head) {
  if (!is_event_stream(head)) {
    on_opening_refused(head);
    return;
  }
  const http::RequestHead &request = reparse_unopened();
  legacy_ = std::make_unique<ExchangeLegacy>();
  legacy_->path = request.path;
  legacy_->host = request.host;
  legacy_->place = place_of(request);
  sse_ = {};
  request_->hold_due = unopened_->due;
  rearm();
}

// What speaks of the client or of the moment is passed on to it; all else says that the backend has
// no such stream.
void Exchange::on_opening_refused(const http::ResponseHead &head) {
  constexpr std::string_view kRetry = "Retry-After";
  constexpr std::string_view kAuthenticate = "WWW-Authenticate";
  const std::string said = "the backend answered " + std::to_string(head.status) + " to the stream";
  switch (head.status) {
    case 401:
      fail_opening(401, "Unauthorized: " + said, kAuthenticate,
                   value_of(head.fields, kAuthenticate));
      return;
    case 403:
      fail_opening(403, "Forbidden: " + said);
      return;
    case 429:
    case 503:
      fail_opening(head.status, said, kRetry, value_of(head.fields, kRetry));
      return;
    default:
      if (head.status >= 500) {
        fail_opening(502, "Bad Gateway: " + said);
      } else {
        not_legacy(502, "Bad Gateway: HTTP+SSE is not spoken here any more: " + said);
      }
      return;
  }
}

// The backend's endpoint has come and the session is bound: whoever waits goes on with it.
void Exchange::opened() { end_unopened({}); }

// Where that was only learned it is forgotten, and the stream ends: its client comes back, and then
// hears from the backend itself.
void Exchange::not_legacy(int status, std::string_view message) {
  const std::string place = place_of(reparse_unopened());
  fail_opening(status, message);
  if (place.empty()) return;
  if (worker_.legacy_places().forget(place)) {
    log_info("event=legacy_forgotten upstream={} detail={}",
             config_->upstreams[request_->pass->upstream].name, quoted(message));
  }
  finish_stream(StreamReason::complete, {});
}

// The POSTs that wait are answered, the stream waits for the next one.
void Exchange::fail_opening(int status, std::string_view message, std::string_view extra_name,
                            std::string_view extra_value) {
  drop_backend();
  if (admitted_) release(ReleaseReason::backend_failed);
  request_->opening.reset();
  legacy_.reset();
  request_->tried.clear();
  request_->forget_deadlines();
  stall_due_ = MonoTime::max();
  phase_ = Phase::unopened;
  LegacyOpened outcome{.status = status, .message = std::string(message)};
  outcome.reason = std::exchange(request_->refusal_reason, {});
  if (!extra_value.empty()) {
    outcome.extra_name = extra_name;
    outcome.extra_value = extra_value;
  }
  tell_waiters(outcome);
  rearm();
}

void Exchange::tell_waiters(const LegacyOpened &outcome) {
  for (const ExchangeRef &waiter : std::exchange(unopened_->waiters, {})) {
    LegacyOpened answer = outcome;
    answer.exchange = waiter.exchange;
    worker_.tell(waiter.worker, std::move(answer));
  }
}

void Exchange::end_unopened(const LegacyOpened &outcome) {
  if (admitted_) release(ReleaseReason::client_gone);
  if (request_->opening) worker_.control().cancel_admit(session_.str(), ref());  // still asked for
  request_->opening.reset();
  tell_waiters(outcome);
  worker_.counters().add(Counter::legacy_streams_waiting, -1);
  unopened_.reset();
}

// ---- the POST ----

// A POST to a stream without a session waits for one, if it may have one. False: there is no such
// stream, or this is not how its session begins.
bool Exchange::await_opening(std::string_view session, const http::RequestHead &head) {
  const std::optional<ExchangeRef> stream = worker_.legacy_streams().find(session, request_->user);
  if (!stream || (settings_->legacy_sse_initialize_first && !initializes())) return false;
  OpenLegacy wanted;
  wanted.exchange = stream->exchange;
  wanted.asker_worker = worker_.index();
  wanted.asker = id_;
  wanted.authorization = head.fields.value(http::FieldId::authorization);
  if (scanner_ && scanner_->size() > 0) {
    wanted.client_name = scanner_->first().client_name.substr(0, kClientNameBytesMax);
    wanted.client_version = scanner_->first().client_version.substr(0, kClientNameBytesMax);
  }
  phase_ = Phase::opening;
  worker_.tell(stream->worker, std::move(wanted));
  return true;
}

void Exchange::on_opened(const LegacyOpened &outcome) {
  if (phase_ != Phase::opening) return;
  if (outcome.status == 0) {
    decide_again();
    return;
  }
  request_->refusal_reason = outcome.reason;
  refuse(outcome.status, outcome.message, outcome.extra_name, outcome.extra_value);
}

}  // namespace holdfast::proxy
