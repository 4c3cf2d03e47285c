// How long a test is willing to wait. Every wait of the test library ends at one, so a test that
// hangs says what it waited for. Monotonic; any thread.
#pragma once

#include <poll.h>

#include <algorithm>

#include "common/clock.h"

namespace holdfast::test {

// Enough for anything that should happen at once, on a machine that is busy with other tests.
inline constexpr Millis kSoon{5000};

class Deadline {
 public:
  explicit Deadline(Millis from_now) : end_(SystemClock().now() + from_now) {}

  bool over() const { return SystemClock().now() >= end_; }
  Millis left() const { return std::max(Millis{0}, end_ - SystemClock().now()); }
  // For poll(2): at least 1 while time is left, so that the last fraction is not spun away.
  int left_ms() const { return over() ? 0 : static_cast<int>(left().count()) + 1; }

 private:
  MonoTime end_;
};

// Asks `done` again and again until it holds or the time is up; for facts of another process that
// no event announces. True when it held.
template <class Predicate>
bool eventually(Predicate done, Millis timeout = kSoon) {
  const Deadline deadline(timeout);
  for (;;) {
    if (done()) return true;
    if (deadline.over()) return false;
    (void)::poll(nullptr, 0, 5);  // ignoring: only a pause between two looks
  }
}

}  // namespace holdfast::test
