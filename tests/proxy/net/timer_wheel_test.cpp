// Deadlines on the wheel: never early, at most a tick late, whatever users do to timers meanwhile.
#include "proxy/net/timer_wheel.h"

#include <functional>
#include <memory>
#include <optional>
#include <random>
#include <vector>

#include "tests/support/hf_test.h"

using namespace holdfast;
using namespace holdfast::proxy;
using std::chrono::hours;
using std::chrono::seconds;

namespace {

constexpr MonoTime kStart{Millis{1'000'037}};  // not on a tick

// A timer that notes its firings and then does what the test wants.
struct Alarm final : WheelTimer::User {
  explicit Alarm(TimerWheel &wheel) : timer(wheel, *this) {}
  void on_deadline(WheelTimer &fired) override {
    same = same && &fired == &timer;
    ++fired_count;
    if (then) then();
  }
  WheelTimer timer;
  int fired_count = 0;
  bool same = true;
  std::function<void()> then;
};

// Turns the wheel as the worker does, tick by tick; the moment of the first firing.
std::optional<Millis> fires_after(TimerWheel &wheel, Alarm &alarm, MonoTime from, Millis limit) {
  for (Millis passed{0}; passed <= limit; passed += TimerWheel::kTick) {
    wheel.advance(from + passed);
    if (alarm.fired_count > 0) return passed;
  }
  return std::nullopt;
}

}  // namespace

HF_TEST(a_deadline_fires_never_early_and_at_most_a_tick_late) {
  // The worker's tick may fall anywhere between two ticks of the wheel: try every distance.
  for (int ms = 0; ms <= 350; ++ms) {
    TimerWheel wheel(kStart);
    Alarm alarm(wheel);
    alarm.timer.arm(kStart + Millis{ms});
    for (int at = 0; at <= ms + 100; ++at) {
      const MonoTime now = kStart + Millis{at};
      wheel.advance(now);
      if (alarm.fired_count > 0) {
        HF_CHECK(now >= kStart + Millis{ms});
        break;
      }
    }
    HF_EQ(alarm.fired_count, 1);
  }
}

HF_TEST(a_deadline_that_has_passed_fires_with_the_next_tick) {
  TimerWheel wheel(kStart);
  Alarm alarm(wheel);
  alarm.timer.arm(kStart - seconds{5});
  HF_CHECK(alarm.timer.armed());
  wheel.advance(kStart);
  HF_EQ(alarm.fired_count, 0);  // never from inside the turn that armed it
  wheel.advance(kStart + TimerWheel::kTick);
  HF_EQ(alarm.fired_count, 1);
}

HF_TEST(a_deadline_beyond_one_rotation_waits_for_its_own) {
  for (const Millis wait :
       {Millis{seconds{102}}, Millis{seconds{103}}, Millis{seconds{300}}, Millis{hours{2}}}) {
    TimerWheel wheel(kStart);
    Alarm alarm(wheel);
    alarm.timer.arm(kStart + wait);
    const auto fired = fires_after(wheel, alarm, kStart, wait + seconds{1});
    HF_CHECK(fired.has_value());
    HF_CHECK(*fired >= wait && *fired <= wait + TimerWheel::kTick);
  }
}

HF_TEST(after_a_long_pause_everything_due_fires_once_and_nothing_else) {
  TimerWheel wheel(kStart);
  std::vector<std::unique_ptr<Alarm>> due;
  for (int s = 1; s <= 400; ++s) {
    due.push_back(std::make_unique<Alarm>(wheel));
    due.back()->timer.arm(kStart + seconds{s});
  }
  Alarm later(wheel);
  later.timer.arm(kStart + hours{2});
  wheel.advance(kStart + hours{1});  // a stopped machine
  for (const auto &alarm : due) HF_EQ(alarm->fired_count, 1);
  HF_EQ(later.fired_count, 0);
  HF_EQ(wheel.armed_count(), size_t{1});
  const auto fired = fires_after(wheel, later, kStart + hours{1}, hours{2});
  HF_CHECK(fired && *fired >= hours{1} && *fired <= hours{1} + TimerWheel::kTick);
}

HF_TEST(arming_again_replaces_the_earlier_deadline) {
  TimerWheel wheel(kStart);
  Alarm alarm(wheel);
  alarm.timer.arm(kStart + seconds{1});
  alarm.timer.arm(kStart + seconds{3});
  HF_EQ(wheel.armed_count(), size_t{1});
  const auto fired = fires_after(wheel, alarm, kStart, seconds{5});
  HF_CHECK(fired && *fired >= seconds{3});
  HF_EQ(alarm.fired_count, 1);
}

HF_TEST(a_disarmed_or_destroyed_timer_does_not_fire) {
  TimerWheel wheel(kStart);
  Alarm alarm(wheel);
  alarm.timer.arm(kStart + seconds{1});
  alarm.timer.disarm();
  HF_CHECK(!alarm.timer.armed());
  alarm.timer.disarm();  // twice is harmless
  { Alarm(wheel).timer.arm(kStart + seconds{1}); }
  HF_EQ(wheel.armed_count(), size_t{0});
  HF_CHECK(!fires_after(wheel, alarm, kStart, seconds{5}));
}

