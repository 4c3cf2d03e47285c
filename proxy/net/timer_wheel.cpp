#include "proxy/net/timer_wheel.h"

namespace holdfast::proxy {

void WheelTimer::arm(MonoTime due) noexcept {
  if (armed()) wheel_.unlink(*this);
  due_ = due;
  wheel_.link(*this);
}

void WheelTimer::disarm() noexcept {
  if (armed()) wheel_.unlink(*this);
}

TimerWheel::TimerWheel(MonoTime now) : last_tick_(tick_of(now)) {}

TimerWheel::~TimerWheel() {
  for (WheelTimer *&head : slots_) {
    while (head != nullptr) unlink(*head);
  }
}

void TimerWheel::link(WheelTimer &timer) noexcept {
  // One tick later than the deadline's own, so that it is never early; a deadline already past
  // waits for the next tick.
  long tick = tick_of(timer.due_) + 1;
  if (tick <= last_tick_) tick = last_tick_ + 1;
  WheelTimer *&head = slots_[static_cast<size_t>(tick) % kSlots];
  timer.at_ = &head;
  timer.next_ = head;
  if (head != nullptr) head->at_ = &timer.next_;
  head = &timer;
  ++armed_count_;
}

void TimerWheel::unlink(WheelTimer &timer) noexcept {
  if (firing_next_ == &timer) firing_next_ = timer.next_;
  *timer.at_ = timer.next_;
  if (timer.next_ != nullptr) timer.next_->at_ = timer.at_;
  timer.at_ = nullptr;
  timer.next_ = nullptr;
  --armed_count_;
}

void TimerWheel::fire_slot(size_t slot, MonoTime now) {
  WheelTimer *timer = slots_[slot];
  while (timer != nullptr) {
    firing_next_ = timer->next_;
    if (timer->due_ <= now) {
      unlink(*timer);
      timer->user_.on_deadline(*timer);
    }
    timer = firing_next_;
  }
  firing_next_ = nullptr;
}

void TimerWheel::advance(MonoTime now) {
  const long tick = tick_of(now);
  // After a long pause one rotation visits every slot; more would visit them twice.
  if (tick - last_tick_ > static_cast<long>(kSlots)) last_tick_ = tick - static_cast<long>(kSlots);
  while (last_tick_ < tick) {
    ++last_tick_;
    fire_slot(static_cast<size_t>(last_tick_) % kSlots, now);
  }
}

}  // namespace holdfast::proxy
