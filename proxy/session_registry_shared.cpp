// The registry's side of sessions that several proxies hold: what sessiond hands over, and who
// waits for it or for a decision.
#include <algorithm>

#include "proxy/session_registry.h"
#include "proxy/session_shard.h"

namespace holdfast::proxy {
namespace {

// An age another process told us, kept within what can be added to a moment.
Millis told_age(int64_t age_ms) {
  constexpr Millis kAgeMax = std::chrono::hours{24 * 365 * 100};
  return std::clamp(Millis{age_ms}, Millis{0}, kAgeMax);
}

}  // namespace

bool SessionRegistry::restore(const link::Record &from, BackendId backend,
                              std::vector<ExchangeRef> *came) {
  const SessionKeyView key(from.session);
  Shard &shard = shard_of(key.hash);
  {
    const std::lock_guard lock(shard.mutex);
    const auto at = shard.sessions.find(key);
    if (at != shard.sessions.end()) {
      if (!equal_constant_time(at->second.identity.user(), from.user)) return false;
      learn(at->second, from, backend);
      shard.mark_dirty(*at);  // sessiond is to hear by which clock it goes here
      return false;
    }
    // A worker has ended it, and sessiond is about to hear so: that is on its way, and final.
    const auto why = shard.recently_ended.on_its_way(key.hash, keyed_hash(from.user));
    if (why && ends_for_all(*why)) return false;
  }
  const MonoTime now = clock_.now();
  SessionRecord record(
      {from.session, from.user, from.policy, from.transport, backend, from.backend_session,
       from.target, from.peer, from.client_name, from.client_version},
      from.persistent, now - told_age(from.age_ms), now - told_age(from.idle_ms));
  record.restore_requests(from.requests);
  record.set_used();
  if (!add(std::move(record))) return false;
  const std::lock_guard lock(shard.mutex);
  const auto at = shard.sessions.find(key);
  if (at != shard.sessions.end()) shard.mark_dirty(*at);
  if (came == nullptr) return true;
  std::erase_if(shard.awaited, [&](const auto &row) {
    if (row.first == key.hash) came->push_back(row.second);
    return row.first == key.hash;
  });
  return true;
}

void SessionRegistry::end_acknowledged(std::string_view session) {
  const SessionKeyView key(session);
  Shard &shard = shard_of(key.hash);
  const std::lock_guard lock(shard.mutex);
  shard.recently_ended.acknowledge(key.hash);
}

// A session that can open its own backend session again knows better than anybody where it lives.
void SessionRegistry::learn(SessionRecord &record, const link::Record &told, BackendId backend) {
  record.note_elsewhere(clock_.now() - told_age(told.idle_ms));
  record.set_used();
  PackedIdentity &who = record.identity;
  const bool moved = who.backend() != backend || who.backend_session() != told.backend_session;
  if (!moved || record.recovery() != nullptr) return;
  if (!claims_.claim(backend, told.backend_session, who.user())) return;
  claims_.release(who.backend(), who.backend_session(), who.user());
  count_at_backend(who.backend(), -1);
  count_at_backend(backend, 1);
  who.move_to(backend, told.backend_session);
}

void SessionRegistry::await(const SessionKeyView &key, ExchangeRef exchange) {
  Shard &shard = shard_of(key.hash);
  const std::lock_guard lock(shard.mutex);
  if (shard.awaited.size() == Shard::kAwaitedMax) shard.awaited.erase(shard.awaited.begin());
  shard.awaited.emplace_back(key.hash, exchange);
}

std::vector<ExchangeRef> SessionRegistry::release(const SessionKeyView &key) {
  Shard &shard = shard_of(key.hash);
  const std::lock_guard lock(shard.mutex);
  SessionRecord *const record = shard.find(key);
  return record != nullptr ? record->release() : std::vector<ExchangeRef>();
}

}  // namespace holdfast::proxy
