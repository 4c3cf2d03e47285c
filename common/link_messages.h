// The messages of the link between holdfast-proxy and holdfast-sessiond as types, and their JSON
// form (PROTOCOL.md section 1). Plain values; encoding and decoding are pure. Any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "common/close_reason.h"
#include "common/result.h"
#include "common/server_state.h"

namespace holdfast::link {

inline constexpr int64_t kVersion = 1;

// One session as both sides describe it.
struct Record {
  std::string session;
  std::string user = "-";
  std::string policy;  // "" is the top-level policy
  Transport transport = Transport::streamable;
  std::string backend;  // "upstream/host:port"
  std::string backend_session;
  std::string target;  // origin-form target of the request that opened it: where DELETE goes
  int64_t age_ms = 0;
  int64_t idle_ms = 0;
  int64_t in_flight = 0;
  int64_t requests = 0;
  int64_t streams = 0;
  bool persistent = false;
  std::string peer;  // client address without port
  std::string client_name;
  std::string client_version;
};

struct PolicyInfo {
  std::string name;
  bool persistent = false;
  int64_t timeout_ms = 0;
  std::optional<int64_t> max_sessions;
  std::optional<int64_t> max_sessions_per_user;
  std::optional<int64_t> max_sessions_per_address;
  std::vector<std::string> activity;
  bool stream_keeps_alive = false;
};

struct BackendInfo {
  std::string upstream;
  std::string server;
  bool up = true;
  int64_t sessions = 0;
  int64_t requests = 0;
  int64_t errors = 0;
  ServerState state = ServerState::ready;  // as it is used; `down` in the conf is maint
  std::optional<ServerState> set_state{};  // an admin's word, which this proxy obeys
  std::optional<int64_t> weight{};         // as it is used
  std::optional<int64_t> set_weight{};     // an admin's word
  std::string check{};                     // the last active check: "ok", or what was wrong
  std::optional<int64_t> changed_ms{};     // since it went up, down, or to another state
  bool removed = false;                    // no longer configured, but it has sessions
};

struct ActivityEntry {
  std::string session;
  int64_t idle_ms = 0;
  int64_t in_flight = 0;
  int64_t requests = 0;
};

// proxy → sessiond
struct Hello {
  int64_t v = kVersion;
  std::string node;
  std::string instance;
  int64_t pid = 0;
  std::string version;
  std::vector<std::string> policies;
};
struct SnapshotBegin {};
struct Snapshot {
  Record record;
};
struct SnapshotEnd {};
struct Admit {
  std::string session;
  std::string user = "-";
  std::string policy;
  Transport transport = Transport::streamable;
  std::string peer;
  std::string client_name;
  std::string client_version;
};
struct Bound {
  std::string session;
  std::string backend;
  std::string backend_session;
  std::string target;
};
struct Released {
  std::string session;
  ReleaseReason reason = ReleaseReason::backend_refused;
};
struct Opened {
  std::string session;
  int64_t stream = 0;
  StreamKind kind = StreamKind::get;
};
struct Closed {
  std::string session;
  int64_t stream = 0;
  StreamReason reason = StreamReason::complete;
  int64_t idle_ms = 0;
  int64_t bytes = 0;
};
struct Activity {
  std::vector<ActivityEntry> sessions;  // at most kActivityPerLineMax
};
struct Alive {
  std::string session;
  int64_t idle_ms = 0;
  int64_t in_flight = 0;
  std::optional<int64_t> use_ms{};  // since the last stream or request of any kind, counting or not
  bool used = false;                // a request has come since initialize
};
struct Idle {
  std::string session;
  int64_t round = 0;  // of the probe it answers
  int64_t idle_ms = 0;
};
struct Ended {
  std::string session;
  EndReason reason = EndReason::unknown;
  int64_t idle_ms = 0;
};
struct Stats {
  std::vector<std::pair<std::string, int64_t>> counters;
  std::vector<BackendInfo> backends;
};
struct Obeyed {
  int64_t token = 0;
};
struct Reloaded {
  int64_t token = 0;
  bool ok = false;
  std::string message;
};
struct Pong {
  int64_t n = 0;
};

// both ways
struct Unsupported {
  std::string type;
};
struct Bye {
  std::string reason;
};

// sessiond → proxy
struct Welcome {
  int64_t v = kVersion;
  std::string version;
  std::vector<PolicyInfo> policies;  // the top-level one first
  std::vector<std::string> unknown_policies;
  std::string http_socket;  // absolute path of the management HTTP socket; "" when there is none
  std::optional<int64_t> tombstone_lifetime_ms{};  // how long it is told why a session ended
};
struct Policies {
  std::vector<PolicyInfo> policies;
  std::vector<std::string> unknown_policies;
  std::optional<int64_t> tombstone_lifetime_ms{};
};
struct RestoredBegin {};
struct Restored {
  Record record;
};
struct RestoredEnd {};
struct Siblings {
  int64_t count = 0;
};
struct Admitted {
  std::string session;
  bool persistent = false;
};
struct Refused {
  std::string session;
  RefuseReason reason = RefuseReason::max_sessions;
  int64_t retry_after_s = 1;
};
struct Probe {
  std::string session;
  int64_t round = 0;
  int64_t idle_ms_min = 0;
  EndReason reason = EndReason::idle_timeout;  // as of DropIfIdle
};
struct Release {
  std::string session;
};
struct DropIfIdle {
  std::string session;
  int64_t idle_ms_min = 0;
  // By which rule it is to be idle, and the reason of its end if it is.
  EndReason reason = EndReason::idle_timeout;
  bool keep_backend = false;  // another holder tells the backend, or nobody is to
};
struct Drop {
  std::string session;
  EndReason reason = EndReason::admin;
  bool keep_backend = false;  // as of DropIfIdle
};
struct Set {
  std::string session;
  bool persistent = false;
};
struct SetServer {
  std::string server;  // "upstream/host:port"
  std::optional<ServerState> state{};
  std::optional<int64_t> weight{};
};
struct Acknowledged {
  std::string session;
};
struct Drain {
  bool on = true;
  bool exit = false;               // and leave: streams end, requests finish, the proxy exits
  std::optional<int64_t> token{};  // of the command that waits for `obeyed`; none: nobody waits
};
struct Reload {
  int64_t token = 0;
};
struct Ping {
  int64_t n = 0;
};

using ToSessiond = std::variant<Hello, SnapshotBegin, Snapshot, SnapshotEnd, Admit, Bound, Released,
                                Opened, Closed, Activity, Alive, Idle, Ended, Stats, Obeyed,
                                Reloaded, Pong, Unsupported, Bye>;
using ToProxy = std::variant<Welcome, Policies, RestoredBegin, Restored, RestoredEnd, Siblings,
                             Admitted, Refused, Probe, Release, DropIfIdle, Drop, Set, SetServer,
                             Acknowledged, Drain, Reload, Ping, Unsupported, Bye>;

// One line without its LF. Never longer than kLinkLineBytesMax - 1 for messages whose texts respect
// the bounds in limits.h.
std::string encode(const ToSessiond &message);
std::string encode(const ToProxy &message);

// Errc::protocol: malformed, with what and which member; Errc::not_found: a type this version does
// not know, its name as the error's message (answer Unsupported).
Result<ToSessiond> decode_to_sessiond(std::string_view line);
Result<ToProxy> decode_to_proxy(std::string_view line);

}  // namespace holdfast::link
