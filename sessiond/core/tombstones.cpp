#include "sessiond/core/tombstones.h"

namespace holdfast::sessiond {

void Tombstones::add(const SessionId &id, EndReason reason, bool drop_again, MonoTime now) {
  while (order_.size() >= kTombstonesMax) forget_oldest();
  graves_[id] = {reason, drop_again, now, next_serial_};
  order_.emplace_back(id, next_serial_++);
}

const Tombstone *Tombstones::find(std::string_view id) const {
  const auto at = graves_.find(id);
  return at == graves_.end() ? nullptr : &at->second;
}

void Tombstones::erase(std::string_view id) {
  // Its place in the order stays and is skipped when its turn comes.
  const auto at = graves_.find(id);
  if (at != graves_.end()) graves_.erase(at);
}

void Tombstones::forget_oldest() {
  const auto &[id, serial] = order_.front();
  const auto at = graves_.find(id);
  if (at != graves_.end() && at->second.serial == serial) graves_.erase(at);
  order_.pop_front();
}

void Tombstones::forget_older_than(MonoTime oldest) {
  while (!order_.empty()) {
    const auto &[id, serial] = order_.front();
    const auto at = graves_.find(id);
    if (at != graves_.end() && at->second.serial == serial && at->second.ended >= oldest) return;
    forget_oldest();
  }
}

}  // namespace holdfast::sessiond
