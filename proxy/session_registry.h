// All MCP sessions this process holds: id → who it belongs to, where it lives, when it was last
// active. The only home and the only writer of a session's last activity; sessiond decides how much
// idleness is too much and asks. Sharded by a keyed hash of the id, a mutex per shard: whether a
// request may start and whether a session may be dropped are decided under the same lock, so that
// no request can slip between check and drop. Shared by all workers and the control thread; no
// member blocks on anything but a shard's lock, none calls out.
//
//   bind / restore ──▶ live ──end() / drop_if_idle()──▶ gone (begin() then says unknown: 404)
//
// Activity (SPEC section 1): `begin` and `classify` move the clock for counting messages, `finish`
// when a counting request's answer is complete or a stream that kept the session alive ends,
// `on_event` for policies that count messages.
// In flight: a request id without its response; see Pending in session_record.h.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <variant>
#include <vector>

#include "common/clock.h"
#include "common/close_reason.h"
#include "common/ids.h"
#include "common/link_messages.h"
#include "proxy/backend_claims.h"
#include "proxy/backend_directory.h"
#include "proxy/backend_ping.h"
#include "proxy/backend_stats.h"
#include "proxy/exchange_ref.h"
#include "proxy/mcp/rpc_scanner.h"
#include "proxy/recovery_order.h"
#include "proxy/session_key.h"
#include "proxy/session_recovery.h"

namespace holdfast::proxy {

// What makes a session what it is. Nothing of it changes but where the session lives: a recovery
// gives it another backend session, maybe at another backend.
struct SessionIdentity {
  std::string id;
  std::string user = "-";
  std::string policy;  // name as configured; "" is the top-level policy
  Transport transport = Transport::streamable;
  BackendId backend = kNoBackend;
  std::string backend_session;  // the backend's own id; for sse the target messages are POSTed to
  std::string target;           // of the request that opened it: where DELETE goes
  std::string peer;
  std::string client_name;
  std::string client_version;
  bool initialize_first = false;  // sse: until an initialize has come, nothing else is its own
};

// What sessiond is told of it: a record of a session that has only begun.
link::Record told(SessionIdentity who, const BackendDirectory &backends);

// How long a session lives by itself: for ever, or until it has been idle for `timeout`.
struct SessionLife {
  bool persistent = false;
  Millis timeout{0};
};

// Where a session is: what its requests and its streams need for as long as they last.
struct SessionHome {
  uint64_t key_hash = 0;  // of the id: SessionKeyView{id, key_hash} saves hashing it again
  BackendId backend = kNoBackend;
  uint32_t generation = 0;  // of the backend session
  bool recovers = false;    // it can be opened again
};
// What a request needs of its session; strings are assigned, so a reused view does not allocate.
struct SessionView : SessionHome {
  Transport transport = Transport::streamable;
  std::string backend_session;
  int64_t streams = 0;             // open when the request began
  bool awaits_initialize = false;  // sse: no initialize has come yet, and one has to
  SessionLife life;
  bool streams_wait = false;  // some of its event streams have no backend behind them
  bool held = false;          // begin() said no, and a little later it may say yes
  Millis ping_every{0};       // its backend is kept awake; 0: it is not
  bool ping_denied = false;   // but not for this client
};

// The session's event streams that stand without a backend, and where theirs is asked for.
struct WaitingStreams {
  std::string target;
  std::vector<ExchangeRef> streams;
};
// A backend session that is to be pinged now.
struct PingOrder {
  std::string session;
  BackendId backend = kNoBackend;
  std::string backend_session;
  uint32_t generation = 0;
  std::string head;
  std::string version;
};
// Who is to hear of a recovery: the requests that wait, and the session's open event streams.
struct RecoveredSession {
  bool shared = false;  // the new backend session is another user's: nothing was changed
  uint32_t generation = 0;
  std::vector<ExchangeRef> waiting;
  std::vector<ExchangeRef> streams;
};
// What is left to do when a session has ended: its running exchanges are to be finished, its
// backend to be told. The registry has forgotten it already.
struct EndedSession {
  SessionIdentity identity;
  EndReason reason = EndReason::unknown;
  Millis idle{0};
  std::vector<ExchangeRef> exchanges;
  std::vector<ExchangeRef> waiting;  // exchanges that had not begun: they look again
  bool keep_backend = false;         // it is somebody else's to tell
};
struct StillAlive {
  Millis idle{0};
  int64_t in_flight = 0;
  Millis unused_for{0};              // since the last exchange of any kind
  bool used = false;                 // a request came since initialize
  std::vector<ExchangeRef> waiting;  // may go on: they look again
};
// Idle enough, and kept so: new requests wait.
struct HeldIdle {
  Millis idle{0};
};
struct UnknownSession {};

class SessionRecord;

struct RegistryCounts {
  int64_t total = 0;
  int64_t active = 0;  // idle for less than their policy's timeout
  std::vector<std::pair<std::string, int64_t>> by_user;  // sorted; user "-" included
};

class SessionRegistry {
 public:
  // Borrows both; they must outlive *this. Counts the sessions of each backend in `stats`, if
  // given.
  explicit SessionRegistry(const Clock &clock, BackendStats *stats = nullptr);
  ~SessionRegistry();
  SessionRegistry(const SessionRegistry &) = delete;
  SessionRegistry &operator=(const SessionRegistry &) = delete;

