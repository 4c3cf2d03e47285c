// CoreModel: what the core said and decided.
#include <algorithm>
#include <charconv>

#include "tests/sim/core_model.h"

namespace holdfast::sim {
namespace {

// The text between two marks of a log line; empty when it is not there.
std::string between(const std::string &line, std::string_view before, std::string_view after) {
  const size_t from = line.find(before);
  if (from == std::string::npos) return {};
  const size_t start = from + before.size();
  return line.substr(start, line.find(after, start) - start);
}

int64_t number(const std::string &text) {
  int64_t value = -1;
  (void)std::from_chars(text.data(), text.data() + text.size(), value);  // ignoring: stays -1
  return value;
}

}  // namespace

using sessiond::LinkId;
using sessiond::SessionState;

void CoreModel::on_actions(const sessiond::Actions &actions) {
  for (const sessiond::Action &action : actions) {
    std::visit([this](const auto &a) { judge(a); }, action);
  }
  require(dying_.empty(), "F1", "{} ended without a word",
          dying_.empty() ? "" : dying_.begin()->first);
  require(newborn_.empty(), "S7", "{} began without a word",
          newborn_.empty() ? "" : *newborn_.begin());
  require(owed_.empty(), "F1", "not said: {}", owed_.empty() ? "" : owed_.begin()->second);
}

void CoreModel::pay(LinkId link, const std::string &what) {
  const auto at = owed_.find({link, what});
  require(at != owed_.end(), "F1", "said without need: {}", what);
  owed_.erase(at);
}

void CoreModel::judge(const sessiond::Send &send) {
  std::visit([&](const auto &message) { judge(send.link, message); }, send.message);
}

template <class M>
void CoreModel::judge(LinkId link, const M &message) {
  if constexpr (std::is_same_v<M, link::Welcome>) {
    pay(link, "welcome");
  } else if constexpr (std::is_same_v<M, link::RestoredBegin>) {
    pay(link, "restored_begin");
  } else if constexpr (std::is_same_v<M, link::Policies>) {
    pay(link, "policies");
  } else if constexpr (std::is_same_v<M, link::Drain>) {
    pay(link, "drain");
  } else if constexpr (std::is_same_v<M, link::Reload>) {
    pay(link, "reload");
  } else if constexpr (std::is_same_v<M, link::Acknowledged>) {
    pay(link, "acknowledged " + message.session);
  } else if constexpr (std::is_same_v<M, link::Set>) {
    pay(link, "set " + message.session);
    require(message.persistent == persistent(sessions_.at(message.session)), "S3",
            "{} set to the wrong kind", message.session);
  } else {
    require(false, "F1", "an unexpected message");
  }
}

// ---- restoring ----

void CoreModel::judge(LinkId link, const link::Restored &restored) {
  const link::Record &record = restored.record;
  const auto at = sessions_.find(record.session);
  require(at != sessions_.end(), "S5", "{} handed back although it is over", record.session);
  Known &known = at->second;
  const Told *const mine = known.find(link);
  require(mine != nullptr || known.node == links_.at(link).node, "F3",
          "{} handed over although it is another's", record.session);
  require(mine != nullptr || known.shared() || known.asked == sessiond::Ask::none, "S2",
          "{} handed over while its only holder is asked to end it", record.session);
  require(known.transport == Transport::streamable && known.state == SessionState::open, "F3",
          "{} handed back although it cannot live on", record.session);
  require(record.user == known.user && record.policy == known.policy, "S1",
          "{} handed back to another user", record.session);
  require(Millis{record.idle_ms} == now_ - known.last_activity, "F1",
          "{} handed back with another age", record.session);
  require(record.persistent == persistent(known), "S3", "{} handed back as another kind",
          record.session);
  if (mine == nullptr) {
    call_off(record.session, known);
    Told &told = hold(known, links_.find(link));
    told.unconfirmed = true;
    told.named = false;
    told.requests = record.requests;  // what it is handed, it knows
  }
  Told &told = *known.find(link);  // knows from now on what the others have told
  told.last_activity = std::max(told.last_activity, known.last_activity);
  told.last_use = std::max(told.last_use, known.last_use);
  known.merge();
  known.stable_since = now_;
}

void CoreModel::judge(LinkId link, const link::RestoredEnd &) {
  Link &mine = links_.at(link);
  require(mine.restoring, "F3", "restored_end twice");
  mine.restoring = false;
  for (const auto &[id, known] : sessions_) {
    if (known.node != mine.node) continue;
    require(!known.holders.empty(), "F3", "{} was not handed back", id);
    const bool shared =
        known.state == SessionState::open && known.transport == Transport::streamable;
    const bool asked_alone = !known.shared() && known.asked != sessiond::Ask::none;
    require(!shared || asked_alone || known.find(link) != nullptr, "F4",
            "{} was not handed to a sibling", id);
  }
}

void CoreModel::judge(LinkId link, const link::Siblings &siblings) {
  const std::string &node = links_.at(link).node;
  const auto count = std::count_if(links_.begin(), links_.end(), [&](const auto &entry) {
    return entry.second.instance && entry.second.node == node;
  });
  require(siblings.count == count - 1, "F4", "{} siblings, not {}", siblings.count, count - 1);
  links_.at(link).siblings_told = siblings.count;
}

// ---- admission ----

std::vector<CoreModel::Waiting>::iterator CoreModel::find_waiting(LinkId link,
                                                                  const std::string &session) {
  return std::find_if(waiting_.begin(), waiting_.end(), [&](const Waiting &w) {
    return w.link == link && w.admit.session == session;
  });
}

void CoreModel::judge(LinkId link, const link::Admitted &admitted) {
  const std::string &id = admitted.session;
  const auto waiting = find_waiting(link, id);
  const auto known = sessions_.find(id);
  if (known != sessions_.end()) {
    require(admitted.persistent == persistent(known->second), "S3", "{}: wrong kind", id);
    if (waiting == waiting_.end()) return pay(link, "admitted " + id);
    waiting_.erase(waiting);
    return take_admitted(links_.find(link), id);
  }
  require(waiting != waiting_.end(), "S7", "{} admitted without asking", id);
  const link::Admit admit = waiting->admit;
  waiting_.erase(waiting);
  require(!cap_broken(admit.policy, admit.user), "S4", "{} admitted over a cap", id);
  Known fresh;
  fresh.user = admit.user;
  fresh.policy = admit.policy;
  fresh.transport = admit.transport;
  fresh.node = links_.at(link).node;
  fresh.instance = *links_.at(link).instance;
  fresh.created = fresh.last_activity = fresh.last_use = fresh.stable_since = now_;
  (void)hold(fresh, links_.find(link));
  require(admitted.persistent == persistent(fresh), "S3", "{}: wrong kind", id);
  sessions_.emplace(id, fresh);
  graves_.erase(id);
}

void CoreModel::judge(LinkId link, const link::Refused &refused) {
  require(refused.retry_after_s >= 1, "S4", "{}: retry at once", refused.session);
  if (refused.reason == RefuseReason::draining) return pay(link, "refused " + refused.session);
  const auto waiting = find_waiting(link, refused.session);
  require(waiting != waiting_.end(), "S4", "{} refused without asking", refused.session);
  const auto broken = cap_broken(waiting->admit.policy, waiting->admit.user);
  require(broken && broken->reason == refused.reason, "S4", "{} refused below the cap",
          refused.session);
  const bool evicts = rules_of(broken->policy).at_capacity == sessiond::AtCapacity::evict_idle;
  require(!evicts || now_ >= waiting->deadline || best_victim(*waiting, false) == nullptr, "S4",
          "{} refused although somebody may go", refused.session);
  waiting_.erase(waiting);
}

std::optional<CoreModel::Broken> CoreModel::cap_broken(const std::string &policy,
                                                       const std::string &user) const {
  const std::string top;
  const auto full = [](const std::optional<uint64_t> &cap, size_t count) {
    return cap && count >= *cap;
  };
  const bool own = !policy.empty() && defined(policy);
  const sessiond::Policy &rules = rules_of(policy);
  if (full(settings_.top.max_sessions, count(nullptr, nullptr))) {
    return Broken{RefuseReason::max_sessions, top};
  }
  if (own && full(rules.max_sessions, count(&policy, nullptr))) {
    return Broken{RefuseReason::max_sessions, policy};
  }
  if (user == "-") return std::nullopt;
  if (full(settings_.top.max_sessions_per_user, count(nullptr, &user))) {
    return Broken{RefuseReason::max_sessions_per_user, top};
  }
  if (own && full(rules.max_sessions_per_user, count(&policy, &user))) {
    return Broken{RefuseReason::max_sessions_per_user, policy};
  }
  return std::nullopt;
}

// The user's own longest idle before anybody else's; nobody when nobody may go.
const Known *CoreModel::best_victim(const Waiting &waiting, bool asked_too) const {
  const auto broken = cap_broken(waiting.admit.policy, waiting.admit.user);
  if (!broken) return nullptr;
  const sessiond::Policy &rules = rules_of(broken->policy);
  if (rules.at_capacity != sessiond::AtCapacity::evict_idle) return nullptr;
  const Known *own = nullptr;
  const Known *any = nullptr;
  for (const auto &[id, known] : sessions_) {
    const bool may_go = known.state == SessionState::open && !held(known) && !persistent(known) &&
                        (asked_too || known.asked == sessiond::Ask::none) &&
                        (broken->policy.empty() || known.policy == broken->policy) &&
                        now_ - known.last_activity >= rules.evict_grace;
    if (!may_go) continue;
    if (any == nullptr || known.last_activity < any->last_activity) any = &known;
    if (known.user != waiting.admit.user || known.user == "-") continue;
    if (own == nullptr || known.last_activity < own->last_activity) own = &known;
  }
  if (own != nullptr || broken->reason == RefuseReason::max_sessions_per_user) return own;
  return any;
}

bool CoreModel::right_victim(const Known &victim, std::optional<Millis> grace) const {
  return std::any_of(waiting_.begin(), waiting_.end(), [&](const Waiting &waiting) {
    const Known *const best = best_victim(waiting, false);
    if (best == nullptr || best->last_activity != victim.last_activity) return false;
    const auto broken = cap_broken(waiting.admit.policy, waiting.admit.user);
    return !grace || *grace == rules_of(broken->policy).evict_grace;
  });
}

// ---- orders ----

// All that hold the session are asked, in the same step.
void CoreModel::judge(LinkId link, const link::Probe &probe) {
  using Stage = sessiond::Sharing::Stage;
  const auto at = sessions_.find(probe.session);
  require(at != sessions_.end(), "S2", "asked about {}, which is over", probe.session);
  Known &known = at->second;
  require(known.shared() && known.find(link) != nullptr && known.state == SessionState::open, "S2",
          "asked the wrong proxy about {}", probe.session);
  if (probe.round == known.round && known.stage == Stage::probing) {
    require(probe.reason == known.reason && probe.idle_ms_min == known.idle_min.count(), "S2",
            "asked otherwise about {}", probe.session);
    return pay(link, "probe " + probe.session);
  }
  require(probe.round > known.round, "S2", "{}: a round that has been", probe.session);
  link::DropIfIdle as_one{probe.session, probe.idle_ms_min, probe.reason, false};
  judge_asked_alone(link, known, as_one);
  if (known.stage == Stage::quiet) known.forgot.clear();
  known.stage = Stage::probing;
  known.round = probe.round;
  known.reason = probe.reason;
  known.idle_min = Millis{probe.idle_ms_min};
  for (Told &told : known.holders) {
    told.idle = false;
    if (told.link != link) owe(told.link, "probe " + probe.session);
  }
}

void CoreModel::judge(LinkId link, const link::Release &release) {
  if (!owed_.contains({link, "release " + release.session})) {
    const auto at = sessions_.find(release.session);
    require(
        at != sessions_.end() && at->second.find(link) != nullptr && at->second.find(link)->idle,
        "S2", "{} released although nobody waits", release.session);
    call_off(release.session, at->second);
  }
  pay(link, "release " + release.session);
}

void CoreModel::judge(LinkId link, const link::DropIfIdle &order) {
  const auto at = sessions_.find(order.session);
  require(at != sessions_.end(), "S2", "asked about {}, which is over", order.session);
  Known &known = at->second;
  require(known.find(link) != nullptr && known.state == SessionState::open, "S2",
          "asked the wrong proxy about {}", order.session);
  if (order.keep_backend) {
    require(order.reason == known.reason && order.idle_ms_min == known.idle_min.count(), "S2",
            "{} is to be forgotten for another reason", order.session);
    return pay(link, "leave " + order.session);
  }
  require(!known.shared(), "S2", "{} is to end at one proxy although others hold it",
          order.session);
  if (known.stage == sessiond::Sharing::Stage::leaving) {
    known.stage = sessiond::Sharing::Stage::quiet;
    require(order.reason == known.reason && order.idle_ms_min == known.idle_min.count(), "S2",
            "{} is to end for another reason", order.session);
    known.asked_at = now_;
    return pay(link, "ask " + order.session);
  }
  judge_asked_alone(link, known, order);
}

// The first word about an end that policy wants.
void CoreModel::judge_asked_alone(LinkId link, Known &known, const link::DropIfIdle &order) {
  require(known.shared() || known.holder() == link, "S2", "asked the wrong proxy about {}",
          order.session);
  require(!held(known), "S2", "asked about {}, which is busy", order.session);
  const sessiond::Policy &rules = rules_of(known);
  const Millis idle_min{order.idle_ms_min};
  if (order.reason == EndReason::capacity) {
    require(known.asked == sessiond::Ask::none, "S4", "{} asked twice to make room", order.session);
    require(!persistent(known), "S3", "persistent {} is to make room", order.session);
    require(right_victim(known, idle_min), "S4", "{} is the wrong one to make room", order.session);
    known.asked = sessiond::Ask::eviction;
  } else {
    require(due(known, order.reason, now_), "S2", "asked about {} too early ({})", order.session,
            to_word(order.reason));
    const Millis wanted_idle = order.reason == EndReason::idle_timeout     ? rules.timeout
                               : order.reason == EndReason::orphan_timeout ? *rules.orphan_timeout
                                                                           : *rules.unused_timeout;
    require(idle_min == wanted_idle, "S2", "asked about {} with another timeout", order.session);
    known.asked = sessiond::Ask::expiry;
  }
  known.asked_at = now_;
}

void CoreModel::judge(LinkId link, const link::Drop &order) {
  const auto at = sessions_.find(order.session);
  if (order.keep_backend) {
    require(at == sessions_.end() && graves_.contains(order.session), "S3",
            "{} is to be forgotten although it lives", order.session);
    return pay(link, "forget " + order.session);
  }
  const auto owed = owed_.find({link, "drop " + order.session});
  if (owed != owed_.end()) {
    owed_.erase(owed);
  } else {
    // A closing session that changed hands is ordered again when its turn comes.
    require(at != sessions_.end() && at->second.state == SessionState::closing &&
                at->second.holder() == link && at->second.asked != sessiond::Ask::drop,
            "S3", "{} dropped without a reason", order.session);
  }
  if (at == sessions_.end()) {
    const auto grave = graves_.find(order.session);
    require(grave != graves_.end() && grave->second.reason == order.reason, "S5",
            "{} dropped again for another reason", order.session);
    return;
  }
  at->second.asked = sessiond::Ask::drop;
  at->second.asked_at = now_;
}

void CoreModel::judge(const sessiond::CloseLink &close) {
  pay(close.link, "close");
  links_.at(close.link).closing = true;
}

// ---- the log is contract ----

void CoreModel::judge(const sessiond::Log &log) {
  if (!log.verbatim) return;
  const std::string id = between(log.text, "\"sessionId\":\"", "\"");
  if (log.text.find("session created") != std::string::npos) {
    require(newborn_.erase(id) == 1, "S7", "{} created twice", id);
    const Known &known = sessions_.at(id);
    require(between(log.text, "\"userId\":\"", "\"") == known.user, "S1", "{}: wrong user", id);
    require(between(log.text, "\"persistent\":", "}") == (persistent(known) ? "true" : "false"),
            "S3", "{}: wrong kind", id);
    ++created_count_;
  } else if (log.text.find("session deleted") != std::string::npos) {
    judge_deleted(id, between(log.text, "\"reason\":\"", "\""));
  } else if (log.text.find("expired sessions cleaned") != std::string::npos) {
    judge_cleaned(number(between(log.text, "\"count\":", ",")));
  } else {
    require(number(between(log.text, "\"persistent\":", "}")) > 0, "S3", "skipped nobody");
  }
}

void CoreModel::judge_cleaned(int64_t count) {
  require(count == expired_count_, "S2", "{} said to have expired, {} did", count, expired_count_);
  expired_count_ = 0;
}

void CoreModel::judge_deleted(const std::string &session, const std::string &reason) {
  const auto dying = dying_.find(session);
  if (dying != dying_.end()) {
    require(to_word(dying->second) == reason, "F1", "{} ended by {}, not {}", session,
            to_word(dying->second), reason);
    dying_.erase(dying);
    return over(session);
  }
  const auto at = sessions_.find(session);
  require(at != sessions_.end(), "S5", "{} ended twice", session);
  const Known &known = at->second;
  const auto why = from_word<EndReason>(reason);
  require(why.has_value(), "F1", "{}: no such reason", reason);
  require(known.holders.empty(), "S2", "{} ended without asking its proxy", session);
  if (is_expiry(*why)) {
    require(due(known, *why, now_), "S2", "{} expired too early ({})", session, reason);
  } else {
    require(*why == EndReason::capacity && right_victim(known, std::nullopt), "S4",
            "{} ended for no reason ({})", session, reason);
  }
  lose(session, *why);
  dying_.erase(session);
  over(session);
}

void CoreModel::over(const std::string &session) {
  ++deleted_count_;
  for (auto &[token, command] : commands_) command.sessions.erase(session);
}

void CoreModel::judge(const sessiond::CommandDone &done) {
  const auto at = commands_.find(done.token);
  require(at != commands_.end(), "C1", "a command answered twice");
  const Command &command = at->second;
  const bool complete = command.sessions.empty() && command.proxies.empty();
  using sessiond::CommandOutcome;
  require((done.outcome == CommandOutcome::not_found) == command.not_found, "C1",
          "a command did not find what is there, or found what is not");
  require(done.outcome != CommandOutcome::done || complete, "C1", "a command done too early");
  require(done.outcome != CommandOutcome::pending || now_ >= command.deadline, "C1",
          "a command given up too early");
  commands_.erase(at);
}

}  // namespace holdfast::sim
