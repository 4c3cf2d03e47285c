// One-shot timers: runs a function once, after a while, on the loop thread. Owns every timer that
// has not fired; destruction drops them unrun. What is waited for may be gone by then, so functions
// capture ids, never pointers to sessions, streams or exchanges.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>

#include "common/clock.h"
#include "common/ev_ptr.h"

namespace holdfast::demo {

class Later {
 public:
  explicit Later(event_base *base) : base_(base) {}  // borrows; must outlive *this
  Later(const Later &) = delete;
  Later &operator=(const Later &) = delete;

  void after(Millis delay, std::function<void()> run);

 private:
  struct Entry {
    Later *owner = nullptr;
    uint64_t id = 0;
    std::function<void()> run;
    EventPtr timer;
  };

  static void on_fire_c(evutil_socket_t, short, void *self) noexcept {
    auto *entry = static_cast<Entry *>(self);
    entry->owner->on_fire(entry->id);
  }
  void on_fire(uint64_t id);

  event_base *base_;
  uint64_t last_id_ = 0;
  std::map<uint64_t, std::unique_ptr<Entry>> entries_;
};

}  // namespace holdfast::demo
