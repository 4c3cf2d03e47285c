// Legacy event streams that have been told their endpoint and have no session yet: id → whose it
// is, and the exchange that holds the stream. A stream's first POST may come by any worker, so all
// share the table; it is the only way from such an id to its stream. The id is the credential the
// session will have. Takes a lock at a stream's begin, at its end and for its first POST. Any
// thread; never blocks on anything else.
//
//   enter ──▶ waiting ──(the place goes: it has its session now, or its client has left)──▶ gone
#pragma once

#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>

#include "common/ids.h"
#include "proxy/session_registry.h"

namespace holdfast::proxy {

class LegacyStreams {
 public:
  // A stream's place in the table; leaves it when it goes. Empty ones hold nothing.
  class Place {
   public:
    Place() = default;
    Place(Place &&other) noexcept
        : streams_(std::exchange(other.streams_, nullptr)), id_(std::move(other.id_)) {}
    Place &operator=(Place &&other) noexcept {
      std::swap(streams_, other.streams_);
      std::swap(id_, other.id_);
      return *this;
    }
    ~Place() {
      if (streams_ != nullptr) streams_->leave(id_);
    }

   private:
    friend class LegacyStreams;
    Place(LegacyStreams &streams, std::string id) : streams_(&streams), id_(std::move(id)) {}
    LegacyStreams *streams_ = nullptr;  // outlives every exchange
    std::string id_;
  };

  // REQUIRES: `id` freshly minted.
  Place enter(std::string id, std::string user, ExchangeRef stream);
  // The stream of this id; nullopt when there is none, or it is another user's (the same to the
  // asker).
  std::optional<ExchangeRef> find(std::string_view id, std::string_view user) const;
  size_t size() const;

 private:
  struct Waiting {
    std::string user;
    ExchangeRef stream;
  };
  void leave(const std::string &id);

  mutable std::mutex mutex_;
  std::unordered_map<std::string, Waiting, KeyedHash, std::equal_to<>> waiting_;
};

}  // namespace holdfast::proxy
