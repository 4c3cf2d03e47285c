#include "proxy/recovery_task.h"

#include <algorithm>

#include "common/ids.h"
#include "common/log.h"
#include "proxy/control.h"
#include "proxy/http/byte_class.h"
#include "proxy/worker.h"

namespace holdfast::proxy {
namespace {

// Statuses that say "not now" or "not you": the session is not to be given up for them.
bool may_pass(int status) {
  return status >= 500 || status == 401 || status == 403 || status == 408 || status == 429;
}

}  // namespace

std::string_view challenge_in(const http::ResponseHead &head) {
  for (const http::Field &field : head.fields.all()) {
    if (http::iequals(field.name, "WWW-Authenticate")) return field.value;
  }
  return {};
}

void add_field(std::string &head, std::string_view name, std::string_view value) {
  head.append(name).append(": ").append(value).append("\r\n");
}

RecoveryTask::RecoveryTask(Worker &worker, RecoveryOrder order)
    : worker_(worker), order_(std::move(order)), timer_(worker.wheel(), *this) {}

RecoveryTask::~RecoveryTask() = default;

void RecoveryTask::start() {
  due_ = worker_.now() + kRecoveryMax;
  log_info("event=session_recovery session={} backend={}", handle_of(order_.session),
           worker_.backends().at(order_.backend).name);
  begin();
}

void RecoveryTask::arm_for_connect() {
  timer_.arm(std::min(due_, worker_.now() + order_.connect_timeout));
}

std::optional<RecoveredSession> RecoveryTask::settle(std::string_view backend_session,
                                                     size_t replayed) {
  std::optional<RecoveredSession> recovered =
      worker_.registry().finish_recovery(order_.session, order_.backend, backend_session);
  if (!recovered) {  // it has ended meanwhile
    let_go(true);
    worker_.call_done(*this);
    return std::nullopt;
  }
  if (recovered->shared) {
    let_go(false);  // it stays the user's who has it: a DELETE would end theirs
    lose("the backend gave out a session that is another user's");
    return std::nullopt;
  }
  worker_.counters().add(Counter::sessions_recovered);
  log_warn(
      "event=session_recovered session={} backend={} generation={} replayed={} waiting={} "
      "detail=\"what the server held for it is lost\"",
      handle_of(order_.session), worker_.backends().at(order_.backend).name, recovered->generation,
      replayed, recovered->waiting.size());
  link::Bound bound;
  bound.session = order_.session;
  bound.backend = worker_.backends().at(order_.backend).name;
  bound.backend_session = backend_session;
  bound.target = order_.plan.target;
  worker_.control().rebound(std::move(bound));
  return recovered;
}

void RecoveryTask::finish(const RecoveredSession &recovered) {
  for (const ExchangeRef &waiting : recovered.waiting)
    worker_.tell(waiting.worker, RecoveryDone{waiting.exchange, 0, {}});
  worker_.call_done(*this);
}

void RecoveryTask::fail(int status, const char *detail) {
  worker_.counters().add(Counter::recoveries_failed);
  if (worker_.fault_log().allow(worker_.now())) {
    log_warn(
        "event=session_recovery_failed session={} backend={} status={} detail={} suppressed={}",
        handle_of(order_.session), worker_.backends().at(order_.backend).name, status_,
        quoted(detail), worker_.fault_log().suppressed());
  }
  let_go(true);
  const int told = status == 401 || status == 403 ? status : status == 502 ? 502 : 503;
  for (const ExchangeRef &waiting : worker_.registry().fail_recovery(order_.session))
    worker_.tell(waiting.worker, RecoveryDone{waiting.exchange, told, challenge_});
  worker_.call_done(*this);
}

void RecoveryTask::lose(const char *detail) {
  worker_.counters().add(Counter::recoveries_failed);
  log_warn("event=session_not_recovered session={} backend={} status={} detail={}",
           handle_of(order_.session), worker_.backends().at(order_.backend).name, status_,
           quoted(detail));
  let_go(true);
  std::optional<EndedSession> ended =
      worker_.registry().end(order_.session, EndReason::backend_lost);
  if (ended) worker_.control().session_ended(std::move(*ended));
  worker_.call_done(*this);
}

void RecoveryTask::refused() {
  if (may_pass(status_)) {
    fail(status_, "the backend refused");
  } else {
    lose("the backend refused");
  }
}

void RecoveryTask::broke(BackendFault fault, const char *detail) {
  const bool unreachable =
      fault == BackendFault::connect_refused || fault == BackendFault::tls_failed;
  if (unreachable) worker_.note_backend(order_.backend, false);
  if (unreachable && goes_elsewhere()) return;
  give_up(detail);
}

void RecoveryTask::give_up(const char *detail) {
  status_ = 0;
  fail(502, detail);
}

void RecoveryTask::on_deadline(WheelTimer &) {
  if (worker_.now() < due_ && goes_elsewhere()) return;
  give_up("no answer in time");
}

}  // namespace holdfast::proxy
