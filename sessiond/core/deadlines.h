// When to look at which session: buckets of one second, ordered. Arming and disarming cost the
// logarithm of the number of buckets, taking what is due costs what is due (and one partly due
// bucket). One per policy, so that the front is that policy's longest idle. Borrows the sessions.
// Pure; one thread.
#pragma once

#include <cstdint>
#include <map>
#include <vector>

#include "common/clock.h"
#include "sessiond/core/session.h"

namespace holdfast::sessiond {

class Deadlines {
 public:
  using Bucket = IntrusiveList<Session, &Session::of_look>;

  // REQUIRES: session.look == Look::none. Sets look and look_at.
  void arm(Session &session, MonoTime at);
  // REQUIRES: armed here.
  void disarm(Session &session);

  // Disarms the sessions whose time has come and appends them, earliest second first, at most
  // `max`. Returns how many were looked at: those, and the others of this very second.
  size_t take_due(MonoTime now, size_t max, std::vector<Session *> &out);

  bool empty() const noexcept { return buckets_.empty(); }
  // Buckets by second, earliest first.
  const std::map<int64_t, Bucket> &buckets() const noexcept { return buckets_; }

 private:
  std::map<int64_t, Bucket> buckets_;
};

}  // namespace holdfast::sessiond
