#include "sessiond/core/session_table.h"

#include <algorithm>

#include "sessiond/core/client_address.h"

namespace holdfast::sessiond {

size_t PolicyCounts::of(const PolicyState &policy) const noexcept {
  for (const auto &[counted, sessions_count] : rows_) {
    if (counted == &policy) return sessions_count;
  }
  return 0;
}

void PolicyCounts::add(const PolicyState &policy) {
  for (auto &[counted, sessions_count] : rows_) {
    if (counted != &policy) continue;
    ++sessions_count;
    return;
  }
  rows_.emplace_back(&policy, 1);
}

void PolicyCounts::remove(const PolicyState &policy) {
  const auto at = std::find_if(rows_.begin(), rows_.end(),
                               [&](const auto &row) { return row.first == &policy; });
  if (--at->second == 0) rows_.erase(at);
}

Session *SessionTable::find(std::string_view id) {
  const auto at = sessions_.find(id);
  return at == sessions_.end() ? nullptr : &at->second;
}

const Session *SessionTable::find(std::string_view id) const {
  const auto at = sessions_.find(id);
  return at == sessions_.end() ? nullptr : &at->second;
}

const User *SessionTable::find_user(std::string_view name) const {
  const auto at = users_.find(name);
  return at == users_.end() ? nullptr : &at->second;
}

const Address *SessionTable::find_address(std::string_view network) const {
  const auto at = addresses_.find(network);
  return at == addresses_.end() ? nullptr : &at->second;
}

Address *SessionTable::address_of(std::string_view peer) {
  std::string network = client_network(peer);
  if (network.empty()) return nullptr;
  const auto [at, fresh] = addresses_.try_emplace(std::move(network));
  if (fresh) at->second.network = at->first;
  return &at->second;
}

Session &SessionTable::add(const SessionId &id, const SessionIdentity &identity, Instance &instance,
                           PolicyState &policy, MonoTime now) {
  const auto [at, fresh] = sessions_.try_emplace(id);
  Session &session = at->second;
  session.id = &at->first;
  auto user = users_.find(identity.user);
  if (user == users_.end()) {
    user = users_.try_emplace(std::string(identity.user)).first;
    user->second.name = user->first;
  }
  session.user = &user->second;
  session.address = address_of(identity.peer);
  session.policy = &policy;
  session.instance = &instance;
  session.backend = texts_.take({});
  session.target = texts_.take({});
  session.peer = texts_.take(identity.peer);
  session.client_name = texts_.take(identity.client_name);
  session.client_version = texts_.take(identity.client_version);
  session.transport = identity.transport;
  session.created = session.last_activity = session.last_use = now;

  ++opening_count_;
  ++session.user->opening_count;
  ++policy.sessions_count;
  user->second.by_policy.add(policy);
  user->second.sessions.push_back(session);
  if (session.address != nullptr) {
    session.address->by_policy.add(policy);
    session.address->sessions.push_back(session);
  }
  instance.sessions.push_back(session);
  prefixes_.add(session);
  return session;
}

void SessionTable::open(Session &session) {
  session.state = SessionState::open;
  --opening_count_;
  --session.user->opening_count;
}

void SessionTable::set_backend(Session &session, std::string_view backend,
                               std::string_view backend_session, std::string_view target) {
  replace(session.backend, backend);
  replace(session.target, target);
  session.backend_session.assign(backend_session);
}

void SessionTable::replace(const TextPool::Entry *&held, std::string_view text) {
  const TextPool::Entry *const taken = texts_.take(text);  // before the release: it may be the same
  texts_.release(held);
  held = taken;
}

void SessionTable::move_to(Session &session, Instance &instance) {
  session.instance->sessions.erase(session);
  session.instance = &instance;
  instance.sessions.push_back(session);
}

void SessionTable::remove(Session &session) {
  if (session.state == SessionState::opening) {
    --opening_count_;
    --session.user->opening_count;
  }
  --session.policy->sessions_count;
  session.instance->sessions.erase(session);
  prefixes_.remove(session);
  for (const TextPool::Entry *text : {session.backend, session.target, session.peer,
                                      session.client_name, session.client_version}) {
    texts_.release(text);
  }
  if (Address *const address = session.address) {
    address->sessions.erase(session);
    address->by_policy.remove(*session.policy);
    if (address->sessions.empty()) addresses_.erase(addresses_.find(address->network));
  }
  User &user = *session.user;
  user.sessions.erase(session);
  user.by_policy.remove(*session.policy);
  if (user.sessions.empty()) users_.erase(users_.find(user.name));
  sessions_.erase(sessions_.find(session.id->text()));
}

Instance &SessionTable::instance(std::string_view node, std::string_view name) {
  Instance &found = instances_[std::string(name)];
  found.node = node;
  found.name = name;
  return found;
}

Instance *SessionTable::find_instance(std::string_view name) {
  const auto at = instances_.find(name);
  return at == instances_.end() ? nullptr : &at->second;
}

void SessionTable::forget_unused_instances() {
  std::erase_if(instances_, [](const auto &entry) {
    return !entry.second.linked() && entry.second.sessions.empty();
  });
}

}  // namespace holdfast::sessiond
