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
  for (auto &[id, older] : links_) {
    if (older.instance != instance) continue;
    owe(id, "close");
    older.instance.reset();
    for (auto &[token, command] : commands_) command.proxies.erase(id);
    std::erase_if(waiting_, [&, gone = id](const Waiting &w) { return w.link == gone; });
  }
  std::vector<std::string> reservations;
  for (auto &[id, known] : sessions_) {
    if (known.instance != instance) continue;
    if (known.holder != LinkId::none) {
      known.asked = sessiond::Ask::none;
      if (known.state == SessionState::opening) reservations.push_back(id);
      if (known.state == SessionState::closing) owe(link->first, "drop " + id);
    }
    known.holder = link->first;
    known.stable_since = now_;
    if (!known.unconfirmed || known.state != SessionState::open) continue;
    known.holder = LinkId::none;
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
    if (known.holder != event.link) continue;
    known.holder = LinkId::none;
    known.named = false;
    known.asked = sessiond::Ask::none;
    if (known.state == SessionState::closing) {
      over.emplace_back(id, known.end_reason);
    } else if (known.state == SessionState::opening || known.transport != Transport::streamable) {
      over.emplace_back(id, EndReason::link_lost);
    } else {
      known.in_flight = known.streams = 0;
      known.last_activity = known.last_use = known.stable_since = now_;
      if (known.unconfirmed) known.instance.clear();
    }
  }
  for (const auto &[id, reason] : over) lose(id, reason);
  hand_over(node);
}

// What an instance left goes to the node's next one at once, where that is here already.
void CoreModel::hand_over(const std::string &node) {
  const bool ownerless = std::any_of(sessions_.begin(), sessions_.end(), [&](const auto &entry) {
    return entry.second.holder == LinkId::none && entry.second.node == node;
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
    if (known.holder == link->first) known.seen = false;
  }
}

void CoreModel::hear(LinkAt link, const link::Snapshot &snapshot) {
  const link::Record &record = snapshot.record;
  const auto grave = graves_.find(record.session);
  auto at = sessions_.find(record.session);
  if (at == sessions_.end() && grave != graves_.end() && grave->second.drop_again) {
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
  (void)reported(link, record.session);
  Known &known = at->second;
  if (known.state == SessionState::opening) known.state = SessionState::open;
  known.created = now_ - Millis{record.age_ms};
  known.last_activity = now_ - Millis{record.idle_ms};
  known.in_flight = record.in_flight;
  known.streams = record.streams;
  known.requests = record.requests;
  known.seen = true;
  if (record.persistent != persistent(known)) owe(link->first, "set " + record.session);
  if (news) newborn_.insert(record.session);
}

void CoreModel::hear(LinkAt link, const link::SnapshotEnd &) {
  Link &mine = link->second;
  if (!mine.in_snapshot) return owe(link->first, "close");
  std::vector<std::pair<std::string, EndReason>> over;
  for (auto &[id, known] : sessions_) {
    const bool spared = known.holder != link->first || known.seen ||
                        known.state == SessionState::opening || (known.unconfirmed && mine.lenient);
    if (spared) continue;
    const bool ordered = known.state == SessionState::closing;
    over.emplace_back(id, ordered ? known.end_reason : EndReason::not_in_snapshot);
  }
  for (const auto &[id, reason] : over) lose(id, reason);
  mine.in_snapshot = false;
  mine.snapshot_taken = true;
}

// ---- reports ----

// The session a link speaks of, which is that link's from now on; nullptr when it is not known.
Known *CoreModel::reported(LinkAt link, const std::string &session) {
  const auto at = sessions_.find(session);
  if (at == sessions_.end()) {
    const auto grave = graves_.find(session);
    if (grave != graves_.end() && grave->second.drop_again) owe(link->first, "drop " + session);
    return nullptr;
  }
  Known &known = at->second;
  if (known.holder != link->first) {
    known.asked = sessiond::Ask::none;
    known.seen = false;
  }
  known.holder = link->first;
  known.node = link->second.node;
  known.instance = *link->second.instance;
  known.unconfirmed = false;
  known.named = true;
  known.stable_since = now_;
  return &known;
}

// Whoever asks for a known session holds it, without having said anything of it.
void CoreModel::take_admitted(LinkAt link, const std::string &session) {
  const bool unconfirmed = sessions_.at(session).unconfirmed;
  const bool named = sessions_.at(session).named;
  Known &known = *reported(link, session);
  known.unconfirmed = unconfirmed;
  known.named = named;
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
  Known *const known = reported(link, bound.session);
  if (known == nullptr) return;
  known->seen = true;
  if (known->state != SessionState::opening) return;
  known->state = SessionState::open;
  known->created = known->last_activity = known->last_use = now_;
  newborn_.insert(bound.session);
}

void CoreModel::hear(LinkAt link, const link::Released &released) {
  std::erase_if(waiting_, [&](const Waiting &w) {
    return w.link == link->first && w.admit.session == released.session;
  });
  const auto at = sessions_.find(released.session);
  if (at == sessions_.end() || at->second.state != SessionState::opening) return;
  if (at->second.holder == link->first) forget(released.session);
}

void CoreModel::hear(LinkAt link, const link::Opened &opened) {
  Known *const known = reported(link, opened.session);
  if (known == nullptr) return;
  ++known->streams;
  known->last_use = now_;
}

void CoreModel::hear(LinkAt link, const link::Closed &closed) {
  Known *const known = reported(link, closed.session);
  if (known == nullptr) return;
  known->streams = std::max<int64_t>(known->streams - 1, 0);
  known->last_use = now_;
  known->last_activity = now_ - Millis{closed.idle_ms};
}

void CoreModel::hear(LinkAt link, const link::Activity &activity) {
  for (const link::ActivityEntry &entry : activity.sessions) {
    Known *const known = reported(link, entry.session);
    if (known == nullptr) continue;
    known->last_activity = now_ - Millis{entry.idle_ms};
    known->in_flight = entry.in_flight;
    known->requests = entry.requests;
    known->last_use = now_;
  }
}

void CoreModel::hear(LinkAt link, const link::Alive &alive) {
  Known *const known = reported(link, alive.session);
  if (known == nullptr) return;
  known->last_activity = now_ - Millis{alive.idle_ms};
  known->in_flight = alive.in_flight;
  known->last_use = now_ - Millis{alive.use_ms.value_or(0)};
  known->used = known->used || alive.used;
  if (known->asked != sessiond::Ask::drop) known->asked = sessiond::Ask::none;
}

void CoreModel::hear(LinkAt link, const link::Ended &ended) {
  owe(link->first, "acknowledged " + ended.session);
  const auto at = sessions_.find(ended.session);
  if (at == sessions_.end() || at->second.holder != link->first) return;
  const Known &known = at->second;
  const bool ours = known.state == SessionState::closing && ended.reason == EndReason::unknown;
  lose(ended.session, ours ? known.end_reason : ended.reason);
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
  if (known.holder == LinkId::none) return lose(event.session, EndReason::admin);
  if (known.state == SessionState::closing) return;
  known.state = SessionState::closing;
  known.end_reason = EndReason::admin;
  owe(known.holder, "drop " + event.session);
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
    if (known.holder == LinkId::none) {
      ownerless.push_back(id);
    } else if (known.state == SessionState::open) {
      known.state = SessionState::closing;
      known.end_reason = EndReason::admin;
      owe(known.holder, "drop " + id);
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
  if (known.holder != LinkId::none) owe(known.holder, "set " + event.session);
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