  // ---- data path (workers) ----

  // Starts a request on a session: false when the id is unknown, ended, or another user's (all the
  // same to the asker), or, with `out.held`, when the request is to wait: it is told (SessionReady)
  // when to look again, or does so by itself after kSharedWaitMax, and calls release() first.
  // Registers the exchange, which holds the session against drop_if_idle until its messages are
  // classified; fills `out`. Every true is paired with one finish(). A GET stream passes
  // `counts_messages` false and is registered as a stream with add_stream().
  bool begin(const SessionKeyView &key, std::string_view user, ExchangeRef exchange,
             bool expects_messages, SessionView &out);
  // The exchange waits for a session that another proxy holds: restore() tells when it has come.
  void await(const SessionKeyView &key, ExchangeRef exchange);
  // Nothing was decided about the session for too long, or that nothing is to be: its requests go
  // on. Gives those that wait.
  std::vector<ExchangeRef> release(const SessionKeyView &key);
  // Whether begin() would find the session; starts and holds nothing.
  bool knows(std::string_view session, std::string_view user) const;
  // Notes the messages of the exchange's body, once known (also for a legacy POST). `messages` may
  // be empty: not understood, then it counts as one request that holds until finish().
  void classify(const SessionKeyView &key, ExchangeRef exchange,
                std::span<const mcp::RpcMessage> messages);
  // The exchange now carries an event stream: counted in the record, holds nothing by itself.
  void add_stream(const SessionKeyView &key, ExchangeRef exchange);
  // A response with this raw id went to the client (on whatever stream). Moves the clock when the
  // request counted.
  void on_response(const SessionKeyView &key, std::string_view raw_id);
  // From now on requests of our HTTP+SSE sessions come to another process (upgrade.h): an answer
  // to one that nobody made here says that their clients are there, and moves the clock.
  void expect_requests_elsewhere() noexcept { asked_elsewhere_ = true; }
  // A real data event (not a priming event, not a comment) went to the client.
  void on_event(const SessionKeyView &key);
  // How an exchange ended, as far as its requests are concerned.
  enum class Finish : uint8_t {
    answered,   // the answer is complete: nothing of it is in flight any more
    open_ended  // the response may still come (legacy 202, cut stream): in flight for one timeout
                // more
  };
  // Ends the exchange on the session (unknown ids are ignored: the session may have ended). Returns
  // how long the session has been idle, for the report of a closed stream.
  Millis finish(const SessionKeyView &key, ExchangeRef exchange, Finish how);

