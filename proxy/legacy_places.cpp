#include "proxy/legacy_places.h"

namespace holdfast::proxy {

bool LegacyPlaces::knows(std::string_view place) {
  const std::lock_guard lock(mutex_);
  const auto at = places_.find(place);
  if (at == places_.end()) return false;
  order_.splice(order_.begin(), order_, at->second);
  return true;
}

bool LegacyPlaces::learn(std::string_view place) {
  if (place.size() > kPlaceBytesMax) return false;
  const std::lock_guard lock(mutex_);
  if (places_.contains(place)) return false;
  if (order_.size() == kPlacesMax) {
    places_.erase(order_.back());
    order_.pop_back();
  }
  order_.emplace_front(place);
  places_.emplace(order_.front(), order_.begin());
  return true;
}

bool LegacyPlaces::forget(std::string_view place) {
  const std::lock_guard lock(mutex_);
  const auto at = places_.find(place);
  if (at == places_.end()) return false;
  const Order::iterator known = at->second;
  places_.erase(at);
  order_.erase(known);
  return true;
}

size_t LegacyPlaces::size() const {
  const std::lock_guard lock(mutex_);
  return order_.size();
}

// Neither a name nor an address contains a line feed, nor does the path of a request.
std::string legacy_place(const Upstream &upstream, std::string_view path, bool credentials) {
  std::string place = upstream.name;
  for (const BackendServer &server : upstream.servers) place.append(",").append(server.text);
  place.append("\n").append(path).append(credentials ? "\n+" : "\n-");
  return place;
}

}  // namespace holdfast::proxy
