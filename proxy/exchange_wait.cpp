// Requests of sessions that other proxies hold, too (PROTOCOL.md 1.6): one whose session may come
// from another proxy any moment, or whose end is being agreed on, waits for kSharedWaitMax at most.
#include "common/limits.h"
#include "proxy/control.h"
#include "proxy/exchange.h"
#include "proxy/worker.h"

namespace holdfast::proxy {

// begin() said no. True: the request waits, and will be looked at again.
bool Exchange::wait_for_session(std::string_view session, bool held) {
  const SessionRegistry &known = worker_.registry();
  if (!held) {
    const bool may_come = worker_.control_now().has_siblings() && !waited_ &&
                          known.why_ended(session, request_->user) == EndReason::unknown;
    if (!may_come) return false;
    worker_.registry().await(SessionKeyView(session), ref());
  }
  phase_ = Phase::restoring;
  request_->hold_due = worker_.now() + kSharedWaitMax;
  rearm();
  return true;
}

void Exchange::on_session_ready() {
  if (phase_ != Phase::restoring) return;
  request_->hold_due = MonoTime::max();
  decide_again();
}

// Nobody has said anything: the session goes on, or is none.
void Exchange::on_wait_due() {
  request_->hold_due = MonoTime::max();
  waited_ = true;
  decide_again();
}

}  // namespace holdfast::proxy
