// Every way an exchange ends: our own answers, the end of a session, faults on either side, time.
#include <algorithm>

#include "common/ids.h"
#include "common/log.h"
#include "proxy/access_log.h"
#include "proxy/backend_pool.h"
#include "proxy/client_conn.h"
#include "proxy/control.h"
#include "proxy/exchange.h"
#include "proxy/mcp/endpoint_rewrite.h"
#include "proxy/own_answers.h"
#include "proxy/worker.h"

namespace holdfast::proxy {
namespace {

constexpr std::string_view kPlain = "text/plain; charset=utf-8";
constexpr std::string_view kJson = "application/json";

// When the clients of a proxy that stops come back: from one second on, spread over four.
constexpr Millis kComeBackMin{1000};
constexpr uint64_t kComeBackSpreadMs = 4000;

}  // namespace

// Whether an error of ours is told in JSON-RPC: to whoever speaks it, in any era.
bool Exchange::speaks_rpc() const noexcept {
  return json_body_ || asks_stream_ || kind_ == Kind::session || kind_ == Kind::legacy_post;
}

void Exchange::refuse(int status, std::string_view message, std::string_view extra_name,
                      std::string_view extra_value) {
  if (early_) {  // its 200 is out
    fail_early(rpc_code_for(status), message);
    return;
  }
  if (unopened_) {  // so is its; the POSTs are told that asked for a backend
    fail_opening(status, message, extra_name, extra_value);
    return;
  }
  if (phase_ == Phase::admitting) {  // nobody waits for the answer any more
    worker_.control().cancel_admit(session_.str(), ref());
    session_.clear();
  }
  if (admitted_) release(ReleaseReason::client_gone);
  // A message two readers could take apart differently leaves no certain place for the next one.
  if (status == 400 || status == 421) keep_alive_ = false;
  if (speaks_rpc()) {
    const bool belied = status == 400 && request_->head_check && request_->head_check->failed();
    const bool has_id =
        json_body_ && request_id_.empty() && scanner_ && scanner_->size() > 0 && !scanner_->batch();
    if (has_id) request_id_ = scanner_->first().id;
    answer(status, kJson,
           rpc_error_body(request_id_, belied ? kRpcHeaderMismatch : rpc_code_for(status), message,
                          request_->refusal_reason),
           extra_name, extra_value);
  } else {
    answer(status, kPlain, std::string(message) + "\n", extra_name, extra_value);
  }
}

// To the asker a session that never was, has ended, or is another user's are all the same.
void Exchange::refuse_session_not_found() { refuse(404, "Session not found"); }

void Exchange::answer(int status, std::string_view content_type, std::string_view body,
                      std::string_view extra_name, std::string_view extra_value) {
  status_ = status;
  if (!request_complete_ || worker_.draining()) keep_alive_ = false;
  worker_.counters().add(status < 300   ? Counter::responses_2xx
                         : status < 400 ? Counter::responses_3xx
                         : status < 500 ? Counter::responses_4xx
                                        : Counter::responses_5xx);
  response_started_ = response_complete_ = true;
  phase_ = Phase::answered;
  forget_backend_deadlines();
  heartbeat_due_ = opened_due_ = peer_due_ = MonoTime::max();
  body_bytes_ = body.size();
  if (client_ == nullptr) {
    complete();
    return;
  }
  std::string &text = worker_.scratch().client_head;
  text.clear();
  const http::ExtraField extra{extra_name, extra_value};
  http::OwnResponse own;
  own.status = status;
  own.content_type = content_type;
  own.body = body;
  own.head_only = method_ == http::Method::head;
  own.keep_alive = keep_alive_;
  own.date = worker_.http_date();
  if (!extra_name.empty()) own.fields = {&extra, 1};
  http::write_own_response(text, own);
  const iovec all{text.data(), text.size()};
  worker_.scratch().client_gather.clear();
  client_->send({&all, 1});
  if (client_->unsent_bytes() == 0) {
    complete();
    return;
  }
  write_due_ = worker_.now() + write_stall();
  rearm();
}

void Exchange::backend_failed(int status, std::string_view message) {
  if (splicing()) {
    let_stream_wait();
    return;
  }
  drop_backend();
  if (kind_ == Kind::management) {
    management_failed();
    return;
  }
  worker_.counters().add(Counter::backend_failures);
  if (admitted_) release(ReleaseReason::backend_failed);
  refuse(status, message);
}

// sessiond is away: health is answered from what this process knows itself, the rest says so.
void Exchange::management_failed() {
  if (request_->location->handler != Handler::health) {
    answer(503, kPlain, "the session daemon is away; try again\n", "Retry-After", "1");
    return;
  }
  const bool users = request_->location->health_users || client_->listener().trusted_local;
  const OwnHealth health = worker_.own_health(request_->target, users);
  answer(health.status, kJson, health.body);
}

// Counts and tells a fault of the backend, and counts the backend out where it is to blame.
void Exchange::note_fault(BackendFault fault, const char *detail) {
  const std::string &name = worker_.backends().at(backend_->backend()).name;
  worker_.backend_stats().cells[backend_->backend()].errors.fetch_add(1, std::memory_order_relaxed);
  const bool unreachable =
      fault == BackendFault::connect_refused || fault == BackendFault::tls_failed;
  if (unreachable) {
    worker_.note_backend(backend_->backend(), false);
  }
  if (kind_ != Kind::management && worker_.fault_log().allow(worker_.now())) {
    log_warn("event=backend_fault backend={} fault={} detail={} suppressed={}", name,
             to_word(fault), quoted(detail), worker_.fault_log().suppressed());
  }
  const bool blamed = unreachable || fault == BackendFault::closed_early;
  if (upstream_ != nullptr && blamed && !backend_->reused()) {
    upstream_->note_failure(backend_->backend(), worker_.now());
  }
}

void Exchange::on_backend_fault(BackendFault fault, const char *detail) {
  note_fault(fault, detail);
  if (unopened_) {
    if (!try_elsewhere(fault))
      backend_failed(502, "Bad Gateway: the backend did not open the event stream");
    return;
  }
  if (stream_can_wait()) {
    let_stream_wait();
    return;
  }
  if (leave_lost_backend()) return;
  const bool unseen = response_started_ && !flushed_ && !in_session_ && !legacy_;
  if (!response_started_ || unseen) {
    const bool unsent = backend_->accepted_bytes() == 0;
    if (!unseen && (try_elsewhere(fault) || recover_elsewhere(unsent) || begin_waiting_stream()))
      return;
    worker_.scratch().client_gather.clear();
    chunk_open_ = false;
    legacy_.reset();
    response_started_ = false;
    if (fault == BackendFault::connect_refused && end_lost_session()) return;
    if (fault == BackendFault::no_descriptor) {
      backend_failed(503, "Service Unavailable: out of file descriptors");
    } else {
      backend_failed(502, fault == BackendFault::malformed
                              ? "Bad Gateway: the backend's answer is not valid HTTP"
                          : fault == BackendFault::tls_failed
                              ? "Bad Gateway: no trusted TLS connection to the backend"
                              : "Bad Gateway: the backend did not answer");
    }
    return;
  }
  if (early_ && !early_->headed && try_elsewhere(fault)) return;
  worker_.counters().add(Counter::backend_failures);
  if (client_ == nullptr) {
    drop_backend();
    finished(StreamReason::backend_cut);
    worker_.retire(id_);
    return;
  }
  const std::string last_event = lost_call("the backend was lost in mid-call");
  if (!last_event.empty()) {
    flush_gathered();
    finish_stream(StreamReason::backend_cut, last_event);
    return;
  }
  fail_calls_in_flight("the backend was lost in mid-call", EndReason::backend_lost);
  cut();
}

// A call whose answer can no longer come in its stream is told so, unless the client can resume it
// by event id: the event that says it, after which the call counts as answered. Empty where that
// is no such call, or an event is open.
std::string Exchange::lost_call(std::string_view message) {
  const bool whole = sse_.between_events() && !(early_ && early_->in_event);
  const bool hopeless = event_stream_ && is_call_ && !answered_ && (!ids_seen_ || home_.recovers) &&
                        (kind_ == Kind::session || early_) && method_ == http::Method::post &&
                        whole;
  if (!hopeless) return {};
  answered_ = true;
  return message_event(rpc_error_body(request_id_, kRpcServerError, message));
}

// The answers of a legacy session come down its stream alone: with the backend's they are lost, and
// whoever waits for one is told instead of waiting on.
void Exchange::fail_calls_in_flight(std::string_view message, EndReason reason,
                                    std::optional<ExchangeRef> carrier) {
  if (kind_ != Kind::legacy_open || !in_session_ || client_ == nullptr || !sse_.between_events())
    return;
  std::string events;
  for (const std::string &id : worker_.registry().calls_in_flight(key(), carrier)) {
    events += message_event(rpc_error_body(id, kRpcServerError, message, public_word(reason)));
    worker_.registry().on_response(key(), id);
  }
  if (events.empty()) return;
  add_client_data(events);
  flush_gathered();
}

// Writes what this turn has gathered, without ending anything.
void Exchange::flush_gathered() {
  close_chunk();
  Gather &gather = worker_.scratch().client_gather;
  if (!gather.empty()) client_->send(gather.packed());
  gather.clear();
  flushed_ = true;
}

// The client must see that something is missing: no last chunk, a short length, or RST.
void Exchange::cut() {
  if (response_started_) flush_gathered();
  drop_backend();
  const bool reset = client_body_ == http::BodyKind::until_close;
  finished(StreamReason::backend_cut);
  client_->abort(reset);
}

// Ends an event stream on purpose: what is given as its last event, then the last chunk.
void Exchange::finish_stream(StreamReason reason, std::string_view last_event) {
  drop_backend();
  forget_backend_deadlines();
  worker_.scratch().client_gather.clear();
  chunk_open_ = false;
  end_reason_ = reason;
  // A pending rest of the stream may end inside an event; what follows would be read as part of it.
  if (!last_event.empty() && (unopened_ || sse_.between_events())) add_client_data(last_event);
  response_complete_ = ending_ = true;
  keep_alive_ = false;
  flush_client();
  if (phase_ == Phase::done) return;
  write_due_ = worker_.now() + kEndingFlush;
  rearm();
}

void Exchange::finish_for(EndReason reason, Millis idle) {
  ended_idle_ = idle;
  if (request_) request_->refusal_reason = public_word(reason);
  in_session_ = false;  // the registry has forgotten it
  if (phase_ == Phase::done) return;
  if (client_ == nullptr) {
    drop_backend();
    finished(StreamReason::session_ended);
    worker_.retire(id_);
    return;
  }
  const StreamReason stream_reason = stream_reason_of(reason);
  if (!response_started_) {
    drop_backend();
    legacy_.reset();
    if (phase_ != Phase::answered) refuse_session_not_found();
    return;
  }
  if (!event_stream_ || response_complete_)
    return;  // a finite answer is on its way: it is let through
  std::string last_event;
  if (kind_ == Kind::listen) last_event = message_event(listen_result(request_id_));
  if (early_ && !answered_ && !early_->in_event) {
    last_event = message_event(rpc_error_body(request_id_, kRpcSessionNotFound,
                                              "the session was ended in mid-call",
                                              request_->refusal_reason));
  }
  finish_stream(stream_reason, last_event);
}

void Exchange::on_stop() {
  const bool endless = event_stream_ && response_started_ && !response_complete_ &&
                       (method_ == http::Method::get || kind_ == Kind::listen);
  if (!endless || client_ == nullptr) return;
  // The clients of one proxy must not all come back in the same moment.
  const uint64_t chance = keyed_hash(session_.str() + std::to_string(id_));
  const Millis after = kComeBackMin + Millis{chance % kComeBackSpreadMs};
  finish_stream(StreamReason::shutdown, kind_ == Kind::listen
                                            ? message_event(listen_result(request_id_))
                                            : retry_event(after));
}

bool Exchange::on_client_gone(StreamReason reason) {
  client_ = nullptr;
  worker_.scratch().client_gather.clear();
  chunk_open_ = false;
  if (phase_ == Phase::done) return false;
  if (phase_ == Phase::admitting) {
    worker_.control().cancel_admit(session_.str(), ref());
    session_.clear();
  }
  write_due_ = heartbeat_due_ = stream_due_ = peer_due_ = MonoTime::max();
  if (request_) request_->early_due = MonoTime::max();
  // A session's client that leaves a POST has not cancelled (2025 eras): the backend finishes its
  // work, and may keep the answer for a resumption. An initialize is drained to learn the backend's
  // id.
  const bool drains =
      worker_.may_adopt() && backend_ && request_complete_ && !discard_request_ &&
      !response_complete_ && method_ == http::Method::post &&
      (kind_ == Kind::session || kind_ == Kind::initialize || kind_ == Kind::legacy_post);
  if (drains) {
    // Nobody waits on this connection any more: from now on the request holds its session for one
    // timeout, not for as long as the backend takes.
    report_closed(reason, leave_session(SessionRegistry::Finish::open_ended));
    if (request_) request_->forget_deadlines();
    opened_due_ = MonoTime::max();
    backend_->pause_reading(false);
    stall_due_ = worker_.now() + kDetachedMax;
    rearm();
    return true;
  }
  drop_backend();
  if (admitted_) release(ReleaseReason::client_gone);
  finished(reason);
  phase_ = Phase::done;
  return false;
}

void Exchange::on_request_timeout() {
  worker_.counters().add(Counter::protocol_errors);
  keep_alive_ = false;
  drop_backend();
  if (response_started_) {
    cut();
  } else {
    refuse(408, "the request body did not arrive in time");
  }
}

SessionRegistry::Finish Exchange::how_finished() const {
  using Finish = SessionRegistry::Finish;
  if (kind_ == Kind::legacy_post)
    return status_ >= 200 && status_ < 300 ? Finish::open_ended : Finish::answered;
  if (event_stream_ && !answered_) return Finish::open_ended;
  return response_complete_ || !response_started_ ? Finish::answered : Finish::open_ended;
}

void Exchange::complete() {
  if (phase_ == Phase::done) return;
  phase_ = Phase::done;
  park_backend();
  finished(end_reason_);
  if (client_ == nullptr) {
    worker_.registry().on_response(session_.view(), request_id_);
    worker_.retire(id_);
  } else {
    client_->exchange_done(keep_alive_ && request_complete_);
  }
}

// The books: session, stream, timers, log. Exactly once.
void Exchange::finished(StreamReason reason) {
  phase_ = Phase::done;
  timer_.disarm();
  if (unopened_) end_unopened({.status = 404, .message = "Session not found"});
  if (admitted_) release(ReleaseReason::backend_failed);  // a legacy stream cut before its endpoint
  if (scanner_) worker_.give_scanner(std::move(scanner_));
  const bool is_session = kind_ == Kind::legacy_open || kind_ == Kind::listen;
  const bool owns_session = is_session && in_session_;
  const Millis idle = in_session_ ? leave_session(how_finished()) : ended_idle_;
  report_closed(reason, idle);
  if (owns_session) {
    // A legacy session and a listen are their stream: when it goes, they end.
    const bool by_client = reason == StreamReason::client_closed ||
                           reason == StreamReason::client_vanished ||
                           reason == StreamReason::write_stalled;
    const bool by_limit =
        reason == StreamReason::stream_timeout || reason == StreamReason::stream_idle_timeout;
    end_session(reason == StreamReason::shutdown ? EndReason::shutdown
                : by_client                      ? EndReason::client_gone
                : by_limit                       ? EndReason::stream_timeout
                                                 : EndReason::backend_ended);
  }
  write_log(event_stream_ ? "close" : "request");
}

void Exchange::report_closed(StreamReason reason, Millis idle) {
  if (!stream_opened_) return;
  stream_opened_ = false;
  worker_.control().report(link::Closed{session_.str(), static_cast<int64_t>(id_), reason,
                                        idle.count(), static_cast<int64_t>(body_bytes_)});
  worker_.counters().add(Counter::streams_open, -1);
  worker_.counters().add(Counter::stream_bytes, static_cast<int64_t>(body_bytes_));
  log_info("event=stream_closed session={} kind={} reason={} idle_ms={} bytes={}",
           handle_of(session_.view()), to_word(stream_kind_), to_word(reason), idle.count(),
           body_bytes_);
}

// The backend's answer is complete: its connection may serve others.
void Exchange::park_backend() {
  running_.end();
  if (!backend_) return;
  BackendPool &pool = worker_.pool(backend_->backend());
  const bool reusable = backend_->release() && !discard_request_ && kind_ != Kind::management;
  if (reusable) {
    pool.put(std::move(backend_), worker_.now(), upstream_->keepalive());
  } else {
    worker_.bury(std::move(backend_));
  }
}

void Exchange::drop_backend() {
  running_.end();
  if (!backend_) return;
  (void)backend_->release();  // ignoring: it is not used again
  worker_.bury(std::move(backend_));
}

void Exchange::arm_for_head() {
  if (kind_ == Kind::management) {
    request_->head_due = worker_.now() + Millis{1000};
  } else if (!patient()) {
    request_->head_due = unopened_ ? unopened_->due : worker_.now() + settings_->read_timeout;
  } else if (settings_->call_timeout > Millis{0}) {
    request_->head_due = worker_.now() + settings_->call_timeout;
  }
  if (may_stream_early()) request_->early_due = worker_.now() + settings_->early_stream;
  rearm();
}

// Deadlines that move with progress are only looked at when the timer fires: re-arming is for
// earlier ones, so that the usual request touches the wheel once.
void Exchange::rearm() {
  // Two by two: std::min() of a list would first write the list.
  const MonoTime request = request_ ? request_->first_due() : MonoTime::max();
  const MonoTime client = std::min(std::min(write_due_, heartbeat_due_), peer_due_);
  const MonoTime stream = std::min(std::min(opened_due_, stream_due_), stall_due_);
  const MonoTime due = std::min(std::min(request, client), stream);
  if (due == MonoTime::max()) {
    timer_.disarm();
  } else if (!timer_.armed() || timer_.due() > due) {
    timer_.arm(due);
  }
}

void Exchange::on_deadline(WheelTimer &) {
  if (on_due(worker_.now())) rearm();
  forget_request();
}

// What is owed until the answer begins. False: it ran out of time, and that has been dealt with.
bool Exchange::on_request_due(MonoTime now) {
  if (request_->connect_due <= now) {
    request_->connect_due = MonoTime::max();
    if (!backend_ || !backend_->connecting()) return true;
    if (upstream_ != nullptr) upstream_->note_failure(backend_->backend(), now);
    worker_.note_backend(backend_->backend(), false);
    if (!try_elsewhere(BackendFault::connect_refused) && !recover_elsewhere(true) &&
        !begin_waiting_stream() && !end_lost_session())
      backend_failed(504, "Gateway Timeout: cannot connect");
    return false;
  }
  if (request_->send_due <= now) {
    request_->send_due = MonoTime::max();
    if (backend_ && backend_->unsent_bytes() > 0) {
      if (backend_->accepted_bytes() == request_->send_mark && !response_started_) {
        backend_failed(504, "Gateway Timeout: the backend does not read the request");
        return false;
      }
      request_->send_mark = backend_->accepted_bytes();
      request_->send_due = now + settings_->send_timeout;
    }
  }
  return request_->head_due > now || on_head_due();
}

// What the backend owes of the answer. False: as above.
bool Exchange::on_backend_due(MonoTime now) {
  if (stall_due_ <= now) return on_silence_due();
  if (stream_due_ <= now) {
    end_stream(StreamReason::stream_timeout);
    return false;
  }
  return true;
}

// False: the exchange has ended, or waits for something new.
bool Exchange::on_due(MonoTime now) {
  if (request_ && !on_request_due(now)) return false;
  if (!on_backend_due(now)) return false;
  const bool held = request_ && request_->hold_due <= now;
  if (held && phase_ == Phase::restoring) {
    on_wait_due();
    return phase_ != Phase::done;
  }
  if (held && legacy_ && unopened_) {
    not_legacy(504, "Gateway Timeout: the backend announced no endpoint in time");
    return phase_ != Phase::done;
  }
  if (held && legacy_) {
    // A slow first event: the client gets its head, the event is still waited for.
    request_->hold_due = MonoTime::max();
    response_started_ = flushed_ = true;
    const iovec all{legacy_->client_head.data(), legacy_->client_head.size()};
    client_->send({&all, 1});
  }
  if (write_due_ <= now && client_ != nullptr) {
    write_due_ = MonoTime::max();
    drop_backend();
    finished(ending_ ? end_reason_ : StreamReason::write_stalled);
    client_->abort(true);
    return false;
  }
  if (peer_due_ <= now && client_ != nullptr && client_vanished(now)) {
    drop_backend();
    finished(StreamReason::client_vanished);
    client_->abort(true);
    return false;
  }
  if (request_ && request_->again_due <= now) ask_again();
  if (request_ && request_->early_due <= now) start_early_stream();
  if (opened_due_ <= now) report_opened();
  if (heartbeat_due_ <= now && event_stream_) heartbeat();
  return phase_ != Phase::done;
}

}  // namespace holdfast::proxy
