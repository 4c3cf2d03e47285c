// How many connections each client address has, over all workers: one greedy client must not take
// the places of all others. IPv6 clients count by their /64, of which one customer has all
// addresses. Shared by all workers; takes a lock at a connection's begin and end only, and only
// where a limit is configured. Never blocks on anything else.
#pragma once

#include <cstdint>
#include <mutex>
#include <string>
#include <unordered_map>
#include <utility>

#include "common/ids.h"
#include "common/socket_address.h"

namespace holdfast::proxy {

class AddressLimit {
  // Keyed hashing: clients choose their addresses, at least those of IPv6.
  struct Count {
    AddressLimit *limit;  // outlives every connection
    unsigned places = 0;
  };
  using Counts = std::unordered_map<std::string, Count, KeyedHash, std::equal_to<>>;

 public:
  // A connection's place; gives it back when it goes. Empty ones hold nothing.
  class Place {
   public:
    Place() = default;
    Place(Place &&other) noexcept : counted_(std::exchange(other.counted_, nullptr)) {}
    Place &operator=(Place &&other) noexcept {
      std::swap(counted_, other.counted_);
      return *this;
    }
    ~Place() {
      if (counted_ != nullptr) counted_->second.limit->leave(*counted_);
    }
    explicit operator bool() const noexcept { return counted_ != nullptr; }

   private:
    friend class AddressLimit;
    explicit Place(Counts::value_type &counted) : counted_(&counted) {}
    Counts::value_type *counted_ = nullptr;  // there as long as it counts a place
  };

  // A place for one more connection of this TCP peer, or an empty one when it has `max` already.
  Place enter(const SocketAddress &peer, unsigned max);
  size_t addresses_count() const;

 private:
  void leave(Counts::value_type &counted);

  mutable std::mutex mutex_;
  Counts counts_;
};

}  // namespace holdfast::proxy
