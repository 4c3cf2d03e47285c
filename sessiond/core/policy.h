// What a session policy says, and the one decision that is derived from it rather than written
// down: whether sessions are persistent. Values only; no I/O, no clock, no thread. Built by
// sessiond/config.cpp, changed at run time by the admin's `set`, read by the core.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/clock.h"

namespace holdfast::sessiond {

// What the session beyond the cap meets. Words equal those of `at_capacity`.
enum class AtCapacity { reject, evict_idle };
std::string_view to_word(AtCapacity value) noexcept;

// Which client messages move a session's last activity: the listed JSON-RPC methods, every message
// with a method except `ping`, or those and every real event to the client.
struct Activity {
  enum class Kind { methods, requests, messages };
  Kind kind = Kind::methods;
  std::vector<std::string> methods{"tools/call"};  // only with Kind::methods

  friend bool operator==(const Activity &, const Activity &) = default;
};

// The words as `activity` takes them and as the link carries them: the methods, or the one keyword.
std::vector<std::string> to_words(const Activity &activity);

struct Policy {
  Millis timeout{std::chrono::hours{1}};              // idle longer than this: expired
  Millis cleanup_interval{std::chrono::seconds{60}};  // how often expiry is looked at
  std::optional<uint64_t> max_sessions;               // sessions at once; unset = no cap
  std::optional<uint64_t> max_sessions_per_user;
  std::optional<uint64_t> max_sessions_per_address;  // see client_address.h
  std::optional<bool> persistent_mode;  // as written; ask is_persistent() for what it means
  AtCapacity at_capacity = AtCapacity::reject;
  Millis evict_grace{std::chrono::minutes{5}};  // evict_idle spares sessions idle for less
  Activity activity;
  bool stream_keeps_alive = false;       // does an open stream alone keep the session
  std::optional<Millis> orphan_timeout;  // persistent sessions without any stream or request
  std::optional<Millis> unused_timeout;  // sessions never used after initialize

  friend bool operator==(const Policy &, const Policy &) = default;
};

// A policy a location of the proxy can name. Its settings are complete: what the block does not set
// was taken from the top-level policy when the configuration was read.
struct NamedPolicy {
  std::string name;
  Policy policy;

  friend bool operator==(const NamedPolicy &, const NamedPolicy &) = default;
};

// The smart default: what was written wins; unwritten, a cap means many clients (clean up after
// them) and no cap means one client whose session must never be cut off.
bool is_persistent(const Policy &policy) noexcept;

// True when sessions never expire and yet are counted against a cap: once it is reached nobody gets
// in until an admin or a client ends a session. Worth a loud warning, not an error.
bool can_lock_everybody_out(const Policy &policy) noexcept;

}  // namespace holdfast::sessiond
