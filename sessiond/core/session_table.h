// Every session and reservation sessiond knows, with the indices it is found by: id, beginning of
// the id, user, policy, instance. The only place that creates and destroys sessions, users and
// instances, so that no count can disagree with the table. Knows no rule and no deadline: a session
// is disarmed (Look::none) before it is removed.
// Owned by the core. Pure; one thread.
#pragma once

#include <cstddef>
#include <map>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "sessiond/core/policy_table.h"
#include "sessiond/core/prefix_index.h"
#include "sessiond/core/session.h"

namespace holdfast::sessiond {

// What a session is created from and what does not change afterwards.
struct SessionIdentity {
  std::string_view user;
  Transport transport = Transport::streamable;
  std::string_view peer;
  std::string_view client_name;
  std::string_view client_version;
};

class SessionTable {
 public:
  SessionTable() = default;
  SessionTable(const SessionTable &) = delete;
  SessionTable &operator=(const SessionTable &) = delete;

  Session *find(std::string_view id);
  const Session *find(std::string_view id) const;
  // See PrefixIndex::find.
  std::vector<const Session *> find_by_prefix(std::string_view prefix, size_t max) const {
    return prefixes_.find(prefix, max);
  }
  const User *find_user(std::string_view name) const;
  // The network as client_network() tells it.
  const Address *find_address(std::string_view network) const;

  // A new entry in state `opening`, created and active now. REQUIRES: the id is not in the table.
  Session &add(const SessionId &id, const SessionIdentity &identity, Instance &instance,
               PolicyState &policy, MonoTime now);
  // A reservation becomes a session. REQUIRES: state `opening`.
  void open(Session &session);
  void set_backend(Session &session, std::string_view backend, std::string_view backend_session,
                   std::string_view target);
  // REQUIRES: look is not `queued` (the queue belongs to the old instance).
  void move_to(Session &session, Instance &instance);
  // REQUIRES: look is `none`. Destroys the session, and its user with the last one.
  void remove(Session &session);

  // Sessions and reservations: what caps count.
  size_t size() const noexcept { return sessions_.size(); }
  size_t opening_count() const noexcept { return opening_count_; }
  size_t session_count() const noexcept { return size() - opening_count_; }
  size_t user_count() const noexcept { return users_.size(); }
  size_t address_count() const noexcept { return addresses_.size(); }
  // Users in no particular order: for reports that sort, never for decisions.
  const std::unordered_map<std::string, User, KeyedHash, std::equal_to<>> &users() const noexcept {
    return users_;
  }

  Instance &instance(std::string_view node, std::string_view name);  // found or new
  Instance *find_instance(std::string_view name);
  // Forgets the instances that have neither a link nor sessions.
  void forget_unused_instances();
  // By name, so that walking all sessions has one order: instances, then age in the instance.
  std::map<std::string, Instance, std::less<>> &instances() noexcept { return instances_; }
  const std::map<std::string, Instance, std::less<>> &instances() const noexcept {
    return instances_;
  }

 private:
  void replace(const TextPool::Entry *&held, std::string_view text);
  Address *address_of(std::string_view peer);

  std::unordered_map<SessionId, Session, SessionIdHash, SessionIdEqual> sessions_;
  std::unordered_map<std::string, User, KeyedHash, std::equal_to<>> users_;
  std::unordered_map<std::string, Address, KeyedHash, std::equal_to<>> addresses_;
  std::map<std::string, Instance, std::less<>> instances_;
  PrefixIndex prefixes_;
  TextPool texts_;
  size_t opening_count_ = 0;
};

}  // namespace holdfast::sessiond
