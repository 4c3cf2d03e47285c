// Core: passes of the reaper, and asking the proxies about what they found.
#include "sessiond/core/log_lines.h"
#include "sessiond/core/step.h"

namespace holdfast::sessiond {

void Core::on(const Tick &, Turn &turn) {
  commands_.give_up(turn.now, turn.out);
  if (reaper_.wants_look(turn.now)) look(turn);
}

void Core::look(Turn &turn) {
  // A proxy that leaves asks unanswered must not keep the previous pass's line for ever.
  if (!reaper_.in_pass()) report_cleaned(turn);
  std::vector<Session *> due;
  const bool last_piece = reaper_.look(turn.now, due);
  for (Session *session : due) {
    if (session->instance->linked()) {
      enqueue(*session, false);
    } else if (const auto rule = due_rule(*session, turn.now)) {
      end(*session, rule->reason, turn);  // nobody is left to ask
    }
  }
  for (auto &[name, instance] : table_.instances()) pump(instance, turn);
  if (last_piece) end_pass(turn);
}

void Core::end_pass(Turn &turn) {
  if (reaper_.overdue_count() > 0) {
    turn.log_contract(sessions_skipped_line(reaper_.overdue_count()));
  }
  tombstones_.forget_older_than(turn.now - settings_.tombstone_lifetime);
  policies_.forget_unused();
}

// REQUIRES: the session is disarmed and its instance linked.
void Core::enqueue(Session &session, bool first) {
  auto &queue = session.instance->queue;
  first ? queue.push_front(session) : queue.push_back(session);
  session.look = Look::queued;
}

// Asks about as many queued sessions as the proxy may leave unanswered; every answer pumps again.
void Core::pump(Instance &instance, Turn &turn) {
  while (instance.linked() && !instance.queue.empty() && instance.asks_count < kAsksUnansweredMax) {
    Session &session = *instance.queue.front();
    reaper_.disarm(session);
    if (session.state == SessionState::closing) {
      set_asked(session, Ask::drop);
      turn.send(instance.link,
                link::Drop{std::string(session.id->text()), session.end_reason, false});
    } else if (const auto rule = due_rule(session, turn.now)) {
      ask(session, *rule, Ask::expiry, turn);
    } else {
      reaper_.arm(session, turn.now);
    }
  }
}

// The proxy owns the activity clock, so it is asked and may refuse. Unanswered, the session is due
// again one interval later.
void Core::ask(Session &session, const DueRule &rule, Ask why, Turn &turn) {
  if (is_being_agreed(session, turn.now)) return reaper_.arm_again(session, turn.now);
  ++counters_.asks;
  set_asked(session, why);
  if (session.sharing) {
    probe(session, rule, turn);
  } else {
    turn.send(session.instance->link, link::DropIfIdle{std::string(session.id->text()),
                                                       rule.idle_min.count(), rule.reason, false});
  }
  reaper_.arm_again(session, turn.now);
}

void Core::set_asked(Session &session, Ask ask) noexcept {
  if (session.asked == Ask::expiry) --expiry_asks_count_;
  if (ask == Ask::expiry) ++expiry_asks_count_;
  if (session.asked == Ask::none && ask != Ask::none) ++session.instance->asks_count;
  if (session.asked != Ask::none && ask == Ask::none) --session.instance->asks_count;
  session.asked = ask;
}

void Core::report_cleaned(Turn &turn) {
  if (expired_count_ == 0) return;
  turn.log_contract(sessions_cleaned_line(expired_count_, reaper_.overdue_count()));
  expired_count_ = 0;
}

}  // namespace holdfast::sessiond
