// Owning pointers for the C handles of libevent: each frees with the library's own function and is
// as small as a raw pointer. Pure types; the thread rule is that of the handle's event_base.
#pragma once

#include <event2/buffer.h>
#include <event2/event.h>

#include <chrono>
#include <memory>
#include <new>

namespace holdfast {

template <auto Free>
struct CDeleter {
  template <class T>
  void operator()(T *p) const noexcept {
    Free(p);  // NOLINT(*-no-malloc,*-owning-memory): the one place where C handles are freed
  }
};

using EventPtr = std::unique_ptr<event, CDeleter<event_free>>;
using EventBasePtr = std::unique_ptr<event_base, CDeleter<event_base_free>>;
using EvbufferPtr = std::unique_ptr<evbuffer, CDeleter<evbuffer_free>>;

// A new event, not yet added. Borrows `base` and `self`. Out of memory throws, which ends a daemon.
inline EventPtr make_event(event_base *base, evutil_socket_t fd, short what,
                           event_callback_fn callback, void *self) {
  EventPtr made(event_new(base, fd, what, callback, self));
  if (!made) throw std::bad_alloc();
  return made;
}

// Adds `ev` with a timeout from now; replaces a pending one.
inline void add_timer(event *ev, std::chrono::milliseconds after) {
  const auto whole = std::chrono::duration_cast<std::chrono::seconds>(after);
  timeval tv;
  tv.tv_sec = whole.count();
  tv.tv_usec = std::chrono::microseconds(after - whole).count();
  (void)event_add(ev, &tv);  // ignoring: fails only for an event without a base
}

}  // namespace holdfast
