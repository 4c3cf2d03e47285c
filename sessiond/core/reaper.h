// Time: when a session is to be looked at, and what that look finds. Keeps every open session armed
// in its policy's Deadlines; once an interval it makes a pass over what is due, in pieces, so that
// even a million sessions at once do not hold the loop. Decides nothing about how to end a session:
// it hands the due ones to the core, which asks the proxy (or ends an ownerless one itself).
// Owned by the core; borrows the policies. Pure; one thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "sessiond/core/policy_table.h"
#include "sessiond/core/session.h"

namespace holdfast::sessiond {

// Sessions looked at in one piece of a pass: some 30 ms if every one of them is ended and logged.
inline constexpr size_t kLooksPerPiece = 4096;

// True when the session never expires: an admin's word, else its policy's.
bool is_persistent(const Session &session) noexcept;

// True while something keeps the session from being idle, however old its last activity: a request
// in flight, or an open stream where the policy lets that count.
bool is_held(const Session &session) noexcept;

// When a rule wants the session gone if nothing happens before; nullopt: it does not end by itself.
std::optional<MonoTime> ends_at(const Session &session) noexcept;

// When the session is to be looked at next; nullopt: only an event can make that necessary.
std::optional<MonoTime> next_look(const Session &session) noexcept;

// Why a session is due, and how long that rule wants it idle.
struct DueRule {
  EndReason reason = EndReason::idle_timeout;
  Millis idle_min{0};
};
// The rule that makes the session due at `now`; nullopt when none does.
std::optional<DueRule> due_rule(const Session &session, MonoTime now) noexcept;

class Reaper {
 public:
  // The first pass begins one interval after `now`.
  Reaper(PolicyTable &policies, Millis interval, MonoTime now);
  Reaper(const Reaper &) = delete;
  Reaper &operator=(const Reaper &) = delete;

  void set_interval(Millis interval, MonoTime now);

  // Arms the session by its present state, wherever its deadline stood before. To be called after
  // every change that next_look() depends on.
  void arm(Session &session, MonoTime now);
  // Arms it for a later look although it is due: it has been asked about.
  void arm_again(Session &session, MonoTime now);
  // Takes the session out of Deadlines or queue. Required before it is moved or removed.
  void disarm(Session &session) noexcept;

  bool in_pass() const noexcept { return in_pass_; }
  // True when a pass is under way or due.
  bool wants_look(MonoTime now) const noexcept { return in_pass_ || now >= next_pass_; }
  // One piece of a pass: appends the sessions to be ended, disarmed. True when it was the last one.
  bool look(MonoTime now, std::vector<Session *> &due);
  // When look() is wanted next: at once while a pass is under way.
  MonoTime next_wake(MonoTime now) const noexcept { return in_pass_ ? now : next_pass_; }
  MonoTime next_pass() const noexcept { return next_pass_; }

  // Persistent sessions idle beyond their timeout: what a pass skips.
  size_t overdue_count() const noexcept { return overdue_count_; }
  // Sessions looked at since the start.
  uint64_t visited_count() const noexcept { return visited_count_; }

 private:
  void set_overdue(Session &session, bool overdue) noexcept;

  PolicyTable &policies_;
  Millis interval_;
  MonoTime next_pass_;
  bool in_pass_ = false;
  size_t overdue_count_ = 0;
  uint64_t visited_count_ = 0;
  std::vector<Session *> taken_;  // of one piece; kept for its capacity
};

}  // namespace holdfast::sessiond
