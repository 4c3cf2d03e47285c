// How long an answer may take: until it begins, between two reads of it, and, where somebody wants
// that, for an event stream as a whole. A slow answer is not a dead one: what answers a JSON-RPC
// request has no limit but call_timeout until its body has begun, and an event stream none at all
// unless it is set.
#include "common/ids.h"
#include "common/log.h"
#include "proxy/client_conn.h"
#include "proxy/control.h"
#include "proxy/exchange.h"
#include "proxy/mcp/era.h"
#include "proxy/own_answers.h"
#include "proxy/worker.h"

namespace holdfast::proxy {

// Whether the backend may take its time, as over a tool that works for hours. What opens a session
// is work for nobody, and a legacy POST is answered in the session's stream.
bool Exchange::patient() const noexcept {
  return is_call_ && kind_ != Kind::initialize && kind_ != Kind::legacy_post;
}

// Whether the backend's answer has an end of its own and has begun: JSON that travels as an event
// is still JSON.
bool Exchange::in_finite_body() const noexcept {
  return body_bytes_ > 0 && (!event_stream_ || (early_ && early_->json));
}

// Whether an error is being looked at that may mean a lost session.
bool Exchange::judging() const noexcept { return recovery_ && recovery_->judged != 0; }

// Whether the stream's new backend has not answered yet.
bool Exchange::splicing() const noexcept { return recovery_ && recovery_->splicing; }

// For how long the backend may send nothing; zero: for ever. A legacy stream nobody has posted to
// has none.
Millis Exchange::silence_max() const noexcept {
  if (unopened_) return Millis{0};
  if (judging()) return settings_->read_timeout;
  if (in_finite_body()) return settings_->read_timeout;
  if (event_stream_) return settings_->stream_idle_timeout;
  return patient() ? Millis{0} : settings_->read_timeout;
}

// How long the client may take nothing.
Millis Exchange::write_stall() const noexcept {
  return event_stream_ ? settings_->stream_send_timeout : settings_->client_send_timeout;
}

// The backend was heard, or can be heard again: its silence begins now.
void Exchange::watch_backend() {
  if (in_finite_body()) request_->head_due = MonoTime::max();
  const Millis silence = silence_max();
  const MonoTime before = stall_due_;
  stall_due_ = silence > Millis{0} ? worker_.now() + silence : MonoTime::max();
  if (stall_due_ < before) rearm();
}

void Exchange::begin_stream_limits() {
  if (settings_->stream_timeout > Millis{0})
    stream_due_ = worker_.now() + settings_->stream_timeout;
  watch_backend();
  rearm();
}

void Exchange::forget_backend_deadlines() noexcept {
  if (request_) request_->forget_deadlines();
  stall_due_ = stream_due_ = MonoTime::max();
}

// The answer has not begun in time. Once its head is out, only a break can say so.
bool Exchange::on_head_due() {
  request_->head_due = MonoTime::max();
  if (response_started_ && !early_ && !unopened_ && !splicing()) {
    note_fault(BackendFault::stalled, "an answer without its body");
    cut();
  } else {
    backend_failed(504, "Gateway Timeout: the backend did not answer in time");
  }
  return false;
}

// The backend has sent nothing for as long as it may. True: it goes on.
bool Exchange::on_silence_due() {
  if (client_ != nullptr && backend_ && backend_->reading_paused()) {  // it is we who do not read
    watch_backend();
    return true;
  }
  stall_due_ = MonoTime::max();
  if (client_ == nullptr) {
    drop_backend();
    finished(StreamReason::backend_cut);
    worker_.retire(id_);
  } else if (judging()) {  // nothing of it has gone to the client
    backend_failed(504, "Gateway Timeout: the backend did not answer in time");
  } else if (event_stream_ && !in_finite_body()) {
    end_stream(StreamReason::stream_idle_timeout);
  } else {
    note_fault(BackendFault::stalled, "an answer that stopped coming");
    cut();
  }
  return false;
}

// Ends an event stream that reached a limit, in good order: a listen gets its result, a call that
// nobody can answer any more its error.
void Exchange::end_stream(StreamReason reason) {
  if (!response_started_) {  // a legacy stream whose first event is still awaited
    legacy_.reset();
    backend_failed(504, "Gateway Timeout: the backend's stream did not begin in time");
    return;
  }
  if (!stream_opened_) {  // those that are reported are logged with that
    log_info("event=stream_limit session={} reason={} bytes={}", handle_of(session_.view()),
             to_word(reason), body_bytes_);
  }
  // A legacy stream whose first POST asks for a slot.
  if (phase_ == Phase::admitting) worker_.control().cancel_admit(session_.str(), ref());
  phase_ = Phase::answered;  // nothing this exchange waits for is of use any more
  const std::string_view why = reason == StreamReason::stream_timeout
                                   ? "the stream was ended by stream_timeout"
                                   : "the stream was ended by stream_idle_timeout";
  fail_calls_in_flight(why, EndReason::stream_timeout);
  const std::string last_event =
      kind_ == Kind::listen ? message_event(listen_result(request_id_)) : lost_call(why);
  finish_stream(reason, last_event);
}

}  // namespace holdfast::proxy
