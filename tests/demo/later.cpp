#include "tests/demo/later.h"

#include <utility>

namespace holdfast::demo {

void Later::after(Millis delay, std::function<void()> run) {
  auto entry = std::make_unique<Entry>();
  entry->owner = this;
  entry->id = ++last_id_;
  entry->run = std::move(run);
  entry->timer.reset(evtimer_new(base_, on_fire_c, entry.get()));
  const auto ms = delay.count();
  const timeval tv{static_cast<time_t>(ms / 1000), static_cast<suseconds_t>(ms % 1000 * 1000)};
  evtimer_add(entry->timer.get(), &tv);
  entries_.emplace(entry->id, std::move(entry));
}

void Later::on_fire(uint64_t id) {
  // Taken out first: the function may start timers of its own.
  const auto node = entries_.extract(id);
  node.mapped()->run();
}

}  // namespace holdfast::demo
