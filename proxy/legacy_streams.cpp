#include "proxy/legacy_streams.h"

namespace holdfast::proxy {

LegacyStreams::Place LegacyStreams::enter(std::string id, std::string user, ExchangeRef stream) {
  const std::lock_guard lock(mutex_);
  waiting_.insert_or_assign(id, Waiting{std::move(user), stream});
  return {*this, std::move(id)};
}

std::optional<ExchangeRef> LegacyStreams::find(std::string_view id, std::string_view user) const {
  const std::lock_guard lock(mutex_);
  const auto at = waiting_.find(id);
  if (at == waiting_.end() || !equal_constant_time(at->second.user, user)) return std::nullopt;
  return at->second.stream;
}

size_t LegacyStreams::size() const {
  const std::lock_guard lock(mutex_);
  return waiting_.size();
}

void LegacyStreams::leave(const std::string &id) {
  const std::lock_guard lock(mutex_);
  waiting_.erase(id);
}

}  // namespace holdfast::proxy
