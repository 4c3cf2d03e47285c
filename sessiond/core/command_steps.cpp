// Core: what admins order, and new settings.
#include "sessiond/core/reports.h"
#include "sessiond/core/step.h"

namespace holdfast::sessiond {
namespace {

using OfInstance = IntrusiveList<Session, &Session::of_instance>;

}  // namespace

void Core::on(const SettingsChanged &event, Turn &turn) {
  settings_ = event.settings;
  policies_.replace(settings_);
  reaper_.set_interval(settings_.sweep_interval, turn.now);
  for (auto &[name, instance] : table_.instances()) {
    for (Session *s = instance.sessions.front(); s != nullptr; s = OfInstance::next(*s)) {
      if (s->state == SessionState::open) reaper_.arm(*s, turn.now);
    }
  }
  reported_policies_.clear();
  for (const auto &[id, link] : links_) {
    if (link.instance == nullptr) continue;
    turn.send(id, link::Policies{policies_.infos(), unknown_policies(link, turn),
                                 settings_.tombstone_lifetime.count()});
  }
  waiting_may_settle_ = true;  // a cap may have been raised
}

// Orders the end of an open session; true when it is over already. The command is answered when the
// proxy says `ended`.
bool Core::shut_down(Session &session, Turn &turn) {
  if (!session.instance->linked()) {
    end(session, EndReason::admin, turn);
    return true;
  }
  if (session.state == SessionState::closing) return false;
  (void)stop_round(session, turn);  // ignoring: nobody is handed back what is about to end
  reaper_.disarm(session);
  session.state = SessionState::closing;
  session.end_reason = EndReason::admin;
  enqueue(session, true);  // before everything that merely expired
  pump(*session.instance, turn);
  return false;
}

void Core::on(const ShutdownSession &event, Turn &turn) {
  Session *const session = table_.find(event.session);
  // A reservation is not a session yet: only the proxy that holds it can give it back.
  if (session == nullptr || session->state == SessionState::opening) {
    turn.out.push_back(CommandDone{event.token, CommandOutcome::not_found, 0, 0, {}});
    return;
  }
  const SessionId id = *session->id;
  const bool over = shut_down(*session, turn);
  commands_.wait_for_sessions(event.token, over ? std::vector<SessionId>{} : std::vector{id},
                              over ? 1 : 0, turn.now, turn.out);
}

void Core::on(const ShutdownSessions &event, Turn &turn) {
  std::vector<SessionId> waiting;
  int64_t ended_count = 0;
  for (auto &[name, instance] : table_.instances()) {
    for (Session *s = instance.sessions.front(); s != nullptr;) {
      Session *const next = OfInstance::next(*s);  // shut_down() may destroy *s
      if (s->state != SessionState::opening && matches(event.filter, *s, turn.now)) {
        const SessionId id = *s->id;
        if (shut_down(*s, turn)) {
          ++ended_count;
        } else {
          waiting.push_back(id);
        }
      }
      s = next;
    }
  }
  commands_.wait_for_sessions(event.token, waiting, ended_count, turn.now, turn.out);
}

void Core::on(const SetPersistent &event, Turn &turn) {
  Session *const session = table_.find(event.session);
  if (session == nullptr || session->state != SessionState::open) {
    turn.out.push_back(CommandDone{event.token, CommandOutcome::not_found, 0, 0, {}});
    return;
  }
  session->pin = event.persistent ? Pin::persistent : Pin::not_persistent;
  reaper_.arm(*session, turn.now);
  for_holders(*session, [&](const Instance &holder) {
    if (holder.linked()) turn.send(holder.link, link::Set{event.session, event.persistent});
  });
  turn.out.push_back(CommandDone{event.token, CommandOutcome::done, 1, 0, {}});
}

void Core::on(const SetDrain &event, Turn &turn) {
  // Who is told to leave drains by itself; whoever takes its place is to admit again.
  if (!event.exit) draining_ = event.on;
  // A proxy that admits without asking must have heard of it before anybody is told that it holds.
  std::vector<ProxyOutcome> proxies;
  for (const auto &[id, link] : links_) {
    if (link.instance == nullptr) continue;
    turn.send(id, link::Drain{event.on, event.exit, static_cast<int64_t>(event.token)});
    proxies.push_back({id, link.node, link.pid, ProxyOutcome::State::pending, {}});
  }
  commands_.wait_for_proxies(event.token, std::move(proxies), turn.now, turn.out);
}

void Core::on(const ReloadProxies &event, Turn &turn) {
  std::vector<ProxyOutcome> proxies;
  for (const auto &[id, link] : links_) {
    if (link.instance == nullptr) continue;
    turn.send(id, link::Reload{static_cast<int64_t>(event.token)});
    proxies.push_back({id, link.node, link.pid, ProxyOutcome::State::pending, {}});
  }
  commands_.wait_for_proxies(event.token, std::move(proxies), turn.now, turn.out);
}

}  // namespace holdfast::sessiond
