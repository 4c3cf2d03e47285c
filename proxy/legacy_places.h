// Where backends were seen to speak HTTP+SSE (2024-11-05): learned from the `endpoint` event of a
// stream, forgotten when a backend turns out not to send one. Lives as long as the process: a
// reload keeps it. A place is what decides how a backend answers such a GET: the upstream with its
// servers, the path, and whether the client showed credentials, so that one without them still
// meets the backend's own 401. Shared by all workers; a lock per look, none blocks.
#pragma once

#include <list>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>

#include "common/ids.h"
#include "proxy/config.h"

namespace holdfast::proxy {

class LegacyPlaces {
 public:
  // A client chooses the path, but only a backend's endpoint event makes a place of it; the one
  // not used for longest gives way.
  static constexpr size_t kPlacesMax = 1024;
  static constexpr size_t kPlaceBytesMax = 1024;  // longer ones are not learned

  bool knows(std::string_view place);
  // False: it was known already, or is too long.
  bool learn(std::string_view place);
  // False: it was not known.
  bool forget(std::string_view place);
  size_t size() const;

 private:
  using Order = std::list<std::string>;  // the last used first

  mutable std::mutex mutex_;
  Order order_;
  std::unordered_map<std::string_view, Order::iterator, KeyedHash> places_;  // views into order_
};

std::string legacy_place(const Upstream &upstream, std::string_view path, bool credentials);

}  // namespace holdfast::proxy
