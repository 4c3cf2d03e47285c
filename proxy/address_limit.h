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
  using Counts = std::unordered_map<std::string, unsigned, KeyedHash, std::equal_to<>>;

 public:
  // A connection's place; gives it back when it goes. Empty ones hold nothing.
  class Place {
   public:
    Place() = default;
    Place(Place &&other) noexcept
        : limit_(std::exchange(other.limit_, nullptr)), counted_(other.counted_) {}
    Place &operator=(Place &&other) noexcept {
      std::swap(limit_, other.limit_);
      std::swap(counted_, other.counted_);
      return *this;
    }
    ~Place() {
      if (limit_ != nullptr) limit_->leave(*counted_);
    }
    explicit operator bool() const noexcept { return limit_ != nullptr; }

   private:
    friend class AddressLimit;
    Place(AddressLimit &limit, Counts::value_type &counted) : limit_(&limit), counted_(&counted) {}
    AddressLimit *limit_ = nullptr;          // outlives every connection
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
