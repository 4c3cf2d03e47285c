#include "sessiond/core/deadlines.h"

namespace holdfast::sessiond {
namespace {

int64_t second_of(MonoTime at) {
  return std::chrono::floor<std::chrono::seconds>(at.time_since_epoch()).count();
}

}  // namespace

void Deadlines::arm(Session &session, MonoTime at) {
  buckets_[second_of(at)].push_back(session);
  session.look = Look::armed;
  session.look_at = at;
}

void Deadlines::disarm(Session &session) {
  const auto bucket = buckets_.find(second_of(session.look_at));
  bucket->second.erase(session);
  if (bucket->second.empty()) buckets_.erase(bucket);
  session.look = Look::none;
}

size_t Deadlines::take_due(MonoTime now, size_t max, std::vector<Session *> &out) {
  size_t visited_count = 0;
  size_t taken_count = 0;
  while (taken_count < max && !buckets_.empty() && buckets_.begin()->first <= second_of(now)) {
    const bool whole = buckets_.begin()->first < second_of(now);
    // disarm() frees an emptied bucket, so the next member is read before.
    for (Session *s = buckets_.begin()->second.front(); s != nullptr && taken_count < max;) {
      Session *const next = Bucket::next(*s);
      ++visited_count;
      if (s->look_at <= now) {
        disarm(*s);
        out.push_back(s);
        ++taken_count;
      }
      s = next;
    }
    if (!whole) break;
  }
  return visited_count;
}

}  // namespace holdfast::sessiond
