#include "sessiond/core/reaper.h"

#include <algorithm>

namespace holdfast::sessiond {
namespace {

// The three rules, each as the instant from which it wants the session gone.
MonoTime timeout_at(const Session &s) noexcept { return s.last_activity + s.policy->rules.timeout; }

// Whether a session was used only its proxy knows: we ask once it is old enough, and without a
// proxy nobody can say. A listen stream has no initialize it could be unused since.
std::optional<MonoTime> unused_at(const Session &s) noexcept {
  const auto &limit = s.policy->rules.unused_timeout;
  const bool may_be = !s.used && s.transport != Transport::listen && s.instance->linked();
  if (!limit || !may_be) return std::nullopt;
  return s.created + *limit;
}

std::optional<MonoTime> orphan_at(const Session &s) noexcept {
  const auto &limit = s.policy->rules.orphan_timeout;
  if (!limit || s.streams > 0) return std::nullopt;
  return std::max(s.last_use, s.last_activity) + *limit;
}

bool is_overdue(const Session &s, MonoTime now) noexcept {
  return s.state == SessionState::open && is_persistent(s) && !is_held(s) && now >= timeout_at(s);
}

}  // namespace

bool is_persistent(const Session &session) noexcept {
  if (session.pin == Pin::by_policy) return session.policy->persistent;
  return session.pin == Pin::persistent;
}

bool is_held(const Session &session) noexcept {
  return session.in_flight > 0 || (session.streams > 0 && session.policy->rules.stream_keeps_alive);
}

std::optional<MonoTime> ends_at(const Session &session) noexcept {
  if (session.state != SessionState::open || is_held(session)) return std::nullopt;
  if (is_persistent(session)) return orphan_at(session);
  const auto unused = unused_at(session);
  return unused ? std::min(*unused, timeout_at(session)) : timeout_at(session);
}

std::optional<MonoTime> next_look(const Session &session) noexcept {
  if (session.state != SessionState::open || is_held(session)) return std::nullopt;
  if (!is_persistent(session)) return ends_at(session);
  // A persistent session's timeout only decides whether it counts as skipped.
  const auto orphan = ends_at(session);
  if (session.overdue) return orphan;
  return orphan ? std::min(*orphan, timeout_at(session)) : timeout_at(session);
}

std::optional<DueRule> due_rule(const Session &session, MonoTime now) noexcept {
  if (session.state != SessionState::open || is_held(session)) return std::nullopt;
  const Policy &rules = session.policy->rules;
  if (is_persistent(session)) {
    const auto orphan = orphan_at(session);
    if (!orphan || now < *orphan) return std::nullopt;
    return DueRule{EndReason::orphan_timeout, *rules.orphan_timeout};
  }
  if (now >= timeout_at(session)) return DueRule{EndReason::idle_timeout, rules.timeout};
  const auto unused = unused_at(session);
  if (!unused || now < *unused) return std::nullopt;
  return DueRule{EndReason::unused_timeout, *rules.unused_timeout};
}

Reaper::Reaper(PolicyTable &policies, Millis interval, MonoTime now)
    : policies_(policies), interval_(interval), next_pass_(now + interval) {}

void Reaper::set_interval(Millis interval, MonoTime now) {
  interval_ = interval;
  next_pass_ = std::min(next_pass_, now + interval);
}

void Reaper::set_overdue(Session &session, bool overdue) noexcept {
  if (session.overdue == overdue) return;
  session.overdue = overdue;
  overdue_count_ = overdue ? overdue_count_ + 1 : overdue_count_ - 1;
}

void Reaper::disarm(Session &session) noexcept {
  if (session.look == Look::armed) session.policy->deadlines.disarm(session);
  if (session.look == Look::queued) session.instance->queue.erase(session);
  session.look = Look::none;
  set_overdue(session, false);
}

void Reaper::arm(Session &session, MonoTime now) {
  const bool overdue = session.overdue && is_overdue(session, now);
  disarm(session);
  set_overdue(session, overdue);
  if (const auto at = next_look(session)) session.policy->deadlines.arm(session, *at);
}

void Reaper::arm_again(Session &session, MonoTime now) {
  disarm(session);
  set_overdue(session, is_overdue(session, now));
  session.policy->deadlines.arm(session, now + interval_);
}

bool Reaper::look(MonoTime now, std::vector<Session *> &due) {
  if (!in_pass_) {
    in_pass_ = true;
    next_pass_ = now + interval_;
  }
  size_t left = kLooksPerPiece;
  for (auto &[name, policy] : policies_.all()) {
    taken_.clear();
    visited_count_ += policy.deadlines.take_due(now, left, taken_);
    left -= taken_.size();
    for (Session *session : taken_) {
      if (due_rule(*session, now)) {
        due.push_back(session);
        continue;
      }
      set_overdue(*session, is_overdue(*session, now));
      arm(*session, now);
    }
    if (left == 0) return false;
  }
  in_pass_ = false;
  return true;
}

}  // namespace holdfast::sessiond
