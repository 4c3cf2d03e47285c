// Requests of sessions that other processes hold, too (PROTOCOL.md 1.6): one whose session may come
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

// A message for a session of HTTP+SSE whose stream the process before us carries (an upgrade): its
// backend gets it, and that process sees to all else.
bool Exchange::visit_elsewhere(std::string_view session) {
  auto home = worker_.legacy_guests().find(session, request_->user);
  if (!home) return false;
  session_.assign(session);
  home_.backend = home->backend;
  request_->view.backend_session = std::move(home->endpoint);
  follow_session();
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
