// Core: sessions that several instances hold (PROTOCOL.md 1.6): handing them to siblings, agreeing
// on their end, and what becomes of them when one of the holders is gone.
#include <algorithm>

#include "common/limits.h"
#include "sessiond/core/reports.h"
#include "sessiond/core/sharing.h"
#include "sessiond/core/step.h"

namespace holdfast::sessiond {
namespace {

using Stage = Sharing::Stage;

bool may_be_shared(const Session &session) noexcept {
  return session.state == SessionState::open && session.transport == Transport::streamable;
}

// Asked, or told, as the only holder it is: who got the session now could begin a request on it
// while its backend is told that it is over.
bool is_asked_alone(const Session &session) noexcept {
  return session.asked != Ask::none && !session.sharing;
}

}  // namespace

// ---- handing over ----

void Core::tell_siblings(std::string_view node, Turn &turn) {
  int64_t linked_count = 0;
  for_siblings(node, [&](Instance &) { ++linked_count; });
  for_siblings(node, [&](Instance &instance) {
    LinkState &link = links_.at(instance.link);
    if (std::exchange(link.siblings_told, linked_count - 1) == linked_count - 1) return;
    turn.send(link.id, link::Siblings{linked_count - 1});
  });
}

// All that the siblings of a new instance hold.
void Core::offer_all(Instance &to) {
  for_siblings(to.node, [&](Instance &sibling) {
    if (&sibling == &to) return;
    using OfInstance = IntrusiveList<Session, &Session::of_instance>;
    for (Session *s = sibling.sessions.front(); s != nullptr; s = OfInstance::next(*s)) {
      if (may_be_shared(*s) && !holds(*s, to)) to.owed.push_back(*s->id);
    }
  });
}

// To all siblings of its holder that do not hold it.
void Core::offer(const Session &session, Turn &turn) {
  if (!may_be_shared(session)) return;
  for_siblings(session.instance->node, [&](Instance &sibling) {
    if (!holds(session, sibling)) owe(sibling, session, turn);
  });
}

void Core::owe(Instance &instance, const Session &session, Turn &turn) {
  instance.owed.push_back(*session.id);
  LinkState &link = links_.at(instance.link);
  const bool greeted = link.instance == &instance;  // else it follows the welcome
  if (greeted && !link.restoring && !link.piece_out) restore_some(link, turn);
}

// False: there is nothing to be said of it any more, or not now.
bool Core::hand_over(const SessionId &id, LinkState &link, Turn &turn) {
  Session *const session = table_.find(id.text());
  Instance &mine = *link.instance;
  if (session == nullptr || !may_be_shared(*session) || !session->instance->linked()) return false;
  if (!holds(*session, mine)) {
    if (session->instance->node != mine.node || is_asked_alone(*session)) return false;
    const bool stopped = stop_round(*session, turn);
    ++counters_.restored;
    add_holder(*session, mine).unconfirmed = true;
    reaper_.arm(*session, turn.now);
    if (stopped) offer(*session, turn);
  }
  Part &part = part_of(*session, mine);
  part.last_activity = std::max(part.last_activity, session->last_activity);
  part.last_use = std::max(part.last_use, session->last_use);
  turn.send(link.id, link::Restored{record_of(*session, turn.now)});
  return true;
}

// The instance has named the session, and so holds it.
void Core::hold(Session &session, Instance &instance, Turn &turn) {
  if (holds(session, instance)) return;
  const bool alone = session.state == SessionState::opening ||
                     session.transport != Transport::streamable || !session.instance->linked();
  if (alone) return move_to(session, instance);
  const bool stopped = stop_round(session, turn);
  add_holder(session, instance);
  if (stopped) offer(session, turn);
}

// ---- agreeing ----

// A round ends by the answers, or because a holder that does not answer loses its link; only when
// an answer must have been lost it begins anew.
bool Core::is_being_agreed(const Session &session, MonoTime now) const {
  return session.sharing && session.sharing->stage != Stage::quiet &&
         now - session.sharing->began <= kLinkSilenceMax;
}

void Core::probe(Session &session, const DueRule &rule, Turn &turn) {
  Sharing &sharing = *session.sharing;
  sharing.stage = Stage::probing;
  sharing.round = ++last_round_;
  sharing.began = turn.now;
  sharing.reason = rule.reason;
  sharing.idle_min = rule.idle_min;
  for (const auto &holding : sharing.holders) {
    holding->probe = ProbeState::awaited;
    turn.send(holding->instance->link, link::Probe{std::string(session.id->text()), sharing.round,
                                                   rule.idle_min.count(), rule.reason});
  }
}

void Core::on_message(LinkState &link, const link::Idle &idle, Turn &turn) {
  Session *const session = reported(link, idle.session, turn);
  if (session == nullptr) return;
  Holding *const holding = find_holding(*session, *link.instance);
  const bool awaited = holding != nullptr && session->sharing->stage == Stage::probing &&
                       session->sharing->round == idle.round;
  if (!awaited) {
    turn.send(link.id, link::Release{idle.session});
    // It may have been the first word of who holds it, after which other rules hold.
    if (session->state == SessionState::open) reaper_.arm(*session, turn.now);
    return;
  }
  holding->probe = ProbeState::idle;
  holding->last_activity = turn.now - age_of(idle.idle_ms);
  merge(*session);
  // A report that was long on its way had made the session look young, and put its next look off.
  if (session->state == SessionState::open) reaper_.arm(*session, turn.now);
  const auto &holders = session->sharing->holders;
  const bool all = std::all_of(holders.begin(), holders.end(),
                               [](const auto &h) { return h->probe == ProbeState::idle; });
  if (all) decide(*session, turn);
}

// All but one are to forget it; that one is asked when it is the only one.
void Core::decide(Session &session, Turn &turn) {
  Sharing &sharing = *session.sharing;
  if (!still_wanted(session, {sharing.reason, sharing.idle_min}, turn.now)) {
    call_off(session, turn);
    if (session.state == SessionState::open) reaper_.arm(session, turn.now);
    return;
  }
  sharing.stage = Stage::leaving;
  for (const auto &holding : sharing.holders) {
    if (holding->instance == session.instance) continue;
    holding->probe = ProbeState::awaited;
    turn.send(holding->instance->link,
              link::DropIfIdle{std::string(session.id->text()), sharing.idle_min.count(),
                               sharing.reason, true});
  }
}

// Whether what began the round holds by all that is known now.
bool Core::still_wanted(const Session &session, const DueRule &rule, MonoTime now) const {
  if (session.state != SessionState::open) return false;
  if (session.asked == Ask::expiry) {
    const auto present = due_rule(session, now);
    return present && present->reason == rule.reason && present->idle_min == rule.idle_min;
  }
  return session.asked == Ask::eviction && !is_held(session) && !is_persistent(session) &&
         now - session.last_activity >= rule.idle_min;
}

// Whoever lets requests wait need not do so any longer. True: there was a round, and if the session
// goes on it is to be offered to whoever has forgotten it already.
bool Core::stop_round(Session &session, Turn &turn) {
  if (!session.sharing || session.sharing->stage == Stage::quiet) return false;
  session.sharing->stage = Stage::quiet;
  for (const auto &holding : session.sharing->holders) {
    const bool waits = std::exchange(holding->probe, ProbeState::none) == ProbeState::idle;
    if (waits && holding->instance->linked()) {
      turn.send(holding->instance->link, link::Release{std::string(session.id->text())});
    }
  }
  waiting_may_settle_ = waiting_may_settle_ || session.asked == Ask::eviction;
  if (!session.sharing->asked_alone) set_asked(session, Ask::none);
  return true;
}

// The session goes on with the holders it has, and with those that have forgotten it already.
void Core::call_off(Session &session, Turn &turn) {
  if (stop_round(session, turn)) offer(session, turn);
}

// An `ended` that speaks for this holder alone.
void Core::forget_holder(Session &session, LinkState &link, EndReason reason, Turn &turn) {
  const bool leaving = session.sharing->stage == Stage::leaving &&
                       session.instance != link.instance && reason == session.sharing->reason;
  if (!leaving) {
    leave(session, *link.instance, turn);
    // What it cannot hold it would refuse again.
    if (reason != EndReason::backend_lost) owe(*link.instance, session, turn);
    return;
  }
  const DueRule rule{session.sharing->reason, session.sharing->idle_min};
  const Ask why = session.asked;
  take_away(session, *link.instance, turn);
  if (session.sharing) return;
  const bool wanted = still_wanted(session, rule, turn.now);
  set_asked(session, Ask::none);
  if (wanted) return ask(session, rule, why, turn);
  if (session.instance->linked()) {  // it answered as the others did, and lets requests wait
    turn.send(session.instance->link, link::Release{std::string(session.id->text())});
  }
  waiting_may_settle_ = waiting_may_settle_ || why == Ask::eviction;
  if (session.state == SessionState::open) reaper_.arm(session, turn.now);
  offer(session, turn);
}

// ---- one holder is gone ----

// Those whose clock is behind that of the one who goes are told.
void Core::take_away(Session &session, const Instance &instance, Turn &turn) {
  const MonoTime active = part_of(session, instance).last_activity;
  std::vector<Instance *> behind;
  for (const auto &holding : session.sharing->holders) {
    if (holding->last_activity < active) behind.push_back(holding->instance);
  }
  remove_holder(session, instance);
  for (Instance *holder : behind) owe(*holder, session, turn);
}

void Core::leave(Session &session, Instance &instance, Turn &turn) {
  const bool stopped = stop_round(session, turn);
  const bool ordered = session.state == SessionState::closing;
  const bool first = session.instance == &instance;
  if (first) {
    set_asked(session, Ask::none);
    session.sharing->asked_alone = false;
    reaper_.disarm(session);
    const auto &holders = session.sharing->holders;
    const auto next = std::find_if(holders.begin(), holders.end(),
                                   [&](const auto &h) { return h->instance != &instance; });
    table_.move_to(session, *(*next)->instance);
  }
  // Only now: nobody is handed what a lost instance holds. And not later: who leaves gets it back,
  // if at all, for another reason than the round.
  if (stopped) offer(session, turn);
  take_away(session, instance, turn);
  if (session.state == SessionState::open) reaper_.arm(session, turn.now);
  if (!first || !ordered) return;
  enqueue(session, true);  // the order is due to its new holder, too
  pump(*session.instance, turn);
}

// The instance's link has ended. Only it knew when it was last active.
void Core::leave_shared(Instance &instance, Turn &turn) {
  instance.owed.clear();
  while (Holding *const holding = instance.shares.front()) {
    Session &session = *holding->session;
    holding->last_activity = holding->last_use = turn.now;
    merge(session);
    leave(session, instance, turn);
  }
}

// The connection that carried what we said to it is gone, the instance is not.
void Core::forget_said(Instance &instance, Turn &turn) {
  using OfInstance = IntrusiveList<Holding, &Holding::of_instance>;
  for (Holding *h = instance.shares.front(); h != nullptr; h = OfInstance::next(*h)) {
    call_off(*h->session, turn);
    if (h->session->instance == &instance) h->session->sharing->asked_alone = false;
    if (h->unconfirmed) instance.owed.push_back(*h->session->id);
  }
}

// The session is over: so it is for every proxy that holds it, or may do so without our knowledge.
void Core::drop_elsewhere(Session &session, EndReason reason, LinkId told_by, Turn &turn) {
  if (!session.was_shared) return;
  std::vector<LinkId> links;
  for_siblings(session.instance->node, [&](Instance &sibling) { links.push_back(sibling.link); });
  for_holders(session, [&](Instance &holder) { links.push_back(holder.link); });
  std::sort(links.begin(), links.end());
  links.erase(std::unique(links.begin(), links.end()), links.end());
  for (const LinkId link : links) {
    if (link == told_by || link == LinkId::none) continue;
    turn.send(link, link::Drop{std::string(session.id->text()), reason, true});
  }
  while (session.sharing) {
    const auto &holders = session.sharing->holders;
    const auto other = std::find_if(holders.begin(), holders.end(),
                                    [&](const auto &h) { return h->instance != session.instance; });
    remove_holder(session, *(*other)->instance);
  }
}

}  // namespace holdfast::sessiond
