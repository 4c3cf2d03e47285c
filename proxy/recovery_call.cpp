#include "proxy/recovery_call.h"

#include <strings.h>

#include <algorithm>

#include "common/ids.h"
#include "common/log.h"
#include "proxy/backend_pool.h"
#include "proxy/control.h"
#include "proxy/initialize_result.h"
#include "proxy/worker.h"

namespace holdfast::proxy {
namespace {

constexpr std::string_view kInitialized =
    R"({"jsonrpc":"2.0","method":"notifications/initialized"})";

void add_field(std::string &head, std::string_view name, std::string_view value) {
  head.append(name).append(": ").append(value).append("\r\n");
}

std::string_view challenge_in(const http::ResponseHead &head) {
  constexpr std::string_view kName = "WWW-Authenticate";
  for (const http::Field &field : head.fields.all()) {
    if (field.name.size() == kName.size() &&
        ::strncasecmp(field.name.data(), kName.data(), kName.size()) == 0) {
      return field.value;
    }
  }
  return {};
}

// Statuses that say "not now" or "not you": the session is not to be given up for them.
bool may_pass(int status) {
  return status >= 500 || status == 401 || status == 403 || status == 408 || status == 429;
}

}  // namespace

std::string stream_request(const RecoveryHeads &heads, std::string_view backend_session) {
  std::string text = heads.get;
  if (!heads.version.empty()) add_field(text, "MCP-Protocol-Version", heads.version);
  add_field(text, "Mcp-Session-Id", backend_session);
  return text.append("\r\n");
}

RecoveryCall::RecoveryCall(Worker &worker, RecoveryOrder order)
    : worker_(worker), order_(std::move(order)), timer_(worker.wheel(), *this) {}

RecoveryCall::~RecoveryCall() = default;

void RecoveryCall::start() {
  due_ = worker_.now() + kRecoveryMax;
  log_info("event=session_recovery session={} backend={}", handle_of(order_.session),
           worker_.backends().at(order_.backend).name);
  // A connection of its own: one that rested may have died with the session.
  say(BackendConn::dial(worker_, order_.backend), order_.plan.initialize);
  timer_.arm(std::min(due_, worker_.now() + order_.connect_timeout));
}

void RecoveryCall::say_next(std::string_view body) {
  std::unique_ptr<BackendConn> idle = worker_.pool(order_.backend).take(worker_.now());
  say(idle ? std::move(idle) : BackendConn::dial(worker_, order_.backend), body);
}

void RecoveryCall::say(std::unique_ptr<BackendConn> conn, std::string_view body) {
  conn_ = std::move(conn);
  complete_ = false;
  answer_ = RpcAnswer();
  conn_->begin(*this, http::Method::post);
  std::string text = order_.heads.post;
  if (step_ != Step::initialize) {
    if (!order_.heads.version.empty())
      add_field(text, "MCP-Protocol-Version", order_.heads.version);
    add_field(text, "Mcp-Session-Id", opened_);
  }
  add_field(text, "Content-Length", std::to_string(body.size()));
  text.append("\r\n").append(body);
  const iovec all{text.data(), text.size()};
  conn_->send({&all, 1});
  conn_->request_sent();
}

// Connected: from here on only the whole is limited.
void RecoveryCall::on_backend_writable() { timer_.arm(due_); }

void RecoveryCall::on_backend_head(const http::ResponseHead &head) {
  if (head.status < 200) return;
  timer_.arm(due_);
  status_ = head.status;
  answer_.begin(head);
  if (step_ != Step::initialize) return;
  if (status_ < 300) opened_ = head.fields.value(http::FieldId::mcp_session_id);
  if (status_ == 401) challenge_ = challenge_in(head);
}

void RecoveryCall::on_backend_end() {
  complete_ = true;
  answer_.end();
}

void RecoveryCall::on_backend_turn_end() {
  if (!complete_ && !answer_.found()) return;
  park();
  step_done();
}

void RecoveryCall::park() {
  if (!conn_) return;
  if (conn_->release()) {
    worker_.pool(order_.backend).put(std::move(conn_), worker_.now(), 1);
  } else {
    worker_.bury(std::move(conn_));
  }
}

void RecoveryCall::step_done() {
  const bool ok = status_ >= 200 && status_ < 300;
  if (!ok && step_ != Step::replay) {
    if (may_pass(status_)) return fail(status_, "the backend refused");
    return lose("the backend refused");
  }
  switch (step_) {
    case Step::initialize:
      return on_initialized();
    case Step::initialized:
    case Step::replay:
      return next_replay();
  }
}

void RecoveryCall::on_initialized() {
  if (!answer_.found()) return fail(502, "no answer to initialize");
  if (opened_.empty()) return lose("the backend keeps no sessions any more");
  if (initialize_fingerprint(answer_.json()) != order_.plan.result)
    return lose("the backend promises something else than before");
  step_ = Step::initialized;
  say_next(kInitialized);
}

// What the server refuses to be told again is not worth the session: the client could not have
// known either.
void RecoveryCall::next_replay() {
  step_ = Step::replay;
  if (replayed_ == order_.plan.replays.size()) return succeed();
  say_next(order_.plan.replays[replayed_++]);
}

void RecoveryCall::succeed() {
  std::optional<RecoveredSession> recovered =
      worker_.registry().finish_recovery(order_.session, order_.backend, opened_);
  if (!recovered) {  // it has ended meanwhile
    forget_opened();
    worker_.call_done(*this);
    return;
  }
  if (recovered->shared) {
    opened_.clear();  // it stays the user's who has it: a DELETE would end theirs
    return lose("the backend gave out a session that is another user's");
  }
  worker_.counters().add(Counter::sessions_recovered);
  log_warn(
      "event=session_recovered session={} backend={} generation={} replayed={} waiting={} "
      "detail=\"what the server held for it is lost\"",
      handle_of(order_.session), worker_.backends().at(order_.backend).name, recovered->generation,
      replayed_, recovered->waiting.size());
  link::Bound bound;
  bound.session = order_.session;
  bound.backend = worker_.backends().at(order_.backend).name;
  bound.backend_session = opened_;
  bound.target = order_.plan.target;
  worker_.control().rebound(std::move(bound));
  for (const ExchangeRef &stream : recovered->streams) {
    worker_.tell(stream.worker, SpliceStream{stream.exchange, recovered->generation,
                                             stream_request(order_.heads, opened_)});
  }
  for (const ExchangeRef &waiting : recovered->waiting)
    worker_.tell(waiting.worker, RecoveryDone{waiting.exchange, 0, {}});
  worker_.call_done(*this);
}

// The session lives on without a backend; a later request may find it back.
void RecoveryCall::fail(int status, const char *detail) {
  worker_.counters().add(Counter::recoveries_failed);
  if (worker_.fault_log().allow(worker_.now())) {
    log_warn(
        "event=session_recovery_failed session={} backend={} status={} detail={} suppressed={}",
        handle_of(order_.session), worker_.backends().at(order_.backend).name, status_,
        quoted(detail), worker_.fault_log().suppressed());
  }
  forget_opened();
  const int told = status == 401 || status == 403 ? status : status == 502 ? 502 : 503;
  for (const ExchangeRef &waiting : worker_.registry().fail_recovery(order_.session))
    worker_.tell(waiting.worker, RecoveryDone{waiting.exchange, told, challenge_});
  worker_.call_done(*this);
}

// There is no session like it to be had any more: it ends here, for everybody who is on it.
void RecoveryCall::lose(const char *detail) {
  worker_.counters().add(Counter::recoveries_failed);
  log_warn("event=session_not_recovered session={} backend={} status={} detail={}",
           handle_of(order_.session), worker_.backends().at(order_.backend).name, status_,
           quoted(detail));
  forget_opened();
  std::optional<EndedSession> ended =
      worker_.registry().end(order_.session, EndReason::backend_lost);
  if (ended) worker_.control().session_ended(std::move(*ended));
  worker_.call_done(*this);
}

void RecoveryCall::forget_opened() {
  if (!opened_.empty())
    worker_.delete_at_backend({order_.backend, order_.plan.target, std::move(opened_)});
}

void RecoveryCall::on_backend_fault(BackendFault fault, const char *detail) {
  if (fault == BackendFault::connect_refused || fault == BackendFault::tls_failed)
    worker_.note_backend(order_.backend, false);
  park();
  status_ = 0;
  fail(502, detail);
}

void RecoveryCall::on_deadline(WheelTimer &) {
  park();
  status_ = 0;
  fail(502, "no answer in time");
}

}  // namespace holdfast::proxy
