#include "proxy/session_shard.h"

#include <algorithm>

namespace holdfast::proxy {

void SessionRegistry::Shard::show(const SessionRecord &record, uint64_t key_hash,
                                  SessionView &out) const {
  const SessionRecovery *const recovery = record.recovery();
  out.key_hash = key_hash;
  out.transport = record.identity.transport();
  out.backend = record.identity.backend();
  out.streams = record.streams();
  out.awaits_initialize = record.awaits_initialize();
  out.life = {record.persistent, rules_of(record).timeout()};
  out.backend_session.assign(record.identity.backend_session());
  out.generation = recovery != nullptr ? recovery->generation() : 0;
  out.recovers = recovery != nullptr;
  const BackendPing *const ping = record.ping();
  out.ping_every = ping != nullptr ? ping->terms().every : Millis{0};
  out.ping_denied = ping != nullptr && ping->terms().denied;
  out.streams_wait = recovery != nullptr && recovery->streams_wait;
}

uint32_t SessionRegistry::Shard::rules_index(std::string_view policy) const {
  const auto at = std::find_if(rules.begin(), rules.end(),
                               [&](const ActivityRules &r) { return r.name() == policy; });
  return at == rules.end() ? 0 : static_cast<uint32_t>(at - rules.begin());
}

void SessionRegistry::Shard::mark_dirty(Entry &entry) {
  if (entry.second.dirty_at != SessionRecord::kClean) return;
  entry.second.dirty_at = static_cast<uint32_t>(dirty.size());
  dirty.push_back(&entry);
}

void SessionRegistry::Shard::unmark_dirty(Entry &entry) {
  const uint32_t at = entry.second.dirty_at;
  if (at == SessionRecord::kClean) return;
  dirty[at] = dirty.back();
  dirty[at]->second.dirty_at = at;
  dirty.pop_back();
  entry.second.dirty_at = SessionRecord::kClean;
}

void SessionRegistry::Shard::watch(Entry &entry) {
  SessionRecord &record = entry.second;
  if (record.watched_until != Pending::kWhileExchangeRuns) return;
  record.watched_until = record.next_expiry();
  if (record.watched_until != Pending::kWhileExchangeRuns) {
    watched.emplace(record.watched_until, &entry);
  }
}

void SessionRegistry::Shard::unwatch(Entry &entry) {
  watched.erase({entry.second.watched_until, &entry});
  entry.second.watched_until = Pending::kWhileExchangeRuns;
}

void SessionRegistry::Shard::schedule_ping(Entry &entry, MonoTime due) {
  entry.second.upkeep->ping_at = due;
  pings.emplace(due, &entry);
}

void SessionRegistry::Shard::unschedule_ping(Entry &entry) {
  const SessionRecord &record = entry.second;
  if (record.upkeep) pings.erase({record.upkeep->ping_at, &entry});
}

void SessionRegistry::Shard::mark_landed(MonoTime now) {
  while (!watched.empty() && watched.begin()->first <= now) {
    Entry &entry = *watched.begin()->second;
    unwatch(entry);
    entry.second.forget_expired(now);
    mark_dirty(entry);
    watch(entry);
  }
}

StillAlive SessionRegistry::Shard::still_alive(SessionRecord &record, MonoTime now) {
  StillAlive alive{
      record.idle(now), record.in_flight(now), record.unused_for(now), record.used(), {}};
  alive.waiting = record.release();
  return alive;
}

EndedSession SessionRegistry::Shard::take(Map::iterator at, EndReason reason, MonoTime now) {
  unmark_dirty(*at);
  unwatch(*at);
  unschedule_ping(*at);
  auto node = sessions.extract(at);
  SessionRecord &record = node.mapped();
  EndedSession ended{record.identity.unpack(), reason,           record.idle(now),
                     record.exchanges(),       record.release(), false};
  claims->release(ended.identity.backend, ended.identity.backend_session, ended.identity.user);
  recently_ended.add(node.key().hash, keyed_hash(ended.identity.user), reason, now);
  return ended;
}

}  // namespace holdfast::proxy
