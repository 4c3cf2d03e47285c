// Sessions of HTTP+SSE whose stream another process of ours carries to its end (upgrade.h). Their
// clients' POSTs come here, since only this one accepts: they go to the session's backend, whose
// answers go by the stream. The other process keeps the session and its books. Takes a lock for
// such POSTs only. Any thread.
#pragma once

#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "common/ids.h"
#include "common/link_messages.h"
#include "proxy/backend_directory.h"

namespace holdfast::proxy {

class LegacyGuests {
 public:
  struct Home {
    BackendId backend = kNoBackend;
    std::string endpoint;  // the backend's, where its messages are posted
  };

  void add(link::Record record, BackendId backend);
  // nullopt: none of this id, or it is another user's (the same to the asker).
  std::optional<Home> find(std::string_view id, std::string_view user) const;
  // For a process that takes over from this one.
  std::vector<link::Record> all() const;
  void clear();  // the other process is gone, and its streams with it

 private:
  struct Guest {
    link::Record record;
    BackendId backend;
  };
  mutable std::mutex mutex_;
  std::unordered_map<std::string, Guest, KeyedHash, std::equal_to<>> guests_;
};

}  // namespace holdfast::proxy
