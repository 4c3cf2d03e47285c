// A part of the registry's table with everything that is decided under its lock: the sessions, the
// rules (a copy, so that a request takes one lock only), and the two lists that lead to sessions
// without searching. Callers hold `mutex` around every use. Private to the registry.
#pragma once

#include <mutex>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "common/ids.h"
#include "proxy/activity_rules.h"
#include "proxy/backend_claims.h"
#include "proxy/recently_ended.h"
#include "proxy/session_key.h"
#include "proxy/session_record.h"
#include "proxy/session_registry.h"

namespace holdfast::proxy {

struct alignas(64) SessionRegistry::Shard {
  // A key views the id in its own record, which has it in a block that moves do not move.
  using Map = std::unordered_map<SessionKeyView, SessionRecord, SessionKeyHash, SessionKeyEqual>;
  using Entry = Map::value_type;  // stays where it is until it is erased

  mutable std::mutex mutex;
  Map sessions;
  std::vector<Entry *> dirty;  // SessionRecord::dirty_at is the index here
  RecentlyEnded recently_ended;
  BackendClaims *claims = nullptr;       // the registry's, of which every session here holds one
  std::vector<ActivityRules> rules{{}};  // never empty; the first is the top-level policy

  // Sessions with requests that stop being in flight by themselves, by the first such moment:
  // sessiond never asks about a session it thinks busy, so it must hear of that, too.
  std::set<std::pair<MonoTime, Entry *>> watched;

  // Exchanges that wait for a session another proxy holds, by the keyed hash of its id; the latest,
  // since whoever is not among them only waits longer.
  static constexpr size_t kAwaitedMax = 64;
  std::vector<std::pair<uint64_t, ExchangeRef>> awaited;

  // Sessions whose backend is kept awake, by when each is looked at next.
  std::set<std::pair<MonoTime, Entry *>> pings;

  SessionRecord *find(const SessionKeyView &key) {
    const auto at = sessions.find(key);
    return at == sessions.end() ? nullptr : &at->second;
  }
  const ActivityRules &rules_of(const SessionRecord &record) const { return rules[record.policy]; }
  void show(const SessionRecord &record, uint64_t key_hash, SessionView &out) const;
  uint32_t rules_index(std::string_view policy) const;  // 0 for a name that is gone

  // sessiond is to hear of this session with the next activity report.
  void mark_dirty(Entry &entry);
  void unmark_dirty(Entry &entry);
  // Looks at the session again when its next request runs out of time, if there is one.
  void watch(Entry &entry);
  void unwatch(Entry &entry);
  // Looks at the session's ping at `due`. REQUIRES: it has one, which is not scheduled.
  void schedule_ping(Entry &entry, MonoTime due);
  void unschedule_ping(Entry &entry);
  bool ping_is_due(MonoTime now) const { return !pings.empty() && pings.begin()->first <= now; }
  // Marks the sessions with requests that have run out of time by now.
  void mark_landed(MonoTime now);

  // Not dropped: whoever waits for that may go on.
  StillAlive still_alive(SessionRecord &record, MonoTime now);
  // The one door out: every session that ends is taken here.
  EndedSession take(Map::iterator at, EndReason reason, MonoTime now);
};

}  // namespace holdfast::proxy
