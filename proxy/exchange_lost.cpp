// What becomes of a session with its server: never another one in silence, which would know nothing
// of it.
#include "proxy/control.h"
#include "proxy/exchange.h"
#include "proxy/upstream.h"
#include "proxy/worker.h"

namespace holdfast::proxy {

// Where a session that its server has forgotten is opened again: there, if the server takes new
// sessions, else at another one. One that is alone keeps its session, whatever its state.
BackendId Exchange::reopen_at() {
  const BackendId own = home_.backend;
  if (upstream_->admits(own, worker_.now())) return own;
  return upstream_->pick_other(worker_.now(), own).value_or(own);
}

// The session's server cannot be reached and takes no new sessions either (it failed before, its
// checks fail, an admin or a reload took it away), while another one does: a client that begins
// again is served, one that is told 502 asks in vain. Where there is no other server, or the fault
// is the first of several max_fails allows, the session waits for its own. True: it was ended, and
// the request answered.
bool Exchange::end_lost_session() {
  if (!in_session_ || upstream_ == nullptr || response_started_) return false;
  const BackendId lost = home_.backend;
  const MonoTime now = worker_.now();
  if (upstream_->admits(lost, now) || !upstream_->admits_elsewhere(lost, now)) return false;
  drop_backend();
  worker_.counters().add(Counter::backend_failures);
  request_->refusal_reason = public_word(EndReason::backend_lost);
  end_session(EndReason::backend_lost);
  refuse_session_not_found();
  return true;
}

}  // namespace holdfast::proxy
