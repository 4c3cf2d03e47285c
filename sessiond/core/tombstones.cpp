#include "sessiond/core/tombstones.h"

namespace holdfast::sessiond {

void Tombstones::add(const SessionId &id, Tombstone grave) {
  while (order_.size() >= kTombstonesMax) forget_oldest();
  grave.serial = next_serial_;
  graves_[id] = std::move(grave);
  order_.emplace_back(id, next_serial_++);
}

const Tombstone *Tombstones::find(std::string_view id) const {
  const auto at = graves_.find(id);
  return at == graves_.end() ? nullptr : &at->second;
}

std::vector<Tombstones::Found> Tombstones::find_by_prefix(std::string_view prefix,
                                                          size_t max) const {
  std::vector<Found> found;
  for (auto at = order_.rbegin(); at != order_.rend() && found.size() < max; ++at) {
    const auto &[id, serial] = *at;
    if (!id.text().starts_with(prefix)) continue;
    const auto grave = graves_.find(id);
    const bool same = grave != graves_.end() && grave->second.serial == serial;
    if (same) found.emplace_back(id, &grave->second);
  }
  return found;
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
