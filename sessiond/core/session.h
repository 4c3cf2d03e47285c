// One session as sessiond knows it, and the small things it refers to. Plain data, owned by the
// SessionTable; the rules that change it are in reaper.cpp (time) and the core's steps (messages).
//
//   opening ──bound──▶ open ──drop sent──▶ closing ──ended──▶ (gone; a tombstone keeps the reason)
//      └──released──▶ (gone)   └──ended, link end──▶ (gone)
//
// `opening` is a reservation: it counts against the caps and has no deadline.
#pragma once

#include <algorithm>
#include <array>
#include <compare>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/clock.h"
#include "common/close_reason.h"
#include "common/ids.h"
#include "sessiond/core/intrusive_list.h"
#include "sessiond/core/own_text.h"
#include "sessiond/core/text_pool.h"

namespace holdfast::sessiond {

struct PolicyState;
struct Instance;
struct Session;

// A session's whole id: a credential, 32 characters of base64url.
struct SessionId {
  std::array<char, kSessionIdChars> chars{};

  static std::optional<SessionId> parse(std::string_view text) noexcept {
    if (!is_session_id(text)) return std::nullopt;
    SessionId id;
    std::copy(text.begin(), text.end(), id.chars.begin());
    return id;
  }
  std::string_view text() const noexcept { return {chars.data(), chars.size()}; }
  friend auto operator<=>(const SessionId &, const SessionId &) = default;
};

// For tables by id that are also asked with a text. Not noexcept, for which libstdc++ keeps each
// entry's hash beside it; else it computes the hash of every neighbour it passes again.
struct SessionIdHash {
  using is_transparent = void;
  size_t operator()(std::string_view id) const { return keyed_hash(id); }
  size_t operator()(const SessionId &id) const { return keyed_hash(id.text()); }
};
struct SessionIdEqual {
  using is_transparent = void;
  bool operator()(const SessionId &a, const SessionId &b) const noexcept { return a == b; }
  bool operator()(std::string_view a, const SessionId &b) const noexcept { return a == b.text(); }
  bool operator()(const SessionId &a, std::string_view b) const noexcept { return a.text() == b; }
};

// Names one connection of a proxy for as long as sessiond runs; never reused. 0 is none.
enum class LinkId : uint64_t { none = 0 };

enum class SessionState : uint8_t { opening, open, closing };

// What the proxy was asked about this session and has not answered.
enum class Ask : uint8_t { none, expiry, eviction, drop };

// Where a session's deadline stands: nowhere, in its policy's Deadlines, or in its instance's queue
// of sessions the proxy is to be asked about.
enum class Look : uint8_t { none, armed, queued };

// What an admin said about persistence; `by_policy` until then.
enum class Pin : uint8_t { by_policy, persistent, not_persistent };

// What one holder tells of a session; of a session with several holders (sharing.h) also what they
// tell together.
struct Part {
  MonoTime last_activity{};
  MonoTime last_use{};  // last stream or request of any kind; what orphan_timeout counts from
  int32_t requests = 0;
  int32_t in_flight = 0;
  int32_t streams = 0;
  uint16_t seen = 0;         // the snapshot of its instance that last named it
  bool used = false;         // its proxy says that a request came since initialize
  bool unconfirmed = false;  // handed to an instance that has not named it yet
};

// What a holder of a session that several hold has said to the present probe.
enum class ProbeState : uint8_t { none, awaited, idle };

// One holder of a session that several hold. Owned by its Sharing.
struct Holding : Part {
  Session *session = nullptr;
  Instance *instance = nullptr;
  ProbeState probe = ProbeState::none;
  ListLink<Holding> of_instance;  // Instance::shares
};

// What a session has while several instances hold it. `Session::instance` is one of them: the one
// that is told what only one is to do.
struct Sharing {
  // How far the agreement on its end is (PROTOCOL.md 1.6).
  enum class Stage : uint8_t { quiet, probing, leaving };

  std::vector<std::unique_ptr<Holding>> holders;  // at least two, in the order they came
  Stage stage = Stage::quiet;
  int64_t round = 0;  // with probing
  MonoTime began{};   // with any but quiet
  EndReason reason = EndReason::idle_timeout;
  Millis idle_min{0};
  // `Session::instance` was asked or told to end it when it was the only holder, and has not
  // answered: its end is the session's.
  bool asked_alone = false;
};

struct Session : Part {
  Transport transport = Transport::streamable;
  SessionState state = SessionState::opening;
  EndReason end_reason = EndReason::unknown;  // with SessionState::closing
  Ask asked = Ask::none;
  Look look = Look::none;
  Pin pin = Pin::by_policy;
  bool overdue = false;     // persistent, and idle beyond its policy's timeout
  bool was_shared = false;  // proxies we do not hear of any more may hold it, too

  const SessionId *id = nullptr;  // the table's key
  struct User *user = nullptr;
  struct Address *address = nullptr;  // nullptr: the peer has none
  PolicyState *policy = nullptr;
  Instance *instance = nullptr;
  const TextPool::Entry *backend = nullptr;
  const TextPool::Entry *target = nullptr;  // of the request that opened it
  const TextPool::Entry *peer = nullptr;
  const TextPool::Entry *client_name = nullptr;
  const TextPool::Entry *client_version = nullptr;
  OwnText backend_session;

  std::unique_ptr<Sharing> sharing;  // none while one instance holds it

  MonoTime created{};
  MonoTime look_at{};  // with Look::armed: when the reaper looks at it

  ListLink<Session> of_instance;  // Instance::sessions
  ListLink<Session> of_user;      // User::sessions
  ListLink<Session> of_address;   // Address::sessions
  ListLink<Session> of_look;      // Deadlines bucket or Instance::queue
  ListLink<Session> of_prefix;    // PrefixIndex chain
};

// How many sessions of a group belong to which policy: few rows, hence no map.
class PolicyCounts {
 public:
  size_t of(const PolicyState &policy) const noexcept;
  void add(const PolicyState &policy);
  void remove(const PolicyState &policy);  // REQUIRES: added before

 private:
  std::vector<std::pair<const PolicyState *, size_t>> rows_;
};

// Everybody with at least one session or reservation.
struct User {
  std::string_view name;  // the table's key
  IntrusiveList<Session, &Session::of_user> sessions;
  PolicyCounts by_policy;
  size_t opening_count = 0;  // reservations among them

  // Users without identity share one name and are not one user: per-user limits do not apply.
  bool anonymous() const noexcept { return name == "-"; }
};

// Every client network (client_address.h) with at least one session or reservation.
struct Address {
  std::string_view network;  // the table's key
  IntrusiveList<Session, &Session::of_address> sessions;
  PolicyCounts by_policy;
};

// One serving process of a proxy, linked now or gone while it still has sessions.
struct Instance {
  std::string node;
  std::string name;
  LinkId link = LinkId::none;
  uint16_t snapshots_count = 0;  // of the latest two only, so that it may begin anew
  size_t asks_count = 0;         // asked and not answered
  IntrusiveList<Session, &Session::of_instance> sessions;  // whose Session::instance it is
  IntrusiveList<Session, &Session::of_look> queue;         // to be asked about, see Look::queued
  IntrusiveList<Holding, &Holding::of_instance> shares;    // what it holds together with others
  std::deque<SessionId> owed;  // to be handed over as soon as its link takes them

  bool linked() const noexcept { return link != LinkId::none; }
};

}  // namespace holdfast::sessiond
