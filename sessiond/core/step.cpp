#include "sessiond/core/step.h"

#include <algorithm>

namespace holdfast::sessiond {

Core::Core(const Settings &settings, MonoTime now)
    : started_(now),
      settings_(settings),
      policies_(settings),
      reaper_(policies_, settings.sweep_interval, now) {}

void Core::step(const Event &event, MonoTime now, Actions &out) {
  Turn turn{now, out};
  std::visit([&](const auto &what) { on(what, turn); }, event);
  finish(turn);
}

void Core::finish(Turn &turn) {
  const bool late = !waiting_.empty() && waiting_.front().deadline <= turn.now;
  if (waiting_may_settle_ || late) settle_waiting(turn);
  if (expiry_asks_count_ == 0 && !reaper_.in_pass()) report_cleaned(turn);
  table_.forget_unused_instances();
}

MonoTime Core::next_wake(MonoTime now) const {
  MonoTime wake = reaper_.next_wake(now);
  if (const auto command = commands_.next_wake()) wake = std::min(wake, *command);
  if (!waiting_.empty()) wake = std::min(wake, waiting_.front().deadline);
  return wake;
}

}  // namespace holdfast::sessiond
