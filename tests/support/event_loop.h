// A libevent loop for tests: turns until a condition holds or a deadline passes, never sleeps.
//
//   EventLoop loop;  ...  HF_CHECK(loop.run_until([&] { return closed; }));
#pragma once

#include <chrono>
#include <functional>

#include "common/ev_ptr.h"

namespace holdfast::test {

class EventLoop {
 public:
  EventLoop() : base_(event_base_new()) {}

  event_base *base() const noexcept { return base_.get(); }

  // True when `done` became true in time.
  bool run_until(const std::function<bool()> &done,
                 std::chrono::milliseconds deadline = std::chrono::seconds{10}) {
    expired_ = false;
    const EventPtr timer = make_event(base_.get(), -1, 0, on_expired_c, &expired_);
    add_timer(timer.get(), deadline);
    while (!done() && !expired_) (void)event_base_loop(base_.get(), EVLOOP_ONCE);
    return done();
  }

  // Handles what is ready now and returns without waiting.
  void turn() { (void)event_base_loop(base_.get(), EVLOOP_NONBLOCK); }

 private:
  static void on_expired_c(evutil_socket_t, short, void *expired) noexcept {
    *static_cast<bool *>(expired) = true;
  }

  EventBasePtr base_;
  bool expired_ = false;
};

}  // namespace holdfast::test