  // Of a legacy session: the raw ids of requests the backend took and has not answered; all of
  // them, or those this exchange carried. With its stream the answers are lost.
  std::vector<std::string> calls_in_flight(const SessionKeyView &key,
                                           std::optional<ExchangeRef> carrier = {}) const;
  std::vector<ExchangeRef> open_streams(const SessionKeyView &key) const;

  // Adds a new session whose backend accepted it. REQUIRES: id freshly minted. nullopt: the backend
  // session it was given carries live sessions of another user; nothing was added.
  // The exchange that opened it is registered as with begin() (without expected messages;
  // classify() and add_stream() may follow) and must be finished.
  std::optional<SessionLife> bind(const SessionIdentity &identity, bool persistent,
                                  ExchangeRef exchange);

  // Why a session of this user is over; `unknown` when it never was, was another's, or it has been
  // forgotten: only so many ends are kept, and for so long.
  EndReason why_ended(std::string_view session, std::string_view user) const;

  // Ends a session; nullopt when it is not (or no longer) known, or belongs to another user
  // (`user` empty: whoever's). The caller finishes the exchanges and tells the backend.
  std::optional<EndedSession> end(std::string_view session, EndReason reason,
                                  std::string_view user = {});

  // ---- recovery (workers); for sessions that are unknown or cannot be recovered nothing happens
  // --

  // Fills `out` as begin() does, without beginning anything; false when the session is unknown.
  bool look(const SessionKeyView &key, SessionView &out) const;
  // The session can be opened again with this body of its initialize, once its result is known.
  // `raw_id`: where that comes down a stream with others, the request's. One that is known stays.
  void keep_initialize(const SessionKeyView &key, std::string body, std::string_view raw_id = {});
  // Whether a response with this raw id is the initialize's; nullopt: no result is awaited.
  std::optional<bool> awaits_result(const SessionKeyView &key, std::string_view raw_id) const;
  void keep_result(const SessionKeyView &key, uint64_t fingerprint);
  // `seen`: the generation that was found lost. With `lead` fills `plan`.
  SessionRecovery::Start start_recovery(const SessionKeyView &key, std::optional<ExchangeRef> who,
                                        uint32_t seen, RecoveryPlan &plan);
  // The lead's word: the session lives at `backend` under this id from now on; nullopt: it has
  // ended meanwhile.
  std::optional<RecoveredSession> finish_recovery(const SessionKeyView &key, BackendId backend,
                                                  std::string_view backend_session);
  // The lead's other word. Gives who waits.
  std::vector<ExchangeRef> fail_recovery(const SessionKeyView &key);
  Millis recovery_rest(const SessionKeyView &key) const;
  // See SessionRecovery.
  void remember(const SessionKeyView &key, SessionRecovery::Kept kind, std::string_view uri,
                std::string body);
  void on_server_request(const SessionKeyView &key, std::string_view raw_id, uint32_t generation);
  bool answers_the_lost(const SessionKeyView &key, std::string_view raw_id);
  void on_event_id(const SessionKeyView &key, std::string_view event_id, uint32_t generation);
  bool may_resume_after(const SessionKeyView &key, std::string_view event_id) const;
  // An event stream stands without a backend. Streams that do are taken by whoever can give them
  // one. False: there is no opening the session again.
  bool stream_waits(const SessionKeyView &key);
  WaitingStreams take_waiting_streams(const SessionKeyView &key);

  // ---- keeping backends awake (workers) ----

  // From now on the session's backend session is pinged on these terms. True: it never will be,
  // because its client shows credentials.
  bool keep_awake(const SessionKeyView &key, PingTerms terms);
  // Sessions to be pinged now, until `out` has `max`: persistent, silent towards the backend for
  // long enough, nothing in flight. The shards are shared out: `share` of 0 to `shares` - 1.
  void take_due_pings(size_t share, size_t shares, size_t max, std::vector<PingOrder> &out);
  // What became of it.
  void pinged(const SessionKeyView &key, bool ok);
  // The backend wants credentials for it.
  void deny_pings(const SessionKeyView &key);

