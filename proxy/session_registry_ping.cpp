// The registry's side of keeping backends awake: whose backend session is to be pinged now. Every
// worker looks at its own share of the shards, so that each session has one that does.
#include "proxy/session_registry.h"
#include "proxy/session_shard.h"

namespace holdfast::proxy {

bool SessionRegistry::keep_awake(const SessionKeyView &key, PingTerms terms) {
  Shard &shard = shard_of(key.hash);
  const std::lock_guard lock(shard.mutex);
  const auto at = shard.sessions.find(key);
  if (at == shard.sessions.end()) return false;
  SessionRecord &record = at->second;
  if (!record.upkeep) record.upkeep = std::make_unique<SessionUpkeep>();
  shard.unschedule_ping(*at);
  const bool denied = terms.denied;
  record.upkeep->ping = std::make_unique<BackendPing>(std::move(terms), key.hash, clock_.now());
  shard.schedule_ping(*at, record.upkeep->ping->due());
  pings_used_ = true;
  return denied;
}

void SessionRegistry::pinged(const SessionKeyView &key, bool ok) {
  Shard &shard = shard_of(key.hash);
  const std::lock_guard lock(shard.mutex);
  SessionRecord *const record = shard.find(key);
  BackendPing *const ping = record != nullptr ? record->ping() : nullptr;
  if (ping != nullptr) ping->pinged(ok, clock_.now());
}

void SessionRegistry::deny_pings(const SessionKeyView &key) {
  Shard &shard = shard_of(key.hash);
  const std::lock_guard lock(shard.mutex);
  SessionRecord *const record = shard.find(key);
  BackendPing *const ping = record != nullptr ? record->ping() : nullptr;
  if (ping != nullptr) ping->deny();
}

void SessionRegistry::take_due_pings(size_t share, size_t shares, size_t max,
                                     std::vector<PingOrder> &out) {
  if (!pings_used_.load(std::memory_order_relaxed)) return;
  const MonoTime now = clock_.now();
  for (size_t i = share; i < kShards; i += shares) {
    Shard &shard = (*shards_)[i];
    const std::lock_guard lock(shard.mutex);
    while (out.size() < max && shard.ping_is_due(now)) {
      Shard::Entry &entry = *shard.pings.begin()->second;
      const SessionRecord &record = entry.second;
      const BackendPing &ping = *record.ping();
      shard.unschedule_ping(entry);
      if (!ping.wanted()) continue;  // from now on never
      const MonoTime due = ping.due();
      const bool wanted = due <= now && record.persistent && record.in_flight(now) == 0;
      if (wanted) {
        const SessionRecovery *const recovery = record.recovery();
        out.push_back({std::string(entry.first.id), record.identity.backend(),
                       std::string(record.identity.backend_session()),
                       recovery != nullptr ? recovery->generation() : 0, ping.terms().head,
                       ping.terms().version});
      }
      // Before its answer is there, and where there is nothing to keep awake, it is looked at again
      // a whole interval from now.
      shard.schedule_ping(entry, due > now ? due : now + ping.terms().every);
    }
  }
}

}  // namespace holdfast::proxy
