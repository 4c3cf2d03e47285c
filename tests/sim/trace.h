// What a run remembers of itself, and how it fails. A run that is not being explained keeps no
// text: the failing seed is simply run again with the trace switched on.
#pragma once

#include <fmt/format.h>

#include <cstddef>
#include <deque>
#include <string>
#include <utility>

namespace holdfast::sim {

// A promise was broken: its number in the list of promises and what was seen.
struct Violation {
  std::string invariant;
  std::string what;
};

template <class... Args>
void require(bool holds, const char *invariant, fmt::format_string<Args...> text, Args &&...args) {
  if (!holds) throw Violation{invariant, fmt::format(text, std::forward<Args>(args)...)};
}

class Trace {
 public:
  // Keeps the last `lines_max` lines; with 0 it is switched off.
  explicit Trace(size_t lines_max) : lines_max_(lines_max) {}
  bool on() const noexcept { return lines_max_ > 0; }

  template <class... Args>
  void note(fmt::format_string<Args...> text, Args &&...args) {
    if (!on()) return;
    if (lines_.size() == lines_max_) lines_.pop_front();
    lines_.push_back(fmt::format(text, std::forward<Args>(args)...));
    std::string &line = lines_.back();
    // What only makes the names of sessions long enough.
    for (size_t at; (at = line.find("xxxxxxxxxxxxxxxxxxxxxxxx")) != std::string::npos;) {
      line.erase(at, 24);
    }
  }
  const std::deque<std::string> &lines() const noexcept { return lines_; }

 private:
  size_t lines_max_;
  std::deque<std::string> lines_;
};

}  // namespace holdfast::sim