  // ---- control thread ----

  // The check and the drop in one step: ends the session if it has been idle for at least
  // `idle_min`, nothing is in flight, no exchange is unclassified and (stream_keeps_alive) no
  // stream is open. `reason` says which idleness is meant (PROTOCOL.md 1.7).
  std::variant<EndedSession, StillAlive, UnknownSession> drop_if_idle(
      std::string_view session, Millis idle_min, EndReason reason = EndReason::idle_timeout);
  // The check alone; idle, it stays so for kSharedWaitMax or until release() or a drop, because new
  // requests wait. Requests that waited for an earlier probe make it active.
  std::variant<HeldIdle, StillAlive, UnknownSession> probe(
      std::string_view session, Millis idle_min, EndReason reason = EndReason::idle_timeout);
  bool set_persistent(std::string_view session, bool persistent);
  // New rules for all sessions, present and future; sessions of a name that is gone use the first
  // (top-level) one.
  void set_policies(std::vector<link::PolicyInfo> policies);
  // How long why_ended() knows an end (tombstone_lifetime).
  void keep_ends_for(Millis lifetime) { ends_kept_ms_ = lifetime.count(); }
  // sessiond knows that this session has ended: what it says of it from now on is news.
  void end_acknowledged(std::string_view session);
  // A session that sessiond hands over. False: the id is already here, its backend session carries
  // another user's, or its client or its backend has ended it and sessiond does not know yet. What
  // is here already learns what it may not know: how late it was active elsewhere, and where it
  // lives. `came`: exchanges that awaited it.
  bool restore(const link::Record &record, BackendId backend,
               std::vector<ExchangeRef> *came = nullptr);
  // A stream's `opened` or `closed` is now on its way to sessiond. Snapshots give the streams told,
  // not those open: a message still in a queue is then counted once, by itself.
  // False: the session is over, and its streams with it.
  bool stream_told(std::string_view session, bool opened);
  // Sessions whose clock, count or flight moved since the last call, at most `max`.
  void collect_activity(size_t max, std::vector<link::ActivityEntry> &out);
  // The ids of all sessions, a shard at a time: `cursor` starts at 0; returns the next cursor, kEnd
  // at the end. Appends to `out`.
  static constexpr size_t kEnd = SIZE_MAX;
  size_t ids(size_t cursor, std::vector<std::string> &out) const;
  // Everything known of a session now; nullopt when it is not (or no longer) known.
  std::optional<link::Record> record(std::string_view session,
                                     const BackendDirectory &backends) const;
  // Ends every session of a transport (drain, shutdown), or with nullopt all of them.
  std::vector<EndedSession> end_all(EndReason reason, std::optional<Transport> transport);

  RegistryCounts counts(bool by_user) const;
  size_t size() const;

 private:
  struct Shard;
  static constexpr size_t kShards = 256;  // few of a busy machine's threads meet in one
  Shard &shard_of(uint64_t hash) const;
  template <class Use>
  auto with_recovery(const SessionKeyView &key, Use use) const;
  void learn(SessionRecord &record, const link::Record &told, BackendId backend);
  // nullopt: the id is already here, or the backend session is another user's.
  std::optional<SessionLife> add(SessionRecord record);
  void count_at_backend(BackendId backend, int64_t change);

  const Clock &clock_;
  BackendStats *const stats_;
  std::unique_ptr<std::array<Shard, kShards>> shards_;
  BackendClaims claims_;  // of every session in the shards
  // Whether on_event() can matter at all: spares the look-up per event under the usual policies.
  std::atomic<bool> events_may_count_{false};
  std::atomic<bool> asked_elsewhere_{false};
  std::atomic<bool> pings_used_{false};               // any session's backend is kept awake
  std::atomic<Millis::rep> ends_kept_ms_{3'600'000};  // until sessiond has told better
  size_t next_dirty_shard_ = 0;  // where collect_activity() goes on; control thread
};

}  // namespace holdfast::proxy
