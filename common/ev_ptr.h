// Owning pointers for the C handles of libevent: each frees with the library's own function and is
// as small as a raw pointer. Pure types; the thread rule is that of the handle's event_base.
#pragma once

#include <event2/buffer.h>
#include <event2/event.h>

#include <memory>

namespace holdfast {

template <auto Free>
struct CDeleter {
  template <class T>
  void operator()(T *p) const noexcept {
    Free(p);
  }
};

using EventPtr = std::unique_ptr<event, CDeleter<event_free>>;
using EventBasePtr = std::unique_ptr<event_base, CDeleter<event_base_free>>;
using EvbufferPtr = std::unique_ptr<evbuffer, CDeleter<evbuffer_free>>;

}  // namespace holdfast
