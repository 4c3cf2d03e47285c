// Coarse deadlines for thousands of connections: one libevent timer a worker instead of one a
// connection. Arming and disarming are O(1) and touch no system call. A deadline fires at most one
// tick (100 ms) late, never early. Worker thread only.
#pragma once

#include <array>
#include <cstddef>

#include "common/clock.h"

namespace holdfast::proxy {

class TimerWheel;

// One deadline of an object; disarms itself at destruction. Non-movable.
class WheelTimer {
 public:
  class User {
   public:
    virtual void on_deadline(WheelTimer &timer) = 0;

   protected:
    ~User() = default;
  };

  WheelTimer(TimerWheel &wheel, User &user) : wheel_(wheel), user_(user) {}  // borrows both
  ~WheelTimer() { disarm(); }
  WheelTimer(const WheelTimer &) = delete;
  WheelTimer &operator=(const WheelTimer &) = delete;

  void arm(MonoTime due) noexcept;  // replaces an earlier deadline
  void disarm() noexcept;
  bool armed() const noexcept { return at_ != nullptr; }
  MonoTime due() const noexcept { return due_; }

 private:
  friend class TimerWheel;
  TimerWheel &wheel_;
  User &user_;
  WheelTimer **at_ = nullptr;   // what points to it: a slot, or next_ of the one before it
  WheelTimer *next_ = nullptr;  // TimerWheel::slots_
  MonoTime due_{};
};

class TimerWheel {
 public:
  static constexpr Millis kTick{100};

  explicit TimerWheel(MonoTime now);
  ~TimerWheel();
  TimerWheel(const TimerWheel &) = delete;
  TimerWheel &operator=(const TimerWheel &) = delete;

  // Fires every deadline that has passed. Users may arm, disarm and destroy any timer meanwhile.
  void advance(MonoTime now);
  size_t armed_count() const noexcept { return armed_count_; }

 private:
  friend class WheelTimer;
  static constexpr size_t kSlots = 1024;  // one rotation: 102 s; longer deadlines wait for theirs

  void link(WheelTimer &timer) noexcept;
  void unlink(WheelTimer &timer) noexcept;
  void fire_slot(size_t slot, MonoTime now);
  static long tick_of(MonoTime time) noexcept { return time.time_since_epoch() / kTick; }

  std::array<WheelTimer *, kSlots> slots_{};  // heads of lists
  WheelTimer *firing_next_ = nullptr;         // where fire_slot goes on; kept right by unlink()
  long last_tick_ = 0;
  size_t armed_count_ = 0;
};

}  // namespace holdfast::proxy