HF_TEST(a_timer_is_no_longer_armed_inside_its_own_callback_and_may_arm_itself) {
  TimerWheel wheel(kStart);
  Alarm alarm(wheel);
  bool armed_inside = true;
  alarm.then = [&] {
    armed_inside = alarm.timer.armed();
    if (alarm.fired_count < 3) alarm.timer.arm(alarm.timer.due() + seconds{1});
  };
  alarm.timer.arm(kStart + seconds{1});
  for (Millis passed{0}; passed < seconds{10}; passed += TimerWheel::kTick) {
    wheel.advance(kStart + passed);
  }
  HF_CHECK(!armed_inside);
  HF_CHECK(alarm.same);
  HF_EQ(alarm.fired_count, 3);
}

HF_TEST(a_callback_may_disarm_rearm_and_destroy_its_neighbours) {
  // All share one slot, so each of them may be the one the wheel would go to next.
  for (int acting = 0; acting < 5; ++acting) {
    TimerWheel wheel(kStart);
    std::vector<std::unique_ptr<Alarm>> alarms;
    for (int i = 0; i < 5; ++i) {
      alarms.push_back(std::make_unique<Alarm>(wheel));
      alarms.back()->timer.arm(kStart + seconds{1});
    }
    int fired_before = 0;
    alarms[static_cast<size_t>(acting)]->then = [&] {
      for (int i = 0; i < 5; ++i) {
        if (i == acting) continue;
        auto &other = alarms[static_cast<size_t>(i)];
        fired_before += other->fired_count;
        if (i % 3 == 0) other->timer.disarm();
        if (i % 3 == 1) other->timer.arm(kStart + seconds{60});
        if (i % 3 == 2) other.reset();
      }
    };
    wheel.advance(kStart + seconds{2});
    int fired_after = 0;
    for (int i = 0; i < 5; ++i) {
      const auto &alarm = alarms[static_cast<size_t>(i)];
      if (i != acting && alarm) fired_after += alarm->fired_count;
    }
    HF_CHECK(fired_after <= fired_before);
    HF_EQ(alarms[static_cast<size_t>(acting)]->fired_count, 1);
  }
}

HF_TEST(a_callback_may_arm_others_into_the_slot_being_fired) {
  TimerWheel wheel(kStart);
  Alarm first(wheel);
  Alarm second(wheel);
  first.then = [&] { second.timer.arm(kStart); };  // already past
  first.timer.arm(kStart + seconds{1});
  HF_CHECK(fires_after(wheel, first, kStart, seconds{3}).has_value());
  HF_EQ(second.fired_count, 0);
  wheel.advance(kStart + seconds{3});
  HF_EQ(second.fired_count, 1);
}

HF_TEST(a_wheel_that_goes_first_leaves_its_timers_disarmed) {
  auto wheel = std::make_unique<TimerWheel>(kStart);
  Alarm alarm(*wheel);
  alarm.timer.arm(kStart + seconds{1});
  wheel.reset();
  HF_CHECK(!alarm.timer.armed());
}

HF_TEST(thousands_of_random_timers_fire_as_a_list_sorted_by_deadline_says) {
  std::mt19937 random(20240601);
  TimerWheel wheel(kStart);
  std::vector<std::unique_ptr<Alarm>> alarms;
  for (int i = 0; i < 3000; ++i) {
    alarms.push_back(std::make_unique<Alarm>(wheel));
    alarms.back()->timer.arm(kStart + Millis{static_cast<int>(random() % 400'000)});
    if (random() % 4 == 0) alarms.back()->timer.disarm();
    if (random() % 4 == 0) {
      alarms.back()->timer.arm(kStart + Millis{static_cast<int>(random() % 400'000)});
    }
  }
  MonoTime now = kStart;
  while (now < kStart + seconds{402}) {
    now += Millis{static_cast<int>(20 + random() % 700)};  // ticks come late on a busy machine
    wheel.advance(now);
    for (const auto &alarm : alarms) {
      const bool should = alarm->timer.due() + TimerWheel::kTick <= now;
      const bool may = alarm->timer.due() <= now;
      if (alarm->fired_count > 0) HF_CHECK(may && alarm->fired_count == 1);
      if (alarm->timer.armed()) HF_CHECK(!should);
    }
  }
  HF_EQ(wheel.armed_count(), size_t{0});
}

int main() {
  const CMUnitTest tests[] = {
      HF_UNIT(a_deadline_fires_never_early_and_at_most_a_tick_late),
      HF_UNIT(a_deadline_that_has_passed_fires_with_the_next_tick),
      HF_UNIT(a_deadline_beyond_one_rotation_waits_for_its_own),
      HF_UNIT(after_a_long_pause_everything_due_fires_once_and_nothing_else),
      HF_UNIT(arming_again_replaces_the_earlier_deadline),
      HF_UNIT(a_disarmed_or_destroyed_timer_does_not_fire),
      HF_UNIT(a_timer_is_no_longer_armed_inside_its_own_callback_and_may_arm_itself),
      HF_UNIT(a_callback_may_disarm_rearm_and_destroy_its_neighbours),
      HF_UNIT(a_callback_may_arm_others_into_the_slot_being_fired),
      HF_UNIT(a_wheel_that_goes_first_leaves_its_timers_disarmed),
      HF_UNIT(thousands_of_random_timers_fire_as_a_list_sorted_by_deadline_says),
  };
  return HF_RUN(tests);
}
