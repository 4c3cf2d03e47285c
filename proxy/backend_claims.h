// Which user's live sessions each backend session carries: a backend that hands out an id a second
// time, while sessions of another user live on it, must not mix the two. Asked where a session
// begins and ends, never on the way of a request. Owned by SessionRegistry; any thread; no member
// blocks on anything but a stripe's lock or calls out.
//
// One entry of 16 bytes for each backend session, in open-addressed tables: names and users are
// kept as keyed hashes (64 and 40 bits), which nobody without the key can make collide.
#pragma once

#include <array>
#include <cstdint>
#include <mutex>
#include <string_view>
#include <vector>

#include "proxy/backend_directory.h"

namespace holdfast::proxy {

class BackendClaims {
 public:
  BackendClaims() = default;
  BackendClaims(const BackendClaims &) = delete;
  BackendClaims &operator=(const BackendClaims &) = delete;

  // Notes one more session of `user` on a backend session. False: it carries live sessions of
  // another user, and nothing was noted. An empty `backend_session` is nobody's: always true.
  bool claim(BackendId backend, std::string_view backend_session, std::string_view user);
  // One session less. Ignored when this user has none there.
  void release(BackendId backend, std::string_view backend_session, std::string_view user);

  size_t size() const;  // backend sessions that carry something

 private:
  static constexpr unsigned kCountBits = 24;
  static constexpr uint64_t kSessionsMax = (uint64_t{1} << kCountBits) - 1;
  struct Entry {
    uint64_t place = 0;  // keyed hash of backend and backend session; 0 = the slot is free
    uint64_t held = 0;   // the user's hash, and below it how many sessions
    uint64_t user() const { return held >> kCountBits; }
    uint64_t sessions_count() const { return held & kSessionsMax; }
  };
  static_assert(sizeof(Entry) == 16);
  static constexpr size_t kStripes = 64;  // few of a busy machine's threads meet in one

  struct alignas(64) Stripe {
    mutable std::mutex mutex;
    std::vector<Entry> slots;  // none, or a power of two, at most 7/8 taken
    size_t taken = 0;

    // The slot of this place, or the free one where it would stand. REQUIRES: a slot is free.
    size_t slot_of(uint64_t place) const;
    void resize(size_t slots_count);
    void free_slot(size_t slot);
  };
  Stripe &stripe_of(uint64_t place) { return stripes_[place >> 58]; }

  std::array<Stripe, kStripes> stripes_;
};

}  // namespace holdfast::proxy
