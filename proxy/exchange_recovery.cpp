// Backend sessions that were lost (session_recovery): requests their backend surely did not run
// wait until it has been opened again and are sent once more, event streams go on with a new
// backend behind them, and what belongs to the lost one does not reach the new.
#include <algorithm>
#include <array>

#include "common/log.h"
#include "proxy/client_conn.h"
#include "proxy/control.h"
#include "proxy/exchange.h"
#include "proxy/header_values.h"
#include "proxy/initialize_result.h"
#include "proxy/mcp/era.h"
#include "proxy/own_answers.h"
#include "proxy/ping_terms.h"
#include "proxy/recovery_call.h"
#include "proxy/upstream.h"
#include "proxy/worker.h"

namespace holdfast::proxy {
namespace {

// Fields of the request at hand that are not the recovery's: they are made anew, or left out.
constexpr std::array<std::string_view, 7> kRemadeFields{
    "Accept",     "Content-Type", "Last-Event-ID",   "MCP-Protocol-Version",
    "Mcp-Method", "Mcp-Name",     "Content-Encoding"};

bool is_remade(std::string_view name) {
  const http::FieldId id = http::field_id(name);
  return std::any_of(kRemadeFields.begin(), kRemadeFields.end(), [&](std::string_view remade) {
    return http::field_id(remade) == id && id != http::FieldId::other;
  });
}

struct KeptRow {
  std::string_view method;
  SessionRecovery::Kept kind;
};
constexpr std::array<KeptRow, 3> kKeptRequests{{
    {"resources/subscribe", SessionRecovery::Kept::subscribe},
    {"resources/unsubscribe", SessionRecovery::Kept::unsubscribe},
    {"logging/setLevel", SessionRecovery::Kept::log_level},
}};

}  // namespace

// ---- what is kept of a request ----

void Exchange::prepare_recovery() {
  const bool legacy = kind_ == Kind::legacy_post;
  const bool of_kind = legacy || (kind_ == Kind::session &&
                                  (method_ == http::Method::post || method_ == http::Method::get));
  home_.recovers = home_.recovers && settings_->session_recovery && of_kind;
  const bool opens = legacy && settings_->session_recovery && initializes();
  if (home_.recovers || opens) recovery_ = std::make_unique<ExchangeRecovery>();
  if (opens) recovery_->opening_id = scanner_->first().id;
}

// While its client is silent the session's backend is to be pinged, on this request's terms. That a
// client showed credentials once is enough never to do so.
void Exchange::keep_backend_awake(const http::RequestHead &head) {
  const Millis every = settings_->backend_ping;
  if (every == request_->view.ping_every &&
      (every == Millis{0} || request_->view.ping_denied || !shows_credentials(*settings_, head)))
    return;
  PingTerms terms;
  if (every > Millis{0}) terms = ping_terms(*settings_, head, request_->pass->host);
  if (worker_.registry().keep_awake(key(), std::move(terms)))
    worker_.counters().add(Counter::sessions_not_pinged);
}

// Before the request goes to a backend. `raw_head` is empty where the request has waited.
void Exchange::keep_copy(std::string_view raw_head, const Pieces &pieces) {
  if (kind_ == Kind::initialize && settings_->session_recovery && !recovery_)
    recovery_ = std::make_unique<ExchangeRecovery>();
  if (!recovery_ || recovery_->resent) return;
  recovery_->whole = true;
  recovery_->head = request_->waiting ? request_->waiting->head : raw_head;
  if (request_->waiting) recovery_->body = request_->waiting->body;
  keep_more(pieces);
  // The result may overtake the answer to this POST: it comes by another connection.
  if (recovery_->opening_id.empty() || !recovery_->whole || !request_complete_) return;
  worker_.registry().keep_initialize(key(), std::move(recovery_->body), recovery_->opening_id);
  recovery_.reset();
}

void Exchange::keep_more(const Pieces &pieces) {
  if (!recovery_ || !recovery_->whole) return;
  size_t bytes = recovery_->body.size();
  for (const std::string_view piece : pieces) bytes += piece.size();
  if (bytes > kRecoveryBodyBytesMax) {
    recovery_->whole = false;
    std::string().swap(recovery_->body);
    return;
  }
  for (const std::string_view piece : pieces) recovery_->body.append(piece);
}

// REQUIRES: the scanner has seen all of the body.
void Exchange::note_kept() {
  for (const mcp::RpcMessage &message : *scanner_) {
    recovery_->asks = recovery_->asks || message.has_method;
    if (message.is_response()) ++recovery_->answers_count;
  }
  if (scanner_->batch() || scanner_->size() == 0) return;
  const mcp::RpcMessage &message = scanner_->first();
  if (!message.is_request() || message.resource_uri.size() >= mcp::kRpcCaptureBytesMax) return;
  for (const KeptRow &row : kKeptRequests) {
    if (row.method != message.method) continue;
    recovery_->kept = row.kind;
    recovery_->uri = message.resource_uri;
  }
}

// The backend took the request: it will not be sent again, and what it is to hold is remembered.
void Exchange::note_accepted(const http::ResponseHead &head) {
  const bool ok = head.status >= 200 && head.status < 300;
  const bool gives = kind_ == Kind::session && request_->view.streams_wait;
  if (ok && gives && recovery_->whole && client_ != nullptr) give_streams_a_backend();
  if (ok && recovery_->kept && recovery_->whole)
    worker_.registry().remember(key(), *recovery_->kept, recovery_->uri,
                                std::move(recovery_->body));
  recovery_.reset();
}

// The session begins: what opened it can open it again, once its result has passed.
void Exchange::keep_opening(const http::ResponseHead &head) {
  if (!recovery_ || !recovery_->whole) return;
  worker_.registry().keep_initialize(key(), std::move(recovery_->body));
  recovery_->result = std::make_unique<RpcAnswer>();
  recovery_->result->begin(head);
  home_.recovers = true;
}

// The result of the session's initialize passes: the next one is compared with it.
void Exchange::take_result(std::string_view data, bool end) {
  if (kind_ == Kind::legacy_open) return;  // see take_streamed_result()
  RpcAnswer &result = *recovery_->result;
  if (end) {
    result.end();
  } else {
    result.feed(data);
  }
  if (!result.found() && !end) return;
  const auto fingerprint =
      result.found() && result.ok() ? initialize_fingerprint(result.json()) : std::nullopt;
  if (fingerprint && in_session_) worker_.registry().keep_result(key(), *fingerprint);
  recovery_.reset();
}

// ---- the fence ----

// Answers to questions of a lost backend session: its next one counts its questions anew, and must
// not take them for its own. True: the request has been dealt with.
bool Exchange::fence_answers() {
  if (!scanner_) return false;
  // The stream its questions came by is lost, and no next one has asked yet.
  const bool stranded = kind_ == Kind::legacy_post && request_->view.streams_wait;
  size_t stale_count = 0;
  bool asks = false;
  for (const mcp::RpcMessage &message : *scanner_) {
    asks = asks || message.has_method;
    if (!message.is_response()) continue;
    const bool lost = worker_.registry().answers_the_lost(key(), message.id);
    if (lost || stranded) ++stale_count;
  }
  if (stale_count == 0) return false;
  drop_answers(stale_count, asks);
  return true;
}

void Exchange::drop_answers(size_t answers_count, bool asks) {
  worker_.counters().add(Counter::stale_answers, static_cast<int64_t>(answers_count));
  (void)leave_session(SessionRegistry::Finish::answered);  // ignoring: nothing was asked
  if (asks) {
    refuse(400, "Bad Request: one of these answers is to a question the server no longer knows");
  } else {
    answer(202, {}, {});
  }
}

// A Last-Event-ID names a place in a stream of one backend session; to another it means nothing, or
// something else.
bool Exchange::fences_last_event(const http::RequestHead &head) const {
  if (home_.generation == 0 || method_ != http::Method::get) return false;
  const http::Field *const field = head.fields.find(http::FieldId::last_event_id);
  return field != nullptr &&
         !worker_.registry().may_resume_after(key(), field->value.substr(0, kEventIdBytesMax));
}

void Exchange::note_event_id() {
  if (!recovery_ || recovery_->event_id.empty()) return;
  if (in_session_) worker_.registry().on_event_id(key(), recovery_->event_id, home_.generation);
  recovery_->event_id.clear();
}

// ---- is it lost? ----

// Of a session that can be opened again, 400 may say so, too; any other ends with a 404, but for an
// unknown method's.
bool Exchange::may_be_lost(int status) const {
  if (!request_complete_ || !in_session_ || client_ == nullptr) return false;
  const bool of_session = kind_ == Kind::session || kind_ == Kind::legacy_post;
  if (of_session && recovery_ && recovery_->whole) return status == 404 || status == 400;
  return status == 404 && kind_ == Kind::session && method_ == http::Method::post;
}

// The answer may say that the session is lost; its body decides.
void Exchange::judge(const http::ResponseHead &head) {
  if (!recovery_) recovery_ = std::make_unique<ExchangeRecovery>();
  recovery_->judged = head.status;
  watch_backend();
  if (!early_) send_client_head(head);
}

void Exchange::judge_data(std::string_view data) {
  if (client_ == nullptr) return;
  std::string &answer = recovery_->answer;
  answer.append(data);
  // No JSON-RPC error is that long.
  if (answer.size() > kRecoveryBodyBytesMax) release_judged(!recovery_->whole);
}

void Exchange::end_judging() {
  const bool lost = means_session_lost(recovery_->judged, recovery_->answer, request_id_);
  if (lost && recovery_->resent) {  // it was opened a moment ago, and is lost again
    park_backend();
    end_session(EndReason::backend_lost);
    request_->refusal_reason = public_word(EndReason::backend_lost);
    recovery_.reset();
    response_complete_ = false;
    refuse_session_not_found();
    return;
  }
  if (lost && recovery_->whole && recover(reopen_at())) return;
  release_judged(lost);
}

// The answer is the client's after all.
void Exchange::release_judged(bool lost) {
  const std::unique_ptr<ExchangeRecovery> held = std::move(recovery_);
  if (lost && held->judged == 404 && kind_ == Kind::session && method_ != http::Method::get)
    end_session(EndReason::backend_ended);
  if (early_) {
    if (lost) request_->refusal_reason = public_word(EndReason::backend_ended);
    fail_early(lost ? kRpcSessionNotFound : kRpcServerError,
               lost ? "Session not found"
                    : "Bad Gateway: the backend answered " + std::to_string(held->judged));
    return;
  }
  note_status(held->judged);
  response_started_ = true;
  body_bytes_ += held->answer.size();
  Gather &gather = worker_.scratch().client_gather;
  gather.clear();
  gather.add(held->client_head);
  if (!held->answer.empty()) add_client_data(held->answer);
  flush_client();  // what was held dies with this frame
}

// ---- opening it again ----

// The session's backend session is lost and the request at hand was not run: waits for it to be
// opened again at `to`, by us or by whoever does it already. False: there is no opening it again.
bool Exchange::recover(BackendId to) {
  using Start = SessionRecovery::Start;
  RecoveryPlan plan;
  const Start start = worker_.registry().start_recovery(key(), ref(), home_.generation, plan);
  if (start == Start::hopeless) return false;
  park_backend();
  request_->forget_deadlines();
  stall_due_ = MonoTime::max();
  response_complete_ = false;
  recovery_->judged = 0;
  std::string().swap(recovery_->answer);
  std::string().swap(recovery_->client_head);
  rearm();
  switch (start) {
    case Start::lead: {
      http::RequestParser parser;
      http::RequestHead &head = worker_.scratch().request;
      (void)parser.parse(recovery_->head, head);  // ignoring: parsed before
      phase_ = Phase::recovering;
      start_recovery(head, to, std::move(plan));
      return true;
    }
    case Start::wait:
      phase_ = Phase::recovering;
      return true;
    case Start::moved_on:
      resend();
      return true;
    case Start::resting:
    case Start::hopeless:
      break;
  }
  if (!begin_waiting_stream()) refuse_resting();
  return true;
}

// It was tried a moment ago.
void Exchange::refuse_resting() {
  const Millis rest = worker_.registry().recovery_rest(key());
  const auto wait = std::chrono::ceil<std::chrono::seconds>(rest).count();
  refuse(503, "Service Unavailable: the backend lost this session and cannot open it again now",
         "Retry-After", std::to_string(std::max<int64_t>(wait, 1)));
}

// No connection to the session's backend, and nothing of the request was sent: another server of
// the upstream may take the session over, if there is one.
bool Exchange::recover_elsewhere(bool unsent) {
  if (!unsent || !recovery_ || !recovery_->whole || recovery_->resent || !request_complete_ ||
      !in_session_ || client_ == nullptr || (kind_ != Kind::session && kind_ != Kind::legacy_post))
    return false;
  SessionView now;
  if (!worker_.registry().look(key(), now)) return false;
  // Where no upstream has the session's server any more, other servers are no substitutes.
  if (!upstream_->has(home_.backend)) return false;
  const auto to = now.generation == home_.generation
                      ? upstream_->pick(worker_.now(), request_->tried)
                      : std::optional(now.backend);
  if (!to) return false;
  drop_backend();
  return recover(*to);
}

void Exchange::start_recovery(const http::RequestHead &head, BackendId to, RecoveryPlan plan) {
  RecoveryOrder order;
  order.session = session_.view();
  order.backend = to;
  order.heads = recovery_heads(head, plan.target);
  order.plan = std::move(plan);
  order.connect_timeout = settings_->connect_timeout;
  if (!order.plan.stream) {
    worker_.recover(std::move(order));
    return;
  }
  if (upstream_->has(to) && upstream_->admits_elsewhere(to, worker_.now()))
    order.elsewhere = upstream_->pick_other(worker_.now(), to).value_or(kNoBackend);
  const uint32_t worker = order.plan.stream->worker;
  worker_.tell(worker, ReopenLegacy{std::make_unique<RecoveryOrder>(std::move(order))});
}

// The request at hand as the recovery's own: same client, same credentials, other content.
RecoveryHeads Exchange::recovery_heads(const http::RequestHead &head, const std::string &target) {
  RecoveryHeads heads;
  heads.version = head.fields.value(http::FieldId::mcp_protocol_version);
  const HeaderValues values(*settings_, context(head));
  std::vector<http::ExtraField> set;
  for (const http::ExtraField &field : values.fields()) {
    if (!is_remade(field.name)) set.push_back(field);
  }
  for (const std::string_view name : kRemadeFields) set.push_back({name, {}});

  http::RequestForwarding how;
  how.target = target;
  how.host = !head.host.empty() ? head.host : std::string_view(request_->pass->host);
  heads.host = how.host;
  how.session_rule = http::SessionIdRule::drop;
  how.identity_encoding = true;
  how.trusted_peer = client_->trusted();
  how.client_address = client_->peer_ip();
  how.scheme = client_->scheme();
  how.via = kViaName;
  how.leave_open = true;
  http::RequestHead own = head;
  own.method = http::Method::post;
  own.method_name = "POST";
  set.push_back({"Content-Type", "application/json"});
  set.push_back({"Accept", "application/json, text/event-stream"});
  how.set = set;
  http::write_request_head(heads.post, own, how);
  own.method = http::Method::get;
  own.method_name = "GET";
  set.pop_back();
  set.back() = {"Accept", "text/event-stream"};
  how.set = set;
  http::write_request_head(heads.get, own, how);
  return heads;
}

void Exchange::on_recovery(const RecoveryDone &done) {
  if (phase_ != Phase::recovering) return;
  if (done.status == 0) {
    request_->waiting ? go_on_reopened() : resend();
    return;
  }
  phase_ = Phase::forwarding;
  if (done.status >= 500 && begin_waiting_stream()) return;
  const bool challenged = done.status == 401 && !done.challenge.empty();
  const std::string_view text =
      done.status == 401 || done.status == 403
          ? "the backend wants other credentials before it opens this session again"
      : done.status == 502
          ? "Bad Gateway: the backend lost this session and does not answer"
          : "Service Unavailable: the backend lost this session and cannot open it again now";
  refuse(done.status, text,
         challenged           ? "WWW-Authenticate"
         : done.status == 503 ? "Retry-After"
                              : "",
         challenged           ? std::string_view(done.challenge)
         : done.status == 503 ? std::string_view("1")
                              : std::string_view());
}

// Where the session lives now. False: it has ended, and the request is refused.
bool Exchange::look_again() {
  phase_ = Phase::forwarding;
  if (worker_.registry().look(key(), request_->view)) {
    home_ = static_cast<const SessionHome &>(request_->view);
    return true;
  }
  request_->refusal_reason =
      public_word(worker_.registry().why_ended(session_.view(), request_->user));
  refuse_session_not_found();
  return false;
}

// Once more, and only once: the session lives elsewhere now.
void Exchange::resend() {
  if (!look_again()) return;
  if (recovery_->answers_count > 0) {  // whoever asked is lost
    drop_answers(recovery_->answers_count, recovery_->asks);
    return;
  }
  recovery_->resent = true;
  request_->tried.clear();
  request_->conflict_tries = 0;
  request_->waiting = std::make_unique<ExchangeWaiting>();
  request_->waiting->head = recovery_->head;
  request_->waiting->body = recovery_->body;
  go_on();
}

// ---- event streams ----

// The client's stream stands; its backend is gone. It waits for the session's next one: a stream
// that ended would be asked for again at once, and given up after two refusals.
bool Exchange::stream_can_wait() const {
  if (splicing()) return true;
  return kind_ == Kind::session && method_ == http::Method::get && home_.recovers && in_session_ &&
         client_ != nullptr && event_stream_ && response_started_ && !response_complete_ &&
         sse_.between_events();
}

void Exchange::let_stream_wait() {
  flush_gathered();
  drop_backend();
  if (recovery_) recovery_->splicing = false;
  sse_ = mcp::SseScanner();
  if (request_) {
    request_->resend.clear();
    request_->forget_deadlines();
  }
  stall_due_ = MonoTime::max();
  (void)worker_.registry().stream_waits(key());  // ignoring: it stands either way
  if (client_->unsent_bytes() > 0 && write_due_ == MonoTime::max())
    write_due_ = worker_.now() + write_stall();
  rearm();
}

// A GET that met no backend. Its client would ask once more and then do without a stream for good
// (SDKs do), so it gets one at once, which waits for the session's backend like one that had it.
bool Exchange::begin_waiting_stream() {
  if (kind_ != Kind::session || method_ != http::Method::get || !home_.recovers || !in_session_ ||
      !accepts_stream_ || client_ == nullptr || response_started_ ||
      !worker_.registry().stream_waits(key()))
    return false;
  phase_ = Phase::forwarding;
  recovery_.reset();
  worker_.counters().add(Counter::backend_failures);
  begin_own_stream();
  scan_events_ = true;
  open_stream(StreamKind::get);
  send_opening();
  let_stream_wait();
  return true;
}

// A request got through while streams of the session stand without a backend: they try again, with
// what this request is sent with.
void Exchange::give_streams_a_backend() {
  const WaitingStreams waiting = worker_.registry().take_waiting_streams(key());
  if (waiting.streams.empty()) return;
  http::RequestParser parser;
  http::RequestHead &head = worker_.scratch().request;
  (void)parser.parse(recovery_->head, head);  // ignoring: parsed before
  const std::string request =
      stream_request(recovery_heads(head, waiting.target), request_->view.backend_session);
  for (const ExchangeRef &stream : waiting.streams) {
    worker_.tell(stream.worker, SpliceStream{stream.exchange, home_.generation, request});
  }
}

// The one owner of this stream's backend side gives it another one.
void Exchange::splice(const SpliceStream &order) {
  const bool open = kind_ == Kind::session && method_ == http::Method::get && in_session_ &&
                    client_ != nullptr && event_stream_ && response_started_ &&
                    !response_complete_ && phase_ == Phase::forwarding;
  const bool waits = !backend_ || splicing();
  const bool newer = order.generation > home_.generation;
  if (!open || !(newer || (waits && order.generation == home_.generation))) return;
  if (!sse_.between_events()) {  // half an event of the lost one has gone out
    cut();
    return;
  }
  drop_backend();
  SessionView now;
  if (!worker_.registry().look(key(), now)) return;  // its end is on its way
  home_ = static_cast<const SessionHome &>(now);
  home_.recovers = true;
  sse_ = mcp::SseScanner();
  if (!recovery_) recovery_ = std::make_unique<ExchangeRecovery>();
  recovery_->splicing = true;
  recovery_->event_id.clear();
  if (!request_) request_ = worker_.take_request();
  request_->tried.clear();
  request_->conflict_tries = 0;
  request_->resend = order.request;
  request_->connect_due = worker_.now() + settings_->connect_timeout;
  attach(BackendConn::dial(worker_, home_.backend));
  const iovec all{request_->resend.data(), request_->resend.size()};
  backend_->send({&all, 1});
  backend_->request_sent();
  arm_for_head();
}

void Exchange::on_spliced_head(const http::ResponseHead &head) {
  request_->connect_due = request_->head_due = MonoTime::max();
  const bool ok =
      head.status == 200 &&
      mcp::content_type_is(head.fields.value(http::FieldId::content_type), "text/event-stream");
  if (!ok) {
    let_stream_wait();
    return;
  }
  recovery_->splicing = false;
  request_->resend.clear();
  watch_backend();
  rearm();
}

}  // namespace holdfast::proxy
