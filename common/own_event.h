// A libevent event inside its owner, for objects of which there are thousands: it needs no
// allocation of its own and no pointer to it. Removed from the loop at destruction. Non-movable;
// the thread rule is that of the event_base.
#pragma once

#include <event2/event.h>
#include <event2/event_struct.h>

namespace holdfast {

class OwnEvent {
 public:
  OwnEvent() = default;
  ~OwnEvent() { reset(); }
  OwnEvent(const OwnEvent &) = delete;
  OwnEvent &operator=(const OwnEvent &) = delete;

  // As event_new, into this place; what was here before is removed. Not yet added.
  void set(event_base *base, evutil_socket_t fd, short what, event_callback_fn callback,
           void *self) {
    reset();
    (void)event_assign(&event_, base, fd, what, callback, self);  // ignoring: legal flags
  }
  void reset() noexcept {
    if (!*this) return;
    (void)event_del(&event_);  // ignoring: deleting cannot fail here
    event_ = {};
  }
  // Whether what it waits for has happened, and its callback is to run in this turn of the loop.
  bool fires() const noexcept { return (event_.ev_evcallback.evcb_flags & EVLIST_ACTIVE) != 0; }
  explicit operator bool() const noexcept { return event_initialized(&event_) != 0; }
  event *get() noexcept { return &event_; }  // REQUIRES: set

 private:
  event event_{};
};

}  // namespace holdfast
