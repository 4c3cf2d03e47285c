// What is kept of a session so that its backend session can be opened again behind the
// client's back (session_recovery): the client's own initialize, what its server held for it that
// can be said again, and the fence that keeps what belongs to a lost backend session from the next
// one. Backend sessions are numbered; the one the client itself opened is generation 0.
// Owned by the session's record; plain single-threaded state that the registry calls under the lock
// of the session's shard. Ends with the session; nothing of it outlives this process.
//
//   ready ──start()──▶ recovering ──succeeded()──▶ ready (generation + 1)
//     ▲                    └──failed()──▶ resting ──time──┐
//     └───────────────────────────────────────────────────┘
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/clock.h"
#include "proxy/exchange_ref.h"

namespace holdfast::proxy {

// An initialize, or a request that is to be sent again, is kept up to here: real ones have 1 KB.
inline constexpr size_t kRecoveryBodyBytesMax = 64 * 1024;
// Requests that wait for one recovery; beyond it they are refused and may come again.
inline constexpr size_t kRecoveryWaitersMax = 1024;
// Subscriptions replayed: beyond it the oldest is forgotten. One is kept up to so many bytes.
inline constexpr size_t kReplaysMax = 64;
inline constexpr size_t kReplayBytesMax = 4 * 1024;
// Requests of the server the client has not answered; beyond it the oldest is forgotten.
inline constexpr size_t kServerRequestsMax = 256;
// Event ids of the latest backend session a client may resume after; older ones are not forwarded.
inline constexpr size_t kEventIdsMax = 256;
// A backend that loses sessions as fast as they are opened is not helped by opening more.
inline constexpr unsigned kRecoveriesInRowMax = 5;
inline constexpr Millis kRecoveryCalm{60'000};  // a recovery this long ago is no longer "in a row"
// How long a session rests after failed tries: doubling between these.
inline constexpr Millis kRecoveryRestMin{250};
inline constexpr Millis kRecoveryRestMax{10'000};

class SessionRecovery {
 public:
  // `initialize`: the client's request body as it came, at most kRecoveryBodyBytesMax. `raw_id`: of
  // the request in it, where its answer is to be told from others.
  explicit SessionRecovery(std::string initialize, std::string_view raw_id = {});

  // What the backend made of it (see initialize_result.h): the next one must be the same.
  // Before it is known there is nothing to compare, so there is no recovery.
  void set_result(uint64_t fingerprint) { result_ = fingerprint; }
  std::optional<uint64_t> result() const { return result_; }
  // A response with this raw id is the initialize's.
  bool awaits(std::string_view raw_id) const;
  const std::string &initialize() const { return initialize_; }
  uint32_t generation() const { return generation_; }

  // ---- one recovery at a time ----
  enum class Start : uint8_t {
    lead,      // it is the asker's to do: succeeded() or failed() is owed
    wait,      // somebody does it; the asker is among the waiters that will be told
    moved_on,  // it has been done: the session is of a later generation than the asker's
    resting,   // failed a moment ago: not before rest() has passed
    hopeless   // nothing to compare with, or lost again and again
  };
  // `seen`: the generation the asker found lost. `who`: whom to tell; nullopt for nobody.
  Start start(std::optional<ExchangeRef> who, uint32_t seen, MonoTime now);
  // start() by whoever finds the present backend session lost would say so.
  bool hopeless(MonoTime now) const;
  // Both give everybody who waits, the lead included.
  std::vector<ExchangeRef> succeeded(MonoTime now);
  std::vector<ExchangeRef> failed(MonoTime now);
  Millis rest(MonoTime now) const;

  // ---- what the server held for the client ----
  enum class Kept : uint8_t { subscribe, unsubscribe, log_level };
  // A request of this kind that the backend accepted. `uri_hash` names the resource.
  void remember(Kept kind, uint64_t uri_hash, std::string body);
  // The bodies to be said again, in the order they were said.
  std::vector<std::string> replays() const;

  // ---- the fence ----
  // The server asked the client something on a stream of this generation.
  void on_server_request(std::string_view raw_id, uint32_t generation);
  // The client answers a request with this id: true when the one who asked is lost, and the answer
  // must not reach anybody else. Either way it is answered now. An empty id is one that has not
  // been read yet: it may be that of any question a lost one asked, as long as there are such.
  bool answers_the_lost(std::string_view raw_id);
  // An event with this id went to the client on a stream of this generation.
  void on_event_id(uint64_t id_hash, uint32_t generation);
  // Whether the backend may know this Last-Event-ID.
  bool may_resume_after(uint64_t id_hash) const;

  // Event streams of the client stand without a backend behind them.
  bool streams_wait = false;

 private:
  struct Asked {
    uint64_t id_hash = 0;
    uint32_t generation = 0;
  };
  struct Subscription {
    uint64_t uri_hash = 0;
    std::string body;
  };
  std::vector<ExchangeRef> settle();

  std::string initialize_;
  uint64_t id_hash_;  // of its raw id
  std::optional<uint64_t> result_;
  uint32_t generation_ = 0;
  bool recovering_ = false;
  bool forgot_lost_ = false;  // of server requests, some of an earlier generation's were forgotten
  unsigned in_row_ = 0;
  unsigned failures_ = 0;
  MonoTime last_success_{};
  MonoTime rest_until_{};
  std::vector<ExchangeRef> waiting_;
  std::vector<Subscription> subscriptions_;  // oldest first
  std::string log_level_;                    // the last logging/setLevel, empty without one
  std::vector<Asked> asked_;                 // oldest first
  std::vector<uint64_t> event_ids_;          // a ring, only of generations the proxy opened
  size_t next_event_id_ = 0;
};

}  // namespace holdfast::proxy
