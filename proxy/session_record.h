// One session as the registry keeps it: identity, clock, what is in flight. Plain single-threaded
// state; the registry calls every member under the lock of the session's shard and passes the
// moment and the rules in. Private to the registry: nothing else includes this file.
//
//   in flight = requests without an answer + exchanges whose messages are not (yet) understood
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "common/clock.h"
#include "proxy/activity_rules.h"
#include "proxy/mcp/rpc_scanner.h"
#include "proxy/packed_identity.h"
#include "proxy/session_registry.h"
#include "proxy/session_upkeep.h"

namespace holdfast::proxy {

// A request id without its response. It is named by a keyed hash of its raw JSON token: ids are the
// client's choice and may be long, a collision would need the key.
struct Pending {
  static constexpr MonoTime kWhileExchangeRuns = MonoTime::max();

  uint64_t id_hash = 0;
  ExchangeRef exchange;  // that carried it, and whose complete answer ends it
  MonoTime expires = kWhileExchangeRuns;
  bool counts = false;  // its answer moves the clock
  std::string id =
      {};  // of a legacy session: the raw token, for whoever loses the backend's stream
};

// An exchange that has begun and not finished.
struct Running {
  enum class Hold : uint8_t {
    none,
    unclassified,   // its messages are not known yet: it may be a request
    not_understood  // its body is not JSON-RPC we can read: taken for one request
  };
  ExchangeRef ref;
  Hold hold = Hold::none;
  bool stream = false;
  bool opening = false;  // it made the session: its end is the first time to tell the count
};

// A streamable session and a listen begin with a message; the GET of a legacy session is none.
constexpr int64_t requests_at_start(Transport transport) {
  return transport == Transport::sse ? 0 : 1;
}

class SessionRecord {
 public:
  // Requests a client may leave unanswered at once; beyond it the oldest is forgotten, which can
  // only let the session look idle earlier, never grow memory.
  static constexpr size_t kPendingMax = 1024;
  static constexpr uint32_t kClean = UINT32_MAX;

  SessionRecord(const SessionIdentity &identity_in, bool persistent_in, MonoTime created,
                MonoTime last_activity);

  // ---- exchanges; every function that returns bool says whether clock, count or flight moved ----
  void begin(ExchangeRef exchange, bool expects_messages);
  void begin_opening(ExchangeRef exchange);  // counts the message the session begins with
  bool classify(ExchangeRef exchange, std::span<const mcp::RpcMessage> messages,
                const ActivityRules &rules, MonoTime now);
  void add_stream(ExchangeRef exchange);
  bool on_response(std::string_view raw_id, bool asked_elsewhere, MonoTime now);
  bool on_event(const ActivityRules &rules, MonoTime now);
  bool finish(ExchangeRef exchange, SessionRegistry::Finish how, const ActivityRules &rules,
              MonoTime now);

  void forget_expired(MonoTime now);

  // ---- several holders (PROTOCOL.md 1.6) ----
  void hold(MonoTime until);
  bool on_hold(MonoTime now) const;
  void wait(ExchangeRef exchange);  // REQUIRES: on_hold()
  // Ends the hold; gives who waits.
  std::vector<ExchangeRef> release();
  bool anybody_waits(MonoTime now) const;  // who has not looked again by now has left
  // It was active at that moment at the latest, somewhere else.
  void note_elsewhere(MonoTime active);

  // ---- questions ----
  Millis idle(MonoTime now) const { return now - last_activity_; }
  Millis age(MonoTime now) const { return now - created_; }
  int64_t in_flight(MonoTime now) const;
  int64_t streams() const;
  int64_t requests() const { return requests_; }
  bool awaits_initialize() const { return identity.initialize_first() && !initialized_; }
  // When the first request without an exchange stops being in flight by itself; kWhileExchangeRuns
  // when there is none.
  MonoTime next_expiry() const;
  // Does anything but the clock speak against dropping the session?
  bool held(const ActivityRules &rules, MonoTime now) const;
  // Has it been idle for so long, as the reason means it (PROTOCOL.md 1.7)?
  bool idle_enough(EndReason reason, Millis idle_min, MonoTime now) const;
  // Since the last exchange of any kind; 0 while one is under way.
  Millis unused_for(MonoTime now) const;
  bool used() const { return used_; }
  // In doubt a session was used: who handed it back does not know.
  void set_used() { used_ = true; }
  std::vector<ExchangeRef> exchanges() const;
  // Of a legacy session: the raw ids of requests the backend took and has not answered.
  std::vector<std::string> calls_in_flight(MonoTime now, std::optional<ExchangeRef> carrier) const;
  std::vector<ExchangeRef> open_streams() const;
  void restore_requests(int64_t requests) { requests_ = requests; }

  BackendPing *ping() const { return upkeep ? upkeep->ping.get() : nullptr; }
  const SessionHold *held_back() const { return upkeep ? upkeep->hold.get() : nullptr; }
  SessionRecovery *recovery() const { return upkeep ? upkeep->recovery.get() : nullptr; }

  PackedIdentity identity;                // the key of the shard's map views its id
  std::unique_ptr<SessionUpkeep> upkeep;  // null in locations that ask for nothing of it
  uint32_t policy = 0;                    // index into the shard's rules
  uint32_t dirty_at = kClean;             // index into Shard::dirty
  MonoTime watched_until = Pending::kWhileExchangeRuns;  // key in Shard::watched, unless that
  int32_t streams_told = 0;  // as sessiond has been told: messages on their way not yet counted
  bool persistent = false;
  bool pinned = false;  // an admin said so; else persistence follows the policy

 private:
  Running *find(ExchangeRef exchange);
  bool about_to_begin(MonoTime now) const;
  void touch(MonoTime now) { last_activity_ = now; }
  bool note(const mcp::RpcMessage &message, ExchangeRef exchange, const ActivityRules &rules,
            MonoTime now);
  void add_pending(Pending pending, MonoTime now);
  // Forgets the oldest request of this id; false when there is none.
  bool forget(std::string_view raw_id, bool &counted);

  bool used_ = false;  // a request came since initialize
  bool initialized_ = false;
  MonoTime created_;
  MonoTime last_activity_;
  MonoTime last_use_;  // the last exchange's end
  int64_t requests_ = 0;
  std::vector<Running> running_;
  std::vector<Pending> pending_;  // oldest first
};

}  // namespace holdfast::proxy
