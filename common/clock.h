// The one source of time. Everything that decides by time asks a Clock, so that tests and the
// simulation can hold it still; nothing else in the project calls now(). Idle ages and deadlines
// use the monotonic side; wall time is for people and for times that others wrote down.
#pragma once

#include <chrono>

namespace holdfast {

using Millis = std::chrono::milliseconds;
using MonoTime = std::chrono::time_point<std::chrono::steady_clock, Millis>;
using WallTime = std::chrono::time_point<std::chrono::system_clock, Millis>;

class Clock {
 public:
  virtual ~Clock() = default;
  virtual MonoTime now() const = 0;   // never goes back; suspended time may or may not count
  virtual WallTime wall() const = 0;  // for people, and for times others wrote down (tokens)
};

// Any thread.
class SystemClock final : public Clock {
 public:
  MonoTime now() const override {
    return std::chrono::time_point_cast<Millis>(std::chrono::steady_clock::now());
  }
  WallTime wall() const override {
    return std::chrono::time_point_cast<Millis>(std::chrono::system_clock::now());
  }
};

// For tests and the simulation: stands still until told. One thread.
class FakeClock final : public Clock {
 public:
  MonoTime now() const override { return now_; }
  WallTime wall() const override { return wall_; }
  void advance(Millis by) {
    now_ += by;
    wall_ += by;
  }
  void jump_wall(Millis by) { wall_ += by; }  // what NTP or a person does to the wall clock

 private:
  MonoTime now_{Millis{1'000'000}};
  WallTime wall_{Millis{1'790'000'000'000}};
};

}  // namespace holdfast
