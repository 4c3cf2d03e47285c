// The registry's side of recovery: each member finds the session under its shard's lock and asks
// its SessionRecovery.
#include <utility>

#include "proxy/session_registry.h"
#include "proxy/session_shard.h"

namespace holdfast::proxy {

// Calls `use(recovery, record)` under the lock; gives its result, or a default one for a session
// that is unknown or cannot be recovered.
template <class Use>
auto SessionRegistry::with_recovery(const SessionKeyView &key, Use use) const {
  using Out = decltype(use(std::declval<SessionRecovery &>(), std::declval<SessionRecord &>()));
  Shard &shard = shard_of(key.hash);
  const std::lock_guard lock(shard.mutex);
  SessionRecord *const record = shard.find(key);
  SessionRecovery *const recovery = record != nullptr ? record->recovery() : nullptr;
  if (recovery == nullptr) return Out();
  return use(*recovery, *record);
}

bool SessionRegistry::look(const SessionKeyView &key, SessionView &out) const {
  Shard &shard = shard_of(key.hash);
  const std::lock_guard lock(shard.mutex);
  const SessionRecord *const record = shard.find(key);
  if (record == nullptr) return false;
  shard.show(*record, key.hash, out);
  return true;
}

void SessionRegistry::keep_initialize(const SessionKeyView &key, std::string body,
                                      std::string_view raw_id) {
  Shard &shard = shard_of(key.hash);
  const std::lock_guard lock(shard.mutex);
  SessionRecord *const record = shard.find(key);
  if (record == nullptr) return;
  if (record->recovery() != nullptr && record->recovery()->result()) return;
  if (!record->upkeep) record->upkeep = std::make_unique<SessionUpkeep>();
  record->upkeep->recovery = std::make_unique<SessionRecovery>(std::move(body), raw_id);
}

std::optional<bool> SessionRegistry::awaits_result(const SessionKeyView &key,
                                                   std::string_view raw_id) const {
  return with_recovery(
      key, [&](const SessionRecovery &recovery, SessionRecord &) -> std::optional<bool> {
        if (recovery.result()) return std::nullopt;
        return recovery.awaits(raw_id);
      });
}

void SessionRegistry::keep_result(const SessionKeyView &key, uint64_t fingerprint) {
  with_recovery(
      key, [&](SessionRecovery &recovery, SessionRecord &) { recovery.set_result(fingerprint); });
}

SessionRecovery::Start SessionRegistry::start_recovery(const SessionKeyView &key,
                                                       std::optional<ExchangeRef> who,
                                                       uint32_t seen, RecoveryPlan &plan) {
  using Start = SessionRecovery::Start;
  const auto start = with_recovery(
      key, [&](SessionRecovery &recovery, const SessionRecord &record) -> std::optional<Start> {
        const bool legacy = record.identity.transport() == Transport::sse;
        const std::vector<ExchangeRef> streams = record.open_streams();
        if (legacy && streams.empty()) return Start::hopeless;  // it is ending
        const Start word = recovery.start(who, seen, clock_.now());
        if (word == Start::lead) {
          plan = {std::string(record.identity.target()), recovery.initialize(), *recovery.result(),
                  recovery.replays(), std::nullopt};
          if (legacy) plan.stream = streams.front();
        }
        return word;
      });
  return start.value_or(Start::hopeless);
}

std::optional<RecoveredSession> SessionRegistry::finish_recovery(const SessionKeyView &key,
                                                                 BackendId backend,
                                                                 std::string_view backend_session) {
  return with_recovery(
      key,
      [&](SessionRecovery &recovery, SessionRecord &record) -> std::optional<RecoveredSession> {
        PackedIdentity &who = record.identity;
        RecoveredSession recovered;
        recovered.shared = !claims_.claim(backend, backend_session, who.user());
        if (recovered.shared) return recovered;
        claims_.release(who.backend(), who.backend_session(), who.user());
        count_at_backend(who.backend(), -1);
        count_at_backend(backend, 1);
        who.move_to(backend, backend_session);
        recovered.waiting = recovery.succeeded(clock_.now());
        recovered.generation = recovery.generation();
        recovered.streams = record.open_streams();
        return recovered;
      });
}

std::vector<ExchangeRef> SessionRegistry::fail_recovery(const SessionKeyView &key) {
  return with_recovery(key, [&](SessionRecovery &recovery, SessionRecord &) {
    return recovery.failed(clock_.now());
  });
}

Millis SessionRegistry::recovery_rest(const SessionKeyView &key) const {
  return with_recovery(key, [&](const SessionRecovery &recovery, SessionRecord &) {
    return recovery.rest(clock_.now());
  });
}

void SessionRegistry::remember(const SessionKeyView &key, SessionRecovery::Kept kind,
                               std::string_view uri, std::string body) {
  with_recovery(key, [&](SessionRecovery &recovery, SessionRecord &) {
    recovery.remember(kind, keyed_hash(uri), std::move(body));
  });
}

void SessionRegistry::on_server_request(const SessionKeyView &key, std::string_view raw_id,
                                        uint32_t generation) {
  with_recovery(key, [&](SessionRecovery &recovery, SessionRecord &) {
    recovery.on_server_request(raw_id, generation);
  });
}

bool SessionRegistry::answers_the_lost(const SessionKeyView &key, std::string_view raw_id) {
  return with_recovery(key, [&](SessionRecovery &recovery, SessionRecord &) {
    return recovery.answers_the_lost(raw_id);
  });
}

void SessionRegistry::on_event_id(const SessionKeyView &key, std::string_view event_id,
                                  uint32_t generation) {
  with_recovery(key, [&](SessionRecovery &recovery, SessionRecord &) {
    recovery.on_event_id(keyed_hash(event_id), generation);
  });
}

bool SessionRegistry::may_resume_after(const SessionKeyView &key, std::string_view event_id) const {
  return with_recovery(key, [&](const SessionRecovery &recovery, SessionRecord &) {
    return recovery.may_resume_after(keyed_hash(event_id));
  });
}

bool SessionRegistry::stream_waits(const SessionKeyView &key) {
  return with_recovery(key, [&](SessionRecovery &recovery, SessionRecord &) {
    recovery.streams_wait = true;
    return !recovery.hopeless(clock_.now());
  });
}

WaitingStreams SessionRegistry::take_waiting_streams(const SessionKeyView &key) {
  return with_recovery(key, [](SessionRecovery &recovery, const SessionRecord &record) {
    const bool waiting = std::exchange(recovery.streams_wait, false);
    return waiting ? WaitingStreams{std::string(record.identity.target()), record.open_streams()}
                   : WaitingStreams();
  });
}

}  // namespace holdfast::proxy
