// How sessions ended, for a while after: so that a proxy which comes back with a session sessiond
// has ended meanwhile is told again, so that a repeated `ended` is not logged twice, and so that a
// person can ask. Bounded in time and number; the oldest is forgotten first. Pure; one thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "sessiond/core/session.h"

namespace holdfast::sessiond {

// Enough to repeat every end of a busy hour; about 12 MiB.
inline constexpr size_t kTombstonesMax = 65536;

struct Tombstone {
  EndReason reason = EndReason::unknown;
  // Decided here while no link could carry it: a proxy that still names the session must drop it.
  // Never set for ends that only mean that the proxy went away, or its streams would be cut when it
  // returns.
  bool drop_again = false;
  MonoTime ended{};
  // For a person who asks why.
  std::string user;
  bool persistent = false;
  Millis lived{0};
  Millis idle{0};       // when it ended
  uint64_t serial = 0;  // tells a later grave of the same id from an earlier one
};

class Tombstones {
 public:
  void add(const SessionId &id, Tombstone grave);  // its serial is set here
  const Tombstone *find(std::string_view id) const;
  // Those whose id begins with `prefix`, latest end first, at most `max`. Walks all of them: for
  // people who ask, not for messages. Valid until the next change.
  using Found = std::pair<SessionId, const Tombstone *>;
  std::vector<Found> find_by_prefix(std::string_view prefix, size_t max) const;
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
