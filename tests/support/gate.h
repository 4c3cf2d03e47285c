// A one-time signal between the threads of a test: a barrier instead of a sleep. Any thread.
#pragma once

#include <condition_variable>
#include <mutex>

#include "tests/support/deadline.h"

namespace holdfast::test {

class Gate {
 public:
  void open() {
    const std::lock_guard lock(mutex_);
    open_ = true;
    changed_.notify_all();
  }
  // False when it was not opened in time.
  bool wait(Millis timeout = kSoon) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, timeout, [this] { return open_; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool open_ = false;
};

}  // namespace holdfast::test
