// Legacy sessions whose backend was lost while their client's stream stands (session_recovery). The
// stream goes on, kept alive by heartbeats; the calls that were in flight are told at once. The
// next POST brings the credentials to open a backend with, none are kept, and waits until the
// stream's worker has done so (LegacyRecovery): a server that ended a silent session is not asked
// for another one before it is needed, and one that starts is asked by nobody in vain.
//
//   stream:  forwarding ──lost──▶ forwarding, no backend ──take_over()──▶ forwarding
//   POST:    [recovering] ──RecoveryDone──▶ sent for the first time, or refused
#include <utility>

#include "common/ids.h"
#include "common/log.h"
#include "proxy/client_conn.h"
#include "proxy/control.h"
#include "proxy/exchange.h"
#include "proxy/initialize_result.h"
#include "proxy/own_answers.h"
#include "proxy/upstream.h"
#include "proxy/worker.h"

namespace holdfast::proxy {

// ---- the stream ----

// The session begins: the result of its initialize will come by.
void Exchange::expect_result() {
  home_.recovers = true;
  recovery_ = std::make_unique<ExchangeRecovery>();
  recovery_->result = std::make_unique<RpcAnswer>();
}

// An event has passed; the next backend's result is compared with the initialize's.
void Exchange::take_streamed_result(const mcp::SseEvent &event, size_t end) {
  RpcAnswer &result = *recovery_->result;
  result.on_sse_event(event, end);
  if (!result.found()) return;
  const auto awaited = worker_.registry().awaits_result(key(), scanner_->first().id);
  if (awaited == false) {  // another request's, before it
    result = RpcAnswer();
    return;
  }
  const auto fingerprint =
      awaited && result.ok() ? initialize_fingerprint(result.json()) : std::nullopt;
  if (fingerprint) worker_.registry().keep_result(key(), *fingerprint);
  recovery_.reset();
}

// Whether this is a legacy session's stream that could go on without the backend it had. An event
// that has gone out in part cannot be completed: its client must see a break.
bool Exchange::may_stand_alone() const noexcept {
  return kind_ == Kind::legacy_open && settings_->session_recovery && in_session_ &&
         client_ != nullptr && phase_ == Phase::forwarding && !legacy_ && response_started_ &&
         !response_complete_ && sse_.between_events();
}

// The backend of the session is lost, by its stream's end or by what it answered a POST. False: the
// stream cannot go on without it.
bool Exchange::leave_lost_backend() {
  if (!may_stand_alone() || !worker_.registry().stream_waits(key())) return false;
  if (backend_) {
    log_info("event=legacy_backend_lost session={} backend={} hint=\"its next request opens one\"",
             handle_of(session_.view()), worker_.backends().at(home_.backend).name);
  }
  fail_calls_in_flight("the backend was lost in mid-call", EndReason::backend_lost);
  let_stream_wait();
  return true;
}

// The new backend's connection, in the middle of its stream: `held` is what has come of it for the
// client.
void Exchange::take_over(std::unique_ptr<BackendConn> conn, std::string_view held) {
  SessionView now;
  if (!may_stand_alone() || !worker_.registry().look(key(), now)) {
    (void)conn->release();  // ignoring: it is not used again
    worker_.bury(std::move(conn));
    return;  // its end is on its way
  }
  drop_backend();
  home_ = static_cast<const SessionHome &>(now);
  home_.recovers = true;
  running_ = upstream_->mark_running(home_.backend);
  backend_ = std::move(conn);
  backend_->hand_over(*this);
  watch_backend();
  if (!held.empty()) on_backend_data(held);
  on_backend_turn_end();
}

void Exchange::on_calls_lost(const CallsLost &calls) {
  if (!may_stand_alone()) return;
  fail_calls_in_flight("the backend was lost in mid-call", EndReason::backend_lost, calls.carrier);
}

// ---- the POST ----

// Nothing of it has been sent. Afterwards it goes on, waits, or is refused.
void Exchange::await_reopening(const http::RequestHead &head) {
  using Start = SessionRecovery::Start;
  RecoveryPlan plan;
  switch (worker_.registry().start_recovery(key(), ref(), home_.generation, plan)) {
    case Start::lead:
      phase_ = Phase::recovering;
      start_recovery(head, reopen_at(), std::move(plan));
      return;
    case Start::wait:
      phase_ = Phase::recovering;
      return;
    case Start::moved_on:
      (void)look_again();  // ignoring: a refusal is an answer
      return;
    case Start::resting:
      refuse_resting();
      return;
    case Start::hopeless:
      request_->refusal_reason = public_word(EndReason::backend_lost);
      end_session(EndReason::backend_lost);
      refuse_session_not_found();
      return;
  }
}

// The backend has taken the message, and answers down the session's stream. The registry knows so
// before the client does; or the stream, when it is lost, could miss a call that had been accepted.
// That may have happened already: then it is for us to say so.
void Exchange::leave_taken() {
  (void)leave_session(how_finished());  // ignoring: how long it was idle is the stream's to report
  SessionView now;
  if (!home_.recovers || !worker_.registry().look(key(), now)) return;
  if (!now.streams_wait && now.generation == home_.generation) return;
  for (const ExchangeRef &stream : worker_.registry().open_streams(key()))
    worker_.tell(stream.worker, CallsLost{stream.exchange, ref()});
}

void Exchange::go_on_reopened() {
  if (!look_again()) return;
  go_on();
  if (in_session_ && !classified_) classify();
}

}  // namespace holdfast::proxy
