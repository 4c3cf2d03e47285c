#include "proxy/backend_directory.h"

namespace holdfast::proxy {
namespace {

// A name may be given again with another address (a reload, a new answer of the resolver): requests
// of old sessions still go where their session lives, so both together are what a number stands
// for.
std::string identity_of(const Backend &backend) {
  std::string key = backend.name;
  key += '\0';
  key.append(reinterpret_cast<const char *>(&backend.address), backend.address_bytes);
  key += backend.tls;
  return key;
}

}  // namespace

std::optional<BackendId> BackendDirectory::intern(const Backend &backend) {
  const std::lock_guard lock(mutex_);
  std::string key = identity_of(backend);
  if (const auto known = by_identity_.find(key); known != by_identity_.end()) {
    latest_by_name_[backend.name] = known->second;
    return known->second;
  }
  const size_t next = size_.load(std::memory_order_relaxed);
  if (next == kBackendsMax) return std::nullopt;
  const auto id = static_cast<BackendId>(next);
  owned_[next] = std::make_unique<Backend>(backend);
  table_[next].store(owned_[next].get(), std::memory_order_release);
  size_.store(next + 1, std::memory_order_release);
  by_identity_.emplace(std::move(key), id);
  latest_by_name_[backend.name] = id;
  return id;
}

std::optional<BackendId> BackendDirectory::find(std::string_view name) const {
  const std::lock_guard lock(mutex_);
  const auto known = latest_by_name_.find(name);
  if (known == latest_by_name_.end()) return std::nullopt;
  return known->second;
}

}  // namespace holdfast::proxy
