// Every backend address this process has known, under a small number that stays valid for the
// process's life: sessions remember the number, workers index by it. Append-only, shared by all
// threads; look-ups by number take no lock.
#pragma once

#include <sys/socket.h>

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

#include "common/ids.h"

namespace holdfast::proxy {

using BackendId = uint32_t;
inline constexpr BackendId kNoBackend = UINT32_MAX;
inline constexpr size_t kBackendsMax =
    4096;  // addresses seen over all reloads; beyond: refused at reload

struct Backend {
  std::string name;      // "upstream/host:port", as the link and lists show it
  std::string upstream;  // "everything"
  std::string server;    // "127.0.0.1:3001", also the authority for own requests
  sockaddr_storage address{};
  socklen_t address_bytes = 0;
  std::string tls;  // how it is spoken to by TLS, and for which name; empty = in the clear
};

class BackendDirectory {
 public:
  // The number of this upstream's server, new or known (a changed address gets a new number).
  // nullopt: kBackendsMax reached.
  std::optional<BackendId> intern(const Backend &backend);
  // By name, the latest number given; nullopt when no such backend was ever configured.
  std::optional<BackendId> find(std::string_view name) const;
  // REQUIRES: id was returned by intern or find.
  const Backend &at(BackendId id) const { return *table_[id].load(std::memory_order_acquire); }
  size_t size() const { return size_.load(std::memory_order_acquire); }

 private:
  using IdByText = std::unordered_map<std::string, BackendId, KeyedHash, std::equal_to<>>;

  mutable std::mutex mutex_;  // guards growth and both maps
  IdByText by_identity_;      // name and address → number
  IdByText latest_by_name_;
  std::array<std::unique_ptr<Backend>, kBackendsMax> owned_;
  std::array<std::atomic<const Backend *>, kBackendsMax> table_{};
  std::atomic<size_t> size_{0};
};

}  // namespace holdfast::proxy
