// CoreModel: the comparison with the core, and the rules both are judged by.
#include <algorithm>

#include "common/limits.h"
#include "sessiond/core/reaper.h"
#include "tests/sim/core_model.h"

namespace holdfast::sim {

using sessiond::LinkId;
using sessiond::SessionState;

// ---- what a session's holders tell ----

const Told *Known::find(LinkId link) const {
  const auto at = std::find_if(holders.begin(), holders.end(),
                               [&](const Told &told) { return told.link == link; });
  return at == holders.end() ? nullptr : &*at;
}

Told *Known::find(LinkId link) {
  return const_cast<Told *>(static_cast<const Known *>(this)->find(link));
}

void Known::merge() {
  if (holders.empty()) return;
  last_activity = last_use = MonoTime::min();
  in_flight = streams = requests = 0;
  for (const Told &told : holders) {
    last_activity = std::max(last_activity, told.last_activity);
    last_use = std::max(last_use, told.last_use);
    in_flight += told.in_flight;
    streams += told.streams;
    requests = std::max(requests, told.requests);
  }
}

// ---- rules ----

bool CoreModel::defined(const std::string &policy) const {
  return policy.empty() || &rules_of(policy) != &settings_.top;
}

const sessiond::Policy &CoreModel::rules_of(const std::string &policy) const {
  for (const sessiond::NamedPolicy &named : settings_.policies) {
    if (named.name == policy) return named.policy;
  }
  return settings_.top;
}

bool CoreModel::persistent(const Known &known) const {
  if (known.pin != sessiond::Pin::by_policy) return known.pin == sessiond::Pin::persistent;
  const sessiond::Policy &rules = rules_of(known);
  return rules.persistent_mode ? *rules.persistent_mode : !rules.max_sessions;
}

bool CoreModel::held(const Known &known) const {
  return known.in_flight > 0 || (known.streams > 0 && rules_of(known).stream_keeps_alive);
}

bool CoreModel::due(const Known &known, EndReason reason, MonoTime now) const {
  const sessiond::Policy &rules = rules_of(known);
  if (known.state != SessionState::open || held(known)) return false;
  switch (reason) {
    case EndReason::idle_timeout:
      return !persistent(known) && now >= known.last_activity + rules.timeout;
    case EndReason::unused_timeout:
      return !persistent(known) && rules.unused_timeout && !known.used && !known.holders.empty() &&
             known.transport != Transport::listen && now >= known.created + *rules.unused_timeout;
    case EndReason::orphan_timeout:
      return persistent(known) && rules.orphan_timeout && known.streams == 0 &&
             now >= std::max(known.last_use, known.last_activity) + *rules.orphan_timeout;
    default:
      return false;
  }
}

std::optional<MonoTime> CoreModel::due_at(const Known &known) const {
  const sessiond::Policy &rules = rules_of(known);
  if (known.state != SessionState::open || held(known)) return std::nullopt;
  if (persistent(known)) {
    if (!rules.orphan_timeout || known.streams > 0) return std::nullopt;
    return std::max(known.last_use, known.last_activity) + *rules.orphan_timeout;
  }
  const MonoTime idle = known.last_activity + rules.timeout;
  const bool named = std::any_of(known.holders.begin(), known.holders.end(),
                                 [](const Told &told) { return told.named; });
  const bool may_be_unused =
      rules.unused_timeout && !known.used && named && known.transport != Transport::listen;
  return may_be_unused ? std::min(idle, known.created + *rules.unused_timeout) : idle;
}

size_t CoreModel::count(const std::string *policy, const std::string *user) const {
  return static_cast<size_t>(
      std::count_if(sessions_.begin(), sessions_.end(), [&](const auto &entry) {
        return (policy == nullptr || entry.second.policy == *policy) &&
               (user == nullptr || entry.second.user == *user);
      }));
}

// ---- changes ----

void CoreModel::lose(const std::string &session, EndReason reason, LinkId told_by) {
  const auto at = sessions_.find(session);
  const Known &known = at->second;
  if (known.state == SessionState::opening) return forget(session);
  const bool ownerless = known.holders.empty();
  if (is_expiry(reason) && (ownerless || known.asked == sessiond::Ask::expiry)) ++expired_count_;
  const bool decided_here =
      is_expiry(reason) || reason == EndReason::capacity || reason == EndReason::admin;
  const bool again = known.was_shared && (decided_here || sessiond::ends_for_all(reason));
  for (const auto &[id, link] : links_) {
    const bool may_hold = known.find(id) != nullptr || (link.instance && link.node == known.node);
    if (known.was_shared && id != told_by && may_hold) owe(id, "forget " + session);
  }
  graves_[session] = {reason, again || (ownerless && decided_here), now_};
  dying_[session] = reason;
  sessions_.erase(at);
}

void CoreModel::forget(const std::string &session) { sessions_.erase(session); }

// ---- comparison ----

void CoreModel::check(const sessiond::Core &core) {
  require(core.table().size() == sessions_.size(), "S7", "{} in the table, {} in reality",
          core.table().size(), sessions_.size());
  for (const auto &[id, known] : sessions_) {
    const sessiond::Session *const real = core.table().find(id);
    require(real != nullptr, "F1", "{} is missing", id);
    check_session(id, known, *real);
  }
  check_siblings(core);
  check_counts(core);
  check_graves(core);
  for (const auto &[token, command] : commands_) {
    require(!command.sessions.empty() || !command.proxies.empty(), "C1",
            "a command is complete and not answered");
  }
}

void CoreModel::check_session(const std::string &id, const Known &known,
                              const sessiond::Session &real) const {
  require(real.user->name == known.user, "S1", "{} belongs to {}", id, real.user->name);
  require(real.policy->name == known.policy && real.transport == known.transport, "S1",
          "{} changed its nature", id);
  require(real.instance->link == known.holder(), "F3", "{} is held by link {}, not {}", id,
          static_cast<uint64_t>(real.instance->link), static_cast<uint64_t>(known.holder()));
  check_holders(id, known, real);
  require(real.state == known.state, "F1", "{}: state {}, not {}", id, static_cast<int>(real.state),
          static_cast<int>(known.state));
  require(real.last_activity == known.last_activity && real.created == known.created, "F1",
          "{}: idle for {} ms, not {}", id, (now_ - real.last_activity).count(),
          (now_ - known.last_activity).count());
  require(real.last_use == known.last_use && real.used == known.used, "S2", "{}: last use", id);
  require(real.in_flight == known.in_flight && real.streams == known.streams, "S2",
          "{}: {} in flight and {} streams, not {} and {}", id, real.in_flight, real.streams,
          known.in_flight, known.streams);
  require(real.asked == known.asked, "S2", "{}: asked {}, not {}", id, static_cast<int>(real.asked),
          static_cast<int>(known.asked));
  require(real.requests == known.requests, "F1", "{}: {} requests, not {}", id, real.requests,
          known.requests);
  require(is_persistent(real) == persistent(known), "S3", "{}: wrong kind", id);
  const bool watched = real.look != sessiond::Look::none;
  require(watched || !due_at(known) || known.state != SessionState::open, "S2",
          "{}: nobody will look at it", id);
  require(known.state != SessionState::closing || known.asked == sessiond::Ask::drop ||
              real.look == sessiond::Look::queued,
          "S3", "{}: nobody will end it", id);
}

void CoreModel::check_holders(const std::string &id, const Known &known,
                              const sessiond::Session &real) const {
  require((real.sharing != nullptr) == known.shared(), "F3", "{}: has {} holders", id,
          known.holders.size());
  if (!known.shared()) return;
  require(real.sharing->holders.size() == known.holders.size(), "F3", "{}: {} holders, not {}", id,
          real.sharing->holders.size(), known.holders.size());
  require(real.sharing->stage == known.stage, "S2", "{}: another stage of its end", id);
  for (const auto &holding : real.sharing->holders) {
    const Told *const told = known.find(holding->instance->link);
    require(told != nullptr, "F3", "{} is also held by link {}", id,
            static_cast<uint64_t>(holding->instance->link));
    require(holding->last_activity == told->last_activity && holding->last_use == told->last_use,
            "F1", "{}: another clock of one holder", id);
    require(holding->in_flight == told->in_flight && holding->streams == told->streams, "S2",
            "{}: {} in flight and {} streams at one holder, not {} and {}", id, holding->in_flight,
            holding->streams, told->in_flight, told->streams);
  }
}

// Whichever of its proxies a client meets, it finds its session at once, but for what a link that
// takes no more now will be handed, for who has forgotten it in a round that is not over, and while
// its only holder may have been asked to end it.
void CoreModel::check_siblings(const sessiond::Core &core) const {
  for (const auto &[id, known] : sessions_) {
    if (known.state != SessionState::open || known.transport != Transport::streamable) continue;
    if (known.holders.empty()) continue;
    // A connection that is gone may have carried such an order, and lost the answer.
    const bool asked_alone = !known.shared() && (known.asked != sessiond::Ask::none ||
                                                 !links_.at(known.holder()).snapshot_taken);
    if (asked_alone) continue;
    const bool agreeing = known.stage != sessiond::Sharing::Stage::quiet;
    for (const auto &[link, state] : links_) {
      const bool takes_more =
          state.instance && !state.restoring && !core.links().at(link).piece_out;
      const bool does_without =
          known.refused.contains(link) || (agreeing && known.forgot.contains(link));
      require(
          !takes_more || state.node != known.node || does_without || known.find(link) != nullptr,
          "F4", "{} is not to be had at link {}", id, static_cast<uint64_t>(link));
    }
  }
}

void CoreModel::check_counts(const sessiond::Core &core) const {
  const sessiond::SessionTable &table = core.table();
  std::map<std::string, size_t> users;
  std::map<std::string, size_t> policies;
  size_t opening_count = 0;
  for (const auto &[id, known] : sessions_) {
    ++users[known.user];
    ++policies[known.policy];
    if (known.state == SessionState::opening) ++opening_count;
  }
  require(table.opening_count() == opening_count, "S7", "{} reservations, not {}",
          table.opening_count(), opening_count);
  require(table.user_count() == users.size(), "S7", "{} users, not {}", table.user_count(),
          users.size());
  for (const auto &[name, sessions_count] : users) {
    const sessiond::User *const user = table.find_user(name);
    require(user != nullptr && user->sessions.size() == sessions_count, "S4",
            "user {} is counted wrongly", name);
  }
  for (const auto &[name, policy] : core.policies().all()) {
    const auto at = policies.find(name);
    require(policy.sessions_count == (at == policies.end() ? 0 : at->second), "S4",
            "policy {} is counted wrongly", name);
  }
  for (const auto &[name, instance] : table.instances()) {
    require(instance.linked() || !instance.sessions.empty(), "S7", "instance {} is nobody's", name);
  }
  require(core.links().size() == links_.size(), "S7", "{} links, not {}", core.links().size(),
          links_.size());
  require(core.counters().created == static_cast<uint64_t>(created_count_), "S7",
          "created is counted wrongly");
}

// Graves are forgotten in passes of the core's own choice, but never before their time.
void CoreModel::check_graves(const sessiond::Core &core) {
  for (auto at = graves_.begin(); at != graves_.end();) {
    const sessiond::Tombstone *const real = core.tombstones().find(at->first);
    if (real == nullptr) {
      require(now_ - at->second.ended > settings_.tombstone_lifetime, "S5",
              "{}: its grave was forgotten too early", at->first);
      at = graves_.erase(at);
      continue;
    }
    require(real->reason == at->second.reason && real->drop_again == at->second.drop_again, "S5",
            "{}: another grave", at->first);
    ++at;
  }
  require(core.tombstones().size() == graves_.size(), "R2", "{} graves, not {}",
          core.tombstones().size(), graves_.size());
}

void CoreModel::check_time(const sessiond::Core &core, Millis slack) const {
  (void)core;
  const Millis patience = settings_.sweep_interval + Millis{1000} + slack;
  for (const auto &[id, known] : sessions_) {
    const auto at = due_at(known);
    if (!at) continue;
    const MonoTime from = std::max(*at, known.stable_since);
    if (known.asked == sessiond::Ask::none) {
      require(now_ <= from + patience, "S2", "{} is due since {} ms and nobody asks", id,
              (now_ - from).count());
    } else if (!known.holders.empty()) {
      // Several may need as long as it takes to find out that one of them is silent.
      const Millis more = known.shared() ? kLinkSilenceMax : Millis{0};
      require(now_ <= std::max(from, known.asked_at) + patience + settings_.sweep_interval + more,
              "S2", "{} was asked about once and never again", id);
    }
  }
  for (const auto &[token, command] : commands_) {
    require(now_ <= command.deadline + slack, "C1", "a command waits for ever");
  }
  for (const Waiting &waiting : waiting_) {
    require(now_ <= waiting.deadline + slack, "S4", "{} waits for ever", waiting.admit.session);
  }
}

}  // namespace holdfast::sim
