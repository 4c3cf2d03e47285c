// Core: admission, what proxies report about sessions, and the one way a session ends.
#include <fmt/format.h>

#include <algorithm>
#include <limits>

#include "sessiond/core/eviction.h"
#include "sessiond/core/log_lines.h"
#include "sessiond/core/reports.h"
#include "sessiond/core/sharing.h"
#include "sessiond/core/step.h"

namespace holdfast::sessiond {

// ---- admission ----

void Core::on_message(LinkState &link, const link::Admit &admit, Turn &turn) {
  if (!SessionId::parse(admit.session)) {
    return close_link(link, "admit: not a session id", turn);
  }
  if (admit_known(link, admit.session, turn)) return;
  if (draining_) return refuse(link.id, admit.session, RefuseReason::draining, turn);
  if (!policies_.defined(admit.policy)) report_unknown_policy(admit.policy, link.node, turn);
  WaitingAdmission waiting{link.id, admit, turn.now + kEvictionPatience, {}};
  if (!settle(waiting, turn)) waiting_.push_back(std::move(waiting));
}

// Asked again, or bound by a snapshot while its admission waited: it has its slot.
bool Core::admit_known(LinkState &link, std::string_view id, Turn &turn) {
  Session *const known = table_.find(id);
  if (known == nullptr) return false;
  if (!known->sharing) move_to(*known, *link.instance);
  turn.send(link.id, link::Admitted{std::string(id), is_persistent(*known)});
  return true;
}

// One try: reserves or refuses (true), or asks a victim to make room (false).
bool Core::settle(WaitingAdmission &waiting, Turn &turn) {
  const link::Admit &admit = waiting.admit;
  LinkState &link = links_.at(waiting.link);
  if (admit_known(link, admit.session, turn)) return true;
  const PolicyState &policy = policies_.named(admit.policy);
  const Applicant who{admit.user, admit.peer};
  while (const auto cap = cap_reached(table_, policies_, policy, who)) {
    const Policy &rules = cap->policy->rules;
    const bool may_evict = rules.at_capacity == AtCapacity::evict_idle &&
                           turn.now < waiting.deadline && waiting_.size() < kWaitingAdmissionsMax;
    Session *const victim =
        may_evict ? choose_victim(table_, policies_, *cap, who, turn.now) : nullptr;
    if (victim == nullptr) {
      refuse(waiting.link, admit.session, cap->reason, turn);
      return true;
    }
    if (victim->instance->linked()) {
      waiting.victim = *victim->id;
      ask(*victim, {EndReason::capacity, rules.evict_grace}, Ask::eviction, turn);
      return false;
    }
    end(*victim, EndReason::capacity, turn);
  }
  reserve(link, admit, turn);
  return true;
}

void Core::settle_waiting(Turn &turn) {
  waiting_may_settle_ = false;
  std::deque<WaitingAdmission> trying;
  trying.swap(waiting_);
  for (WaitingAdmission &waiting : trying) {
    const Session *const victim = table_.find(waiting.victim.text());
    const bool hopeful = victim != nullptr && victim->asked == Ask::eviction &&
                         turn.now < waiting.deadline &&
                         cap_reached(table_, policies_, policies_.named(waiting.admit.policy),
                                     {waiting.admit.user, waiting.admit.peer});
    if (hopeful || !settle(waiting, turn)) waiting_.push_back(std::move(waiting));
  }
}

void Core::reserve(LinkState &link, const link::Admit &admit, Turn &turn) {
  const SessionIdentity identity{admit.user, admit.transport, admit.peer, admit.client_name,
                                 admit.client_version};
  const Session &session = table_.add(*SessionId::parse(admit.session), identity, *link.instance,
                                      policies_.named(admit.policy), turn.now);
  tombstones_.erase(admit.session);
  turn.send(link.id, link::Admitted{admit.session, is_persistent(session)});
}

void Core::refuse(LinkId link, std::string_view session, RefuseReason reason, Turn &turn) {
  ++counters_.refused[static_cast<size_t>(reason)];
  // Until the next pass nothing but a client's own goodbye makes room.
  const auto wait = std::chrono::ceil<std::chrono::seconds>(reaper_.next_pass() - turn.now).count();
  turn.send(link, link::Refused{std::string(session), reason,
                                std::clamp<int64_t>(wait, 1, kRetryAfterMax.count())});
}

// ---- reports ----

// The session a proxy reports about; nullptr when it is not known. Whoever reports it holds it.
Session *Core::reported(LinkState &link, std::string_view id, Turn &turn) {
  Session *const session = table_.find(id);
  if (session != nullptr) {
    hold(*session, *link.instance, turn);
    part_of(*session, *link.instance).unconfirmed = false;
    return session;
  }
  const Tombstone *const grave = tombstones_.find(id);
  if (grave != nullptr && grave->drop_again) {
    turn.send(link.id, link::Drop{std::string(id), grave->reason});
  } else {
    ++counters_.unknown_reports;
  }
  return nullptr;
}

void Core::on_message(LinkState &link, const link::Bound &bound, Turn &turn) {
  Session *const session = reported(link, bound.session, turn);
  if (session == nullptr) return;
  const bool elsewhere = session->backend->text != bound.backend ||
                         session->backend_session.view() != bound.backend_session;
  table_.set_backend(*session, bound.backend, bound.backend_session, bound.target);
  part_of(*session, *link.instance).seen = link.instance->snapshots_count;
  if (session->state == SessionState::opening) {
    table_.open(*session);
    session->created = session->last_activity = session->last_use = turn.now;
    announce(*session, turn);
    offer(*session, turn);
  } else if (session->sharing && elsewhere) {
    for_holders(*session, [&](Instance &holder) {
      if (&holder != link.instance) owe(holder, *session, turn);
    });
  }
  if (session->state == SessionState::open) reaper_.arm(*session, turn.now);
}

void Core::announce(const Session &session, Turn &turn) {
  ++counters_.created;
  turn.log_contract(
      session_created_line(shown(session), session.user->name, is_persistent(session)));
}

void Core::on_message(LinkState &link, const link::Released &released, Turn &) {
  ++counters_.released[static_cast<size_t>(released.reason)];
  std::erase_if(waiting_, [&](const WaitingAdmission &waiting) {
    return waiting.link == link.id && waiting.admit.session == released.session;
  });
  Session *const session = table_.find(released.session);
  if (session == nullptr || session->state != SessionState::opening) return;
  if (session->instance == link.instance) release(*session);
}

void Core::on_message(LinkState &link, const link::Opened &opened, Turn &turn) {
  Session *const session = reported(link, opened.session, turn);
  if (session == nullptr) return;
  Part &part = part_of(*session, *link.instance);
  part.streams = std::min(part.streams, std::numeric_limits<int32_t>::max() - 1) + 1;
  part.last_use = turn.now;
  merge(*session);
  if (session->state == SessionState::open) reaper_.arm(*session, turn.now);
}

void Core::on_message(LinkState &link, const link::Closed &closed, Turn &turn) {
  Session *const session = reported(link, closed.session, turn);
  if (session == nullptr) return;
  Part &part = part_of(*session, *link.instance);
  part.streams = std::max(part.streams - 1, 0);
  part.last_use = turn.now;
  // Whether the stream alone kept it, so that its idleness begins only now, its proxy has decided.
  part.last_activity = turn.now - age_of(closed.idle_ms);
  merge(*session);
  if (session->state == SessionState::open) reaper_.arm(*session, turn.now);
}

void Core::on_message(LinkState &link, const link::Activity &activity, Turn &turn) {
  for (const link::ActivityEntry &entry : activity.sessions) {
    Session *const session = reported(link, entry.session, turn);
    if (session == nullptr) continue;
    Part &part = part_of(*session, *link.instance);
    part.last_activity = turn.now - age_of(entry.idle_ms);
    part.in_flight = small_count_of(entry.in_flight);
    part.requests = small_count_of(entry.requests);
    part.last_use = turn.now;
    merge(*session);
    if (session->state == SessionState::open) reaper_.arm(*session, turn.now);
  }
}

void Core::on_message(LinkState &link, const link::Alive &alive, Turn &turn) {
  Session *const session = reported(link, alive.session, turn);
  if (session == nullptr) return;
  Part &part = part_of(*session, *link.instance);
  part.last_activity = turn.now - age_of(alive.idle_ms);
  part.in_flight = small_count_of(alive.in_flight);
  part.last_use = turn.now - age_of(alive.use_ms.value_or(0));
  part.used = part.used || alive.used;
  merge(*session);
  if (session->asked == Ask::expiry || session->asked == Ask::eviction) {
    ++counters_.asks_refused;
    waiting_may_settle_ = waiting_may_settle_ || session->asked == Ask::eviction;
    answered_alive(*session, link, turn);
  }
  if (session->state == SessionState::open) reaper_.arm(*session, turn.now);
  pump(*link.instance, turn);
}

void Core::on_message(LinkState &link, const link::Ended &ended, Turn &turn) {
  Session *const session = table_.find(ended.session);
  turn.send(link.id, link::Acknowledged{ended.session});
  if (session == nullptr || !holds(*session, *link.instance)) {
    end_unheld(link, ended, turn);
  } else if (session->sharing && !is_last_word(*session, link, ended.reason)) {
    forget_holder(*session, link, ended.reason, turn);
  } else {
    // "unknown" answers a drop of what the proxy had lost: our own reason says more.
    if (ended.reason != EndReason::unknown) {
      part_of(*session, *link.instance).last_activity = turn.now - age_of(ended.idle_ms);
      merge(*session);
    }
    const bool ours = session->state == SessionState::closing && ended.reason == EndReason::unknown;
    end(*session, ours ? session->end_reason : ended.reason, turn, link.id);
  }
  pump(*link.instance, turn);
}

// Of a session that several hold: whether it ends for all of them.
bool Core::is_last_word(const Session &session, const LinkState &link, EndReason reason) const {
  if (ends_for_all(reason)) return true;
  const bool asked_it = session.state == SessionState::closing || session.sharing->asked_alone;
  return session.instance == link.instance && asked_it;
}

// A proxy tells the end of a session that, by all we know, others hold or nobody: the client or the
// backend has ended it there while the link was away.
void Core::end_unheld(const LinkState &link, const link::Ended &ended, Turn &turn) {
  if (!ends_for_all(ended.reason)) return;
  const auto id = SessionId::parse(ended.session);
  Session *const session = table_.find(ended.session);
  if (session != nullptr) {
    const bool theirs = session->instance->node == link.node;
    if (!theirs || session->state == SessionState::opening) return;
    session->was_shared = true;
    end(*session, ended.reason, turn, link.id);
  } else if (id && tombstones_.find(ended.session) == nullptr) {
    // Nobody who names it later may bring it back.
    tombstones_.add(*id, {ended.reason, true, turn.now, "-", false, Millis{0}, Millis{0}});
  }
}

// It is not to be ended now.
void Core::answered_alive(Session &session, const LinkState &link, Turn &turn) {
  if (!session.sharing) {
    set_asked(session, Ask::none);
    return offer(session, turn);
  }
  if (session.instance == link.instance && std::exchange(session.sharing->asked_alone, false)) {
    set_asked(session, Ask::none);
  }
  call_off(session, turn);
}

// ---- the door out ----

void Core::move_to(Session &session, Instance &instance) {
  if (session.instance == &instance) return;
  set_asked(session, Ask::none);
  const bool queued = session.look == Look::queued;
  if (queued) reaper_.disarm(session);
  table_.move_to(session, instance);
  session.seen = 0;  // the other instance's count of snapshots means nothing here
  // pump() sorts out whether it is still to be asked about; an order is due to its new holder, too.
  const bool ordered = session.state == SessionState::closing;
  if (queued || ordered) enqueue(session, ordered);
}

// The only way a session leaves the table.
void Core::end(Session &session, EndReason reason, Turn &turn, LinkId told_by) {
  if (session.state == SessionState::opening) return release(session);
  const SessionId id = *session.id;
  const bool ownerless = !session.instance->linked();
  if (is_expiry(reason) && (ownerless || session.asked == Ask::expiry)) ++expired_count_;
  if (reason == EndReason::capacity) ++counters_.evictions;
  ++counters_.ended[static_cast<size_t>(reason)];
  turn.log_contract(session_deleted_line(shown(session), reason));
  const bool decided_here =
      is_expiry(reason) || reason == EndReason::capacity || reason == EndReason::admin;
  const bool was_shared = session.was_shared && (decided_here || ends_for_all(reason));
  drop_elsewhere(session, reason, told_by, turn);
  tombstones_.add(id, {reason, was_shared || (ownerless && decided_here), turn.now,
                       std::string(session.user->name), is_persistent(session),
                       turn.now - session.created, turn.now - session.last_activity});
  release(session);
  commands_.session_ended(id, turn.out);
}

// Gives the slot back. For reservations all there is to do: they were never a session.
void Core::release(Session &session) {
  set_asked(session, Ask::none);
  reaper_.disarm(session);
  table_.remove(session);
  waiting_may_settle_ = true;
}

std::string_view Core::shown(const Session &session) const noexcept {
  return settings_.log_full_ids ? session.id->text() : handle_of(session.id->text());
}

}  // namespace holdfast::sessiond
