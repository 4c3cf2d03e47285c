#include "proxy/session_registry.h"

#include <algorithm>
#include <map>

#include "common/limits.h"
#include "proxy/session_shard.h"

namespace holdfast::proxy {
link::Record told(SessionIdentity who, const BackendDirectory &backends) {
  link::Record row;
  row.session = std::move(who.id);
  row.user = std::move(who.user);
  row.policy = std::move(who.policy);
  row.transport = who.transport;
  if (who.backend != kNoBackend) row.backend = backends.at(who.backend).name;
  row.backend_session = std::move(who.backend_session);
  row.target = std::move(who.target);
  row.requests = requests_at_start(who.transport);
  row.peer = std::move(who.peer);
  row.client_name = std::move(who.client_name);
  row.client_version = std::move(who.client_version);
  return row;
}

SessionRegistry::SessionRegistry(const Clock &clock, BackendStats *stats)
    : clock_(clock), stats_(stats), shards_(std::make_unique<std::array<Shard, kShards>>()) {
  for (Shard &shard : *shards_) shard.claims = &claims_;
}

SessionRegistry::~SessionRegistry() = default;

SessionRegistry::Shard &SessionRegistry::shard_of(uint64_t hash) const {
  // The map's buckets go by the hash modulo a prime; its top bits are free for the shards.
  static_assert(kShards == 256);
  return (*shards_)[hash >> 56];
}

// ---- data path ----

bool SessionRegistry::begin(const SessionKeyView &key, std::string_view user, ExchangeRef exchange,
                            bool expects_messages, SessionView &out) {
  out.held = false;
  Shard &shard = shard_of(key.hash);
  const std::lock_guard lock(shard.mutex);
  SessionRecord *record = shard.find(key);
  if (record == nullptr || !equal_constant_time(record->identity.user(), user)) return false;
  if (record->held_back() != nullptr) {
    out.held = record->on_hold(clock_.now());
    if (out.held) record->wait(exchange);
    if (out.held) return false;
  }
  record->begin(exchange, expects_messages);
  if (BackendPing *const ping = record->ping(); ping != nullptr && expects_messages)
    ping->used(clock_.now());
  shard.show(*record, key.hash, out);
  return true;
}

bool SessionRegistry::knows(std::string_view session, std::string_view user) const {
  const SessionKeyView key(session);
  Shard &shard = shard_of(key.hash);
  const std::lock_guard lock(shard.mutex);
  const SessionRecord *record = shard.find(key);
  return record != nullptr && equal_constant_time(record->identity.user(), user);
}

void SessionRegistry::classify(const SessionKeyView &key, ExchangeRef exchange,
                               std::span<const mcp::RpcMessage> messages) {
  Shard &shard = shard_of(key.hash);
  const std::lock_guard lock(shard.mutex);
  const auto at = shard.sessions.find(key);
  if (at == shard.sessions.end()) return;
  SessionRecord &record = at->second;
  if (record.classify(exchange, messages, shard.rules_of(record), clock_.now())) {
    shard.mark_dirty(*at);
  }
}

void SessionRegistry::add_stream(const SessionKeyView &key, ExchangeRef exchange) {
  Shard &shard = shard_of(key.hash);
  const std::lock_guard lock(shard.mutex);
  if (SessionRecord *record = shard.find(key)) record->add_stream(exchange);
}

void SessionRegistry::on_response(const SessionKeyView &key, std::string_view raw_id) {
  Shard &shard = shard_of(key.hash);
  const std::lock_guard lock(shard.mutex);
  const auto at = shard.sessions.find(key);
  if (at == shard.sessions.end()) return;
  const bool elsewhere = asked_elsewhere_.load(std::memory_order_relaxed);
  if (at->second.on_response(raw_id, elsewhere, clock_.now())) shard.mark_dirty(*at);
}

void SessionRegistry::on_event(const SessionKeyView &key) {
  if (!events_may_count_.load(std::memory_order_relaxed)) return;
  Shard &shard = shard_of(key.hash);
  const std::lock_guard lock(shard.mutex);
  const auto at = shard.sessions.find(key);
  if (at == shard.sessions.end()) return;
  SessionRecord &record = at->second;
  if (record.on_event(shard.rules_of(record), clock_.now())) shard.mark_dirty(*at);
}

Millis SessionRegistry::finish(const SessionKeyView &key, ExchangeRef exchange, Finish how) {
  Shard &shard = shard_of(key.hash);
  const std::lock_guard lock(shard.mutex);
  const auto at = shard.sessions.find(key);
  if (at == shard.sessions.end()) return Millis{0};
  SessionRecord &record = at->second;
  const MonoTime now = clock_.now();
  if (record.finish(exchange, how, shard.rules_of(record), now)) shard.mark_dirty(*at);
  if (how == Finish::open_ended) shard.watch(*at);
  return record.idle(now);
}

std::vector<ExchangeRef> SessionRegistry::open_streams(const SessionKeyView &key) const {
  Shard &shard = shard_of(key.hash);
  const std::lock_guard lock(shard.mutex);
  const SessionRecord *const record = shard.find(key);
  return record != nullptr ? record->open_streams() : std::vector<ExchangeRef>();
}

std::vector<std::string> SessionRegistry::calls_in_flight(
    const SessionKeyView &key, std::optional<ExchangeRef> carrier) const {
  Shard &shard = shard_of(key.hash);
  const std::lock_guard lock(shard.mutex);
  const SessionRecord *const record = shard.find(key);
  return record != nullptr ? record->calls_in_flight(clock_.now(), carrier)
                           : std::vector<std::string>();
}

std::optional<SessionLife> SessionRegistry::bind(const SessionIdentity &identity, bool persistent,
                                                 ExchangeRef exchange) {
  const MonoTime now = clock_.now();
  SessionRecord record(identity, persistent, now, now);
  record.begin_opening(exchange);
  return add(std::move(record));
}

// The one door in.
std::optional<SessionLife> SessionRegistry::add(SessionRecord record) {
  const PackedIdentity &who = record.identity;
  if (!claims_.claim(who.backend(), who.backend_session(), who.user())) return std::nullopt;
  const SessionKeyView key(who.id());
  if (who.transport() == Transport::listen) events_may_count_ = true;
  Shard &shard = shard_of(key.hash);
  const std::lock_guard lock(shard.mutex);
  record.policy = shard.rules_index(who.policy());
  const ActivityRules &rules = shard.rules_of(record);
  record.pinned = record.persistent != rules.persistent();
  const SessionLife life{record.persistent, rules.timeout()};
  const BackendId backend = who.backend();
  if (!shard.sessions.try_emplace(key, std::move(record)).second) {
    // try_emplace has moved nothing.
    claims_.release(who.backend(), who.backend_session(), who.user());
    return std::nullopt;
  }
  count_at_backend(backend, 1);
  return life;
}

void SessionRegistry::count_at_backend(BackendId backend, int64_t change) {
  if (stats_ == nullptr || backend == kNoBackend) return;
  stats_->cells[backend].sessions.fetch_add(change, std::memory_order_relaxed);
}

std::optional<EndedSession> SessionRegistry::end(std::string_view session, EndReason reason,
                                                 std::string_view user) {
  const SessionKeyView key(session);
  Shard &shard = shard_of(key.hash);
  const std::lock_guard lock(shard.mutex);
  const auto at = shard.sessions.find(key);
  if (at == shard.sessions.end()) return std::nullopt;
  if (!user.empty() && !equal_constant_time(at->second.identity.user(), user)) return std::nullopt;
  count_at_backend(at->second.identity.backend(), -1);
  return shard.take(at, reason, clock_.now());
}

EndReason SessionRegistry::why_ended(std::string_view session, std::string_view user) const {
  const SessionKeyView key(session);
  const uint64_t user_hash = keyed_hash(user);
  const Millis kept{ends_kept_ms_.load(std::memory_order_relaxed)};
  const Shard &shard = shard_of(key.hash);
  const std::lock_guard lock(shard.mutex);
  return shard.recently_ended.find(key.hash, user_hash, clock_.now() - kept)
      .value_or(EndReason::unknown);
}

// ---- control thread ----

std::variant<EndedSession, StillAlive, UnknownSession> SessionRegistry::drop_if_idle(
    std::string_view session, Millis idle_min, EndReason reason) {
  const SessionKeyView key(session);
  Shard &shard = shard_of(key.hash);
  const std::lock_guard lock(shard.mutex);
  const auto at = shard.sessions.find(key);
  if (at == shard.sessions.end()) return UnknownSession{};
  SessionRecord &record = at->second;
  const MonoTime now = clock_.now();
  if (!record.idle_enough(reason, idle_min, now) || record.held(shard.rules_of(record), now)) {
    return shard.still_alive(record, now);
  }
  count_at_backend(record.identity.backend(), -1);
  return shard.take(at, reason, now);
}

std::variant<HeldIdle, StillAlive, UnknownSession> SessionRegistry::probe(std::string_view session,
                                                                          Millis idle_min,
                                                                          EndReason reason) {
  const SessionKeyView key(session);
  Shard &shard = shard_of(key.hash);
  const std::lock_guard lock(shard.mutex);
  const auto at = shard.sessions.find(key);
  if (at == shard.sessions.end()) return UnknownSession{};
  SessionRecord &record = at->second;
  const MonoTime now = clock_.now();
  if (!record.idle_enough(reason, idle_min, now) || record.held(shard.rules_of(record), now) ||
      record.anybody_waits(now)) {
    return shard.still_alive(record, now);
  }
  record.hold(now + kSharedWaitMax);
  return HeldIdle{record.idle(now)};
}

bool SessionRegistry::stream_told(std::string_view session, bool opened) {
  const SessionKeyView key(session);
  Shard &shard = shard_of(key.hash);
  const std::lock_guard lock(shard.mutex);
  SessionRecord *const record = shard.find(key);
  if (record == nullptr) return false;
  record->streams_told += opened ? 1 : -1;
  return true;
}

bool SessionRegistry::set_persistent(std::string_view session, bool persistent) {
  const SessionKeyView key(session);
  Shard &shard = shard_of(key.hash);
  const std::lock_guard lock(shard.mutex);
  SessionRecord *record = shard.find(key);
  if (record == nullptr) return false;
  record->persistent = persistent;
  record->pinned = persistent != shard.rules_of(*record).persistent();
  return true;
}

void SessionRegistry::set_policies(std::vector<link::PolicyInfo> policies) {
  std::vector<ActivityRules> rules(policies.begin(), policies.end());
  if (rules.empty()) rules.emplace_back();
  for (const ActivityRules &r : rules) {
    if (r.counts_events()) events_may_count_ = true;
  }
  for (Shard &shard : *shards_) {
    const std::lock_guard lock(shard.mutex);
    shard.rules = rules;
    for (auto &[key, record] : shard.sessions) {
      record.policy = shard.rules_index(record.identity.policy());
      if (!record.pinned) record.persistent = shard.rules_of(record).persistent();
    }
  }
}

void SessionRegistry::collect_activity(size_t max, std::vector<link::ActivityEntry> &out) {
  const MonoTime now = clock_.now();
  size_t room = max;
  for (size_t visited = 0; visited < kShards && room > 0; ++visited) {
    Shard &shard = (*shards_)[next_dirty_shard_];
    const std::lock_guard lock(shard.mutex);
    shard.mark_landed(now);
    for (; !shard.dirty.empty() && room > 0; --room) {
      Shard::Entry &entry = *shard.dirty.back();
      shard.unmark_dirty(entry);
      const SessionRecord &record = entry.second;
      out.push_back({std::string(entry.first.id), record.idle(now).count(), record.in_flight(now),
                     record.requests()});
    }
    if (shard.dirty.empty()) next_dirty_shard_ = (next_dirty_shard_ + 1) % kShards;
  }
}

size_t SessionRegistry::ids(size_t cursor, std::vector<std::string> &out) const {
  if (cursor >= kShards) return kEnd;
  const Shard &shard = (*shards_)[cursor];
  const std::lock_guard lock(shard.mutex);
  out.reserve(out.size() + shard.sessions.size());
  for (const auto &[key, record] : shard.sessions) out.emplace_back(key.id);
  return cursor + 1 == kShards ? kEnd : cursor + 1;
}

std::optional<link::Record> SessionRegistry::record(std::string_view session,
                                                    const BackendDirectory &backends) const {
  const SessionKeyView key(session);
  Shard &shard = shard_of(key.hash);
  const std::lock_guard lock(shard.mutex);
  const auto at = shard.sessions.find(key);
  if (at == shard.sessions.end()) return std::nullopt;
  const SessionRecord &record = at->second;
  const MonoTime now = clock_.now();
  link::Record row = told(record.identity.unpack(), backends);
  row.age_ms = record.age(now).count();
  row.idle_ms = record.idle(now).count();
  row.in_flight = record.in_flight(now);
  row.requests = record.requests();
  row.streams = record.streams_told;
  row.persistent = record.persistent;
  return row;
}

std::vector<EndedSession> SessionRegistry::end_all(EndReason reason,
                                                   std::optional<Transport> transport) {
  std::vector<EndedSession> ended;
  for (Shard &shard : *shards_) {
    const std::lock_guard lock(shard.mutex);
    const MonoTime now = clock_.now();
    for (auto at = shard.sessions.begin(); at != shard.sessions.end();) {
      const auto next = std::next(at);
      if (!transport || at->second.identity.transport() == *transport) {
        count_at_backend(at->second.identity.backend(), -1);
        ended.push_back(shard.take(at, reason, now));
      }
      at = next;
    }
  }
  return ended;
}

RegistryCounts SessionRegistry::counts(bool by_user) const {
  RegistryCounts counts;
  std::map<std::string, int64_t, std::less<>> users;
  for (const Shard &shard : *shards_) {
    const std::lock_guard lock(shard.mutex);
    const MonoTime now = clock_.now();
    counts.total += static_cast<int64_t>(shard.sessions.size());
    for (const auto &[key, record] : shard.sessions) {
      const bool idle = record.idle(now) >= shard.rules_of(record).timeout();
      if (!idle || record.in_flight(now) > 0) ++counts.active;
      if (by_user) ++users[std::string(record.identity.user())];
    }
  }
  counts.by_user.assign(users.begin(), users.end());
  return counts;
}

size_t SessionRegistry::size() const {
  size_t sessions_count = 0;
  for (const Shard &shard : *shards_) {
    const std::lock_guard lock(shard.mutex);
    sessions_count += shard.sessions.size();
  }
  return sessions_count;
}

}  // namespace holdfast::proxy
