// CoreModel: what follows from an event alone.
#include <algorithm>

#include "sessiond/core/reports.h"
#include "tests/sim/core_model.h"

namespace holdfast::sim {

using sessiond::LinkId;
using sessiond::SessionState;

CoreModel::CoreModel(const sessiond::Settings &settings, MonoTime now)
    : now_(now), started_(now), settings_(settings) {}

void CoreModel::on_event(const sessiond::Event &event, MonoTime now) {
  now_ = now;
  std::visit([this](const auto &what) { on(what); }, event);
}

void CoreModel::on(const sessiond::LinkUp &event) { links_[event.link] = {}; }

void CoreModel::on(const sessiond::Message &event) {
  const auto at = links_.find(event.link);
  if (at == links_.end() || at->second.closing) return;
  if (!at->second.instance && !std::holds_alternative<link::Hello>(event.message)) {
    if (!std::holds_alternative<link::Bye>(event.message)) owe(event.link, "close");
    return;
  }
  std::visit([&](const auto &message) { hear(at, message); }, event.message);
}

// ---- hello and the end of a link ----

void CoreModel::hear(LinkAt link, const link::Hello &hello) {
  Link &mine = link->second;
  if (mine.instance && *mine.instance != hello.instance) return owe(link->first, "close");
  const bool again = mine.instance.has_value();
  mine.node = hello.node;
  mine.snapshot_taken = false;
  mine.restoring = true;
  if (!again) {
    take_over(hello.instance, link);
    mine.instance = hello.instance;
  }
  owe(link->first, "welcome");
  owe(link->first, "restored_begin");
  if (draining_) owe(link->first, "drain");
}

// The newer connection of an instance takes everything the older one carried.
void CoreModel::take_over(const std::string &instance, LinkAt link) {
  LinkId old = LinkId::none;
  for (auto &[id, older] : links_) {
    if (older.instance != instance) continue;
    old = id;
    owe(id, "close");
    older.instance.reset();
    for (auto &[token, command] : commands_) command.proxies.erase(id);
    std::erase_if(waiting_, [&, gone = id](const Waiting &w) { return w.link == gone; });
  }
  std::vector<std::string> reservations;
  for (auto &[id, known] : sessions_) {
    const bool ownerless = known.holders.empty() && known.instance == instance;
    if (ownerless) known.holders.emplace_back().link = link->first;
    Told *const told = known.find(ownerless ? link->first : old);
    if (told == nullptr) continue;
    if (ownerless) {
      told->last_activity = known.last_activity;
      told->last_use = known.last_use;
      told->requests = known.requests;
    } else {
      call_off(id, known);
      const bool first = known.holder() == old;
      told->link = link->first;
      if (first) {
        known.asked = sessiond::Ask::none;
        known.asked_alone = false;
        if (known.state == SessionState::opening) reservations.push_back(id);
        if (known.state == SessionState::closing) owe(link->first, "drop " + id);
      }
    }
    known.stable_since = now_;
    if (!told->unconfirmed || known.state != SessionState::open || known.shared()) continue;
    known.holders.clear();
    known.instance.clear();
  }
  for (const std::string &id : reservations) forget(id);
}

void CoreModel::on(const sessiond::LinkDown &event) {
  const auto link = links_.find(event.link);
  if (link == links_.end()) return;
  const std::string node = link->second.node;
  links_.erase(link);
  std::erase_if(waiting_, [&](const Waiting &w) { return w.link == event.link; });
  for (auto &[token, command] : commands_) command.proxies.erase(event.link);
  std::vector<std::pair<std::string, EndReason>> over;
  for (auto &[id, known] : sessions_) {
    Told *const told = known.find(event.link);
    if (told == nullptr) continue;
    if (known.shared()) {
      told->last_activity = told->last_use = now_;
      told->idle = false;
      known.merge();
      leave(id, event.link);
      continue;
    }
    const bool unconfirmed = told->unconfirmed;
    known.holders.clear();
    known.asked = sessiond::Ask::none;
    if (known.state == SessionState::closing) {
      over.emplace_back(id, known.end_reason);
    } else if (known.state == SessionState::opening || known.transport != Transport::streamable) {
      over.emplace_back(id, EndReason::link_lost);
    } else {
      known.in_flight = known.streams = 0;
      known.last_activity = known.last_use = known.stable_since = now_;
      if (unconfirmed) known.instance.clear();
    }
  }
  for (const auto &[id, reason] : over) lose(id, reason);
  hand_over(node);
}

// What an instance left goes to the node's next one at once, where that is here already.
void CoreModel::hand_over(const std::string &node) {
  const bool ownerless = std::any_of(sessions_.begin(), sessions_.end(), [&](const auto &entry) {
    return entry.second.holders.empty() && entry.second.node == node;
  });
  for (auto at = links_.rbegin(); ownerless && at != links_.rend(); ++at) {
    Link &link = at->second;
    if (!link.instance || link.closing || link.node != node) continue;
    if (link.restoring) return;
    link.restoring = link.lenient = true;
    link.snapshot_taken = false;
    return owe(at->first, "restored_begin");
  }
}

// ---- snapshot ----

void CoreModel::hear(LinkAt link, const link::SnapshotBegin &) {
  link->second.in_snapshot = true;
  link->second.lenient = !link->second.snapshot_taken || link->second.restoring;
  for (auto &[id, known] : sessions_) {
    if (Told *const told = known.find(link->first)) told->seen = false;
  }
}

void CoreModel::hear(LinkAt link, const link::Snapshot &snapshot) {
  const link::Record &record = snapshot.record;
  const auto grave = graves_.find(record.session);
  auto at = sessions_.find(record.session);
  const bool over = grave != graves_.end() &&
                    (grave->second.drop_again || sessiond::ends_for_all(grave->second.reason));
  if (at == sessions_.end() && over) {
    return owe(link->first, "drop " + record.session);
  }
  const bool news = at == sessions_.end()
                        ? grave == graves_.end() && Millis{record.age_ms} < now_ - started_
                        : at->second.state == SessionState::opening;
  if (at == sessions_.end()) {
    Known fresh;
    fresh.user = record.user;
    fresh.policy = record.policy;
    fresh.transport = record.transport;
    fresh.last_use = now_;
    at = sessions_.emplace(record.session, fresh).first;
    graves_.erase(record.session);
  }
  Told &told = *reported(link, record.session).told;
  Known &known = at->second;
  if (known.state == SessionState::opening) known.state = SessionState::open;
  known.created = now_ - Millis{record.age_ms};
  told.last_activity = now_ - Millis{record.idle_ms};
  told.in_flight = record.in_flight;
  told.streams = record.streams;
  told.requests = record.requests;
  told.seen = true;
  known.merge();
  if (record.persistent != persistent(known)) owe(link->first, "set " + record.session);
  if (news) newborn_.insert(record.session);
}

void CoreModel::hear(LinkAt link, const link::SnapshotEnd &) {
  Link &mine = link->second;
  if (!mine.in_snapshot) return owe(link->first, "close");
  std::vector<std::pair<std::string, EndReason>> over;
  for (auto &[id, known] : sessions_) {
    const Told *const told = known.find(link->first);
    const bool spared = told == nullptr || told->seen || known.state == SessionState::opening ||
                        (told->unconfirmed && mine.lenient);
    if (spared) continue;
    const bool ordered = known.state == SessionState::closing;
    over.emplace_back(id, ordered ? known.end_reason : EndReason::not_in_snapshot);
  }
  for (const auto &[id, reason] : over) {
    const Known &known = sessions_.at(id);
    if (known.shared() && !last_word(known, link->first, EndReason::not_in_snapshot)) {
      forget_holder(id, link->first, EndReason::not_in_snapshot);
    } else {
      lose(id, reason, link->first);
    }
  }
  mine.in_snapshot = false;
  mine.snapshot_taken = true;
}

// ---- reports ----

// The session a link speaks of, which it holds from now on; none when it is not known.
CoreModel::Report CoreModel::reported(LinkAt link, const std::string &session) {
  const auto at = sessions_.find(session);
  if (at == sessions_.end()) {
    const auto grave = graves_.find(session);
    if (grave != graves_.end() && grave->second.drop_again) owe(link->first, "drop " + session);
    return {};
  }
  Known &known = at->second;
  if (known.find(link->first) == nullptr) call_off(session, known);
  Told &told = hold(known, link);
  told.unconfirmed = false;
  told.named = true;
  known.stable_since = now_;
  return {&known, &told};
}

// Streamable sessions may have several holders, all else moves to whoever speaks of it.
Told &CoreModel::hold(Known &known, LinkAt link) {
  if (Told *const told = known.find(link->first)) return *told;
  const bool alone = known.state == SessionState::opening ||
                     known.transport != Transport::streamable || known.holders.empty();
  if (alone) {
    Told told;
    if (!known.holders.empty()) told = known.holders.front();
    told.last_activity = known.last_activity;
    told.last_use = known.last_use;
    told.in_flight = known.in_flight;
    told.streams = known.streams;
    told.requests = known.requests;
    told.seen = false;
    known.holders = {told};
    known.asked = sessiond::Ask::none;
    known.node = link->second.node;
    known.instance = *link->second.instance;
  } else {
    if (!known.shared()) known.asked_alone = known.asked != sessiond::Ask::none;
    known.was_shared = known.used = true;
    Told told;
    told.last_activity = known.last_activity;
    told.last_use = known.last_use;
    told.requests = known.requests;
    known.holders.push_back(told);
  }
  known.holders.back().link = link->first;
  return known.holders.back();
}

// Whoever asks for a known session that only one holds takes it, without having said anything of
// it.
void CoreModel::take_admitted(LinkAt link, const std::string &session) {
  Known &known = sessions_.at(session);
  known.stable_since = now_;
  if (known.shared() || known.find(link->first) != nullptr) return;
  const Transport transport = std::exchange(known.transport, Transport::listen);  // it moves
  (void)hold(known, link);
  known.transport = transport;
}

// ---- several holders ----

// The round is over without an end: whoever lets requests wait is told.
void CoreModel::call_off(const std::string &session, Known &known) {
  if (known.stage == sessiond::Sharing::Stage::quiet) return;
  known.stage = sessiond::Sharing::Stage::quiet;
  for (Told &told : known.holders) {
    if (std::exchange(told.idle, false)) owe(told.link, "release " + session);
  }
  if (!known.asked_alone) known.asked = sessiond::Ask::none;
  known.stable_since = now_;
}

// What it told of the clock, the others know.
void CoreModel::erase_holder(Known &known, LinkId link) {
  const Told gone = *known.find(link);
  std::erase_if(known.holders, [&](const Told &told) { return told.link == link; });
  for (Told &told : known.holders) {
    told.last_activity = std::max(told.last_activity, gone.last_activity);
    told.last_use = std::max(told.last_use, gone.last_use);
  }
  const Link &first = links_.at(known.holder());
  known.node = first.node;
  known.instance = first.instance.value_or(known.instance);
  known.stable_since = now_;
  known.merge();
  if (known.holders.size() == 1) known.asked_alone = false;
}

void CoreModel::leave(const std::string &session, LinkId link) {
  Known &known = sessions_.at(session);
  call_off(session, known);
  if (known.holder() == link) {
    known.asked = sessiond::Ask::none;
    known.asked_alone = false;
  }
  erase_holder(known, link);
}

// A holder speaks for itself alone.
void CoreModel::forget_holder(const std::string &session, LinkId link, EndReason reason) {
  Known &known = sessions_.at(session);
  const bool leaving = known.stage == sessiond::Sharing::Stage::leaving && known.holder() != link &&
                       known.reason == reason;
  if (!leaving) {
    if (reason == EndReason::backend_lost) known.refused.insert(link);
    return leave(session, link);
  }
  known.forgot.insert(link);
  erase_holder(known, link);
  if (known.shared()) return;
  if (wanted(known)) {
    owe(known.holder(), "ask " + session);
  } else {
    known.stage = sessiond::Sharing::Stage::quiet;
    known.asked = sessiond::Ask::none;
    known.holders.front().idle = false;
    owe(known.holder(), "release " + session);
  }
}

bool CoreModel::last_word(const Known &known, LinkId link, EndReason reason) const {
  const bool asked = known.state == SessionState::closing || known.asked_alone;
  return sessiond::ends_for_all(reason) || (known.holder() == link && asked);
}

// Whether the reason for which its end is agreed on holds.
bool CoreModel::wanted(const Known &known) const {
  if (known.state != SessionState::open) return false;
  const sessiond::Policy &rules = rules_of(known);
  switch (known.reason) {
    case EndReason::idle_timeout:
      return due(known, known.reason, now_) && known.idle_min == rules.timeout;
    case EndReason::orphan_timeout:
      return due(known, known.reason, now_) && known.idle_min == *rules.orphan_timeout;
    case EndReason::unused_timeout:
      // What has been idle for too long meanwhile begins again, for that reason.
      return due(known, known.reason, now_) && known.idle_min == *rules.unused_timeout &&
             !due(known, EndReason::idle_timeout, now_);
    default:
      return !held(known) && !persistent(known) && now_ - known.last_activity >= known.idle_min;
  }
}

void CoreModel::hear(LinkAt link, const link::Idle &idle) {
  const auto [known, told] = reported(link, idle.session);
  if (known == nullptr) return;
  using Stage = sessiond::Sharing::Stage;
  const bool awaited =
      known->shared() && known->stage == Stage::probing && known->round == idle.round;
  if (!awaited) return owe(link->first, "release " + idle.session);
  told->idle = true;
  told->last_activity = now_ - Millis{idle.idle_ms};
  known->merge();
  const bool all = std::all_of(known->holders.begin(), known->holders.end(),
                               [](const Told &t) { return t.idle; });
  if (!all) return;
  if (!wanted(*known)) return call_off(idle.session, *known);
  known->stage = Stage::leaving;
  for (Told &other : known->holders) {
    if (other.link == known->holder()) continue;
    other.idle = false;
    owe(other.link, "leave " + idle.session);
  }
}

void CoreModel::hear(LinkAt link, const link::Admit &admit) {
  if (!is_session_id(admit.session)) return owe(link->first, "close");
  if (sessions_.contains(admit.session)) {
    take_admitted(link, admit.session);
    return owe(link->first, "admitted " + admit.session);
  }
  if (draining_) return owe(link->first, "refused " + admit.session);
  waiting_.push_back({link->first, admit, now_ + sessiond::kEvictionPatience});
}

void CoreModel::hear(LinkAt link, const link::Bound &bound) {
  const auto [known, told] = reported(link, bound.session);
  if (known == nullptr) return;
  told->seen = true;
  if (known->state != SessionState::opening) return;
  known->state = SessionState::open;
  known->created = told->last_activity = told->last_use = now_;
  known->merge();
  newborn_.insert(bound.session);
}

void CoreModel::hear(LinkAt link, const link::Released &released) {
  std::erase_if(waiting_, [&](const Waiting &w) {
    return w.link == link->first && w.admit.session == released.session;
  });
  const auto at = sessions_.find(released.session);
  if (at == sessions_.end() || at->second.state != SessionState::opening) return;
  if (at->second.holder() == link->first) forget(released.session);
}

void CoreModel::hear(LinkAt link, const link::Opened &opened) {
  const auto [known, told] = reported(link, opened.session);
  if (known == nullptr) return;
  ++told->streams;
  told->last_use = now_;
  known->merge();
}

void CoreModel::hear(LinkAt link, const link::Closed &closed) {
  const auto [known, told] = reported(link, closed.session);
  if (known == nullptr) return;
  told->streams = std::max<int64_t>(told->streams - 1, 0);
  told->last_use = now_;
  told->last_activity = now_ - Millis{closed.idle_ms};
  known->merge();
}

void CoreModel::hear(LinkAt link, const link::Activity &activity) {
  for (const link::ActivityEntry &entry : activity.sessions) {
    const auto [known, told] = reported(link, entry.session);
    if (known == nullptr) continue;
    told->last_activity = now_ - Millis{entry.idle_ms};
    told->in_flight = entry.in_flight;
    told->requests = entry.requests;
    told->last_use = now_;
    known->merge();
  }
}

void CoreModel::hear(LinkAt link, const link::Alive &alive) {
  const auto [known, told] = reported(link, alive.session);
  if (known == nullptr) return;
  told->last_activity = now_ - Millis{alive.idle_ms};
  told->in_flight = alive.in_flight;
  told->last_use = now_ - Millis{alive.use_ms.value_or(0)};
  known->used = known->used || alive.used;
  known->merge();
  if (known->asked == sessiond::Ask::drop || known->asked == sessiond::Ask::none) return;
  const bool answers = !known->shared() || known->holder() == link->first;
  if (!known->shared() || (answers && std::exchange(known->asked_alone, false))) {
    known->asked = sessiond::Ask::none;
  }
  call_off(alive.session, *known);
}

void CoreModel::hear(LinkAt link, const link::Ended &ended) {
  owe(link->first, "acknowledged " + ended.session);
  const auto at = sessions_.find(ended.session);
  const bool final = sessiond::ends_for_all(ended.reason);
  if (at == sessions_.end()) {
    // Nobody may bring it back.
    if (final && is_session_id(ended.session) && !graves_.contains(ended.session)) {
      graves_[ended.session] = {ended.reason, true, now_};
    }
    return;
  }
  Known &known = at->second;
  if (known.find(link->first) == nullptr) {
    const bool theirs =
        known.node == link->second.node && known.state != SessionState::opening && final;
    if (!theirs) return;
    known.was_shared = true;
    return lose(ended.session, ended.reason, link->first);
  }
  if (known.shared() && !last_word(known, link->first, ended.reason)) {
    return forget_holder(ended.session, link->first, ended.reason);
  }
  const bool ours = known.state == SessionState::closing && ended.reason == EndReason::unknown;
  lose(ended.session, ours ? known.end_reason : ended.reason, link->first);
}

void CoreModel::hear(LinkAt link, const link::Obeyed &obeyed) {
  hear(link, link::Reloaded{obeyed.token, true, {}});
}

void CoreModel::hear(LinkAt link, const link::Reloaded &reloaded) {
  const auto command = commands_.find(static_cast<sessiond::Token>(reloaded.token));
  if (command != commands_.end()) command->second.proxies.erase(link->first);
}

// ---- admins ----

void CoreModel::on(const sessiond::SettingsChanged &event) {
  settings_ = event.settings;
  for (auto &[id, known] : sessions_) known.stable_since = now_;
  for (const auto &[id, link] : links_) {
    if (link.instance) owe(id, "policies");
  }
}

void CoreModel::on(const sessiond::ShutdownSession &event) {
  Command &command = commands_[event.token];
  command.deadline = now_ + sessiond::kCommandPatience;
  const auto at = sessions_.find(event.session);
  command.not_found = at == sessions_.end() || at->second.state == SessionState::opening;
  if (command.not_found) return;
  command.sessions.insert(event.session);
  Known &known = at->second;
  if (known.holders.empty()) return lose(event.session, EndReason::admin);
  if (known.state == SessionState::closing) return;
  call_off(event.session, known);
  known.state = SessionState::closing;
  known.end_reason = EndReason::admin;
  owe(known.holder(), "drop " + event.session);
}

void CoreModel::on(const sessiond::ShutdownSessions &event) {
  Command &command = commands_[event.token];
  command.deadline = now_ + sessiond::kCommandPatience;
  std::vector<std::string> ownerless;
  for (auto &[id, known] : sessions_) {
    const sessiond::SessionFilter &filter = event.filter;
    const bool wanted = known.state != SessionState::opening &&
                        (!filter.user || *filter.user == known.user) &&
                        (!filter.policy || *filter.policy == known.policy) &&
                        (!filter.transport || *filter.transport == known.transport) &&
                        (!filter.idle_min || now_ - known.last_activity >= *filter.idle_min);
    if (!wanted) continue;
    command.sessions.insert(id);
    if (known.holders.empty()) {
      ownerless.push_back(id);
    } else if (known.state == SessionState::open) {
      call_off(id, known);
      known.state = SessionState::closing;
      known.end_reason = EndReason::admin;
      owe(known.holder(), "drop " + id);
    }
  }
  for (const std::string &id : ownerless) lose(id, EndReason::admin);
}

void CoreModel::on(const sessiond::SetPersistent &event) {
  Command &command = commands_[event.token];
  command.deadline = now_ + sessiond::kCommandPatience;
  const auto at = sessions_.find(event.session);
  command.not_found = at == sessions_.end() || at->second.state != SessionState::open;
  if (command.not_found) return;
  Known &known = at->second;
  known.pin = event.persistent ? sessiond::Pin::persistent : sessiond::Pin::not_persistent;
  known.stable_since = now_;
  for (const Told &told : known.holders) owe(told.link, "set " + event.session);
}

void CoreModel::on(const sessiond::SetDrain &event) {
  Command &command = commands_[event.token];
  command.deadline = now_ + sessiond::kCommandPatience;
  draining_ = event.on;
  for (const auto &[id, link] : links_) {
    if (!link.instance) continue;
    owe(id, "drain");
    command.proxies.insert(id);
  }
}

void CoreModel::on(const sessiond::ReloadProxies &event) {
  Command &command = commands_[event.token];
  command.deadline = now_ + sessiond::kCommandPatience;
  for (const auto &[id, link] : links_) {
    if (!link.instance) continue;
    owe(id, "reload");
    command.proxies.insert(id);
  }
}

}  // namespace holdfast::sim
