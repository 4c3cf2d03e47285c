// Why the latest sessions of a shard ended, so that a client that comes back with its id is told.
// Only ends of real sessions are noted: forged ids cost nothing. Bounded in number, the oldest is
// overwritten. Ids and users are kept as keyed hashes. Callers hold the shard's mutex. Pure.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "common/clock.h"
#include "common/close_reason.h"

namespace holdfast::proxy {

class RecentlyEnded {
 public:
  // Of each of the registry's 256 shards: 16,384 ends in half a megabyte.
  static constexpr size_t kMax = 64;

  void add(uint64_t id_hash, uint64_t user_hash, EndReason reason, MonoTime now) {
    if (ends_.size() < kMax) {
      ends_.push_back({id_hash, user_hash, now, reason, false});
    } else {
      ends_[next_] = {id_hash, user_hash, now, reason, false};
    }
    next_ = (next_ + 1) % kMax;
  }

  // sessiond has acknowledged the end of this one.
  void acknowledge(uint64_t id_hash) {
    for (End &end : ends_) {
      if (end.id_hash == id_hash) end.acknowledged = true;
    }
  }

  // Why it ended here, if sessiond has not acknowledged that yet.
  std::optional<EndReason> on_its_way(uint64_t id_hash, uint64_t user_hash) const {
    for (const End &end : ends_) {
      if (end.id_hash == id_hash && end.user_hash == user_hash && !end.acknowledged)
        return end.reason;
    }
    return std::nullopt;
  }

  // nullopt: it did not end here, not since `oldest`, or was another user's.
  std::optional<EndReason> find(uint64_t id_hash, uint64_t user_hash, MonoTime oldest) const {
    for (size_t back = 1; back <= ends_.size(); ++back) {
      const End &end = ends_[(next_ + kMax - back) % kMax];
      if (end.at < oldest) return std::nullopt;
      if (end.id_hash == id_hash && end.user_hash == user_hash) return end.reason;
    }
    return std::nullopt;
  }

 private:
  struct End {
    uint64_t id_hash = 0;
    uint64_t user_hash = 0;
    MonoTime at{};
    EndReason reason = EndReason::unknown;
    bool acknowledged = false;
  };
  std::vector<End> ends_;
  size_t next_ = 0;  // where the next one is written
};

}  // namespace holdfast::proxy
