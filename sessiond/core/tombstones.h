// How sessions ended, for a while after: so that a proxy which comes back with a session sessiond
// has ended meanwhile is told again, so that a repeated `ended` is not logged twice, and so that a
// person can ask. Bounded in time and number; the oldest is forgotten first. Pure; one thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <string_view>
#include <unordered_map>

#include "sessiond/core/session.h"

namespace holdfast::sessiond {

// Enough to repeat every end of a busy hour; about 8 MiB.
inline constexpr size_t kTombstonesMax = 65536;

struct Tombstone {
  EndReason reason = EndReason::unknown;
  // Decided here while no link could carry it: a proxy that still names the session must drop it.
  // Never set for ends that only mean that the proxy went away, or its streams would be cut when it
  // returns.
  bool drop_again = false;
  MonoTime ended{};
  uint64_t serial = 0;  // tells a later grave of the same id from an earlier one
};

class Tombstones {
 public:
  void add(const SessionId &id, EndReason reason, bool drop_again, MonoTime now);
  const Tombstone *find(std::string_view id) const;
  void erase(std::string_view id);  // the session lives after all
  void forget_older_than(MonoTime oldest);
  size_t size() const noexcept { return graves_.size(); }

 private:
  void forget_oldest();

  std::unordered_map<SessionId, Tombstone, SessionIdHash, SessionIdEqual> graves_;
  std::deque<std::pair<SessionId, uint64_t>> order_;  // oldest first, with the grave's serial
  uint64_t next_serial_ = 1;
};

}  // namespace holdfast::sessiond
