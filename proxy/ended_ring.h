// Ends of sessions that sessiond has not acknowledged yet: repeated after every reconnect, so that
// their reasons are not lost with a connection. Bounded: beyond kUnackedEndsMax the oldest is
// forgotten, the next snapshot still removes its session. Owned by SessionLink. Pure.
#pragma once

#include <algorithm>
#include <deque>
#include <string_view>
#include <utility>

#include "common/limits.h"
#include "common/link_messages.h"

namespace holdfast::proxy {

class EndedRing {
 public:
  void add(link::Ended ended) {
    // Asked once more about what has ended, we know no more than we have said.
    if (ended.reason == EndReason::unknown && contains(ended.session)) return;
    if (waiting_.size() == kUnackedEndsMax) waiting_.pop_front();
    waiting_.push_back(std::move(ended));
  }

  // sessiond has heard of this end. Acknowledgements come in the order of the ends, so that the
  // search is short.
  void acknowledge(std::string_view session) {
    const auto at = std::find_if(waiting_.begin(), waiting_.end(),
                                 [&](const link::Ended &e) { return e.session == session; });
    if (at != waiting_.end()) waiting_.erase(at);
  }

  // sessiond has yet to hear that this one is over.
  bool contains(std::string_view session) const {
    return std::any_of(waiting_.begin(), waiting_.end(),
                       [&](const link::Ended &e) { return e.session == session; });
  }

  const std::deque<link::Ended> &waiting() const noexcept { return waiting_; }  // oldest first

 private:
  std::deque<link::Ended> waiting_;
};

}  // namespace holdfast::proxy
