// A queue from any thread to one event loop: post() never blocks and makes fd() readable, the loop
// drains. What nobody waits for can be posted quietly, since a switch of threads costs more than
// the item; it goes with the next that wakes, in order. Bounded by whoever posts. Owned by the
// receiving side; outlives all senders.
#pragma once

#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <system_error>
#include <utility>
#include <vector>

#include "common/unique_fd.h"

namespace holdfast::proxy {

template <class T>
class WakeQueue {
 public:
  // Throws std::system_error: queues are made at start-up, where a process without descriptors has
  // nothing to go on with.
  WakeQueue() : wake_(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) {
    if (!wake_) throw std::system_error(errno, std::system_category(), "eventfd");
  }

  // Any thread. Takes the item; false: `items_max` already wait, the item is left as it was.
  bool post(T &&item, size_t items_max) {
    const bool posted = post_quietly(std::move(item), items_max);
    wake();
    return posted;
  }
  // The same without waking the receiver: the caller sees to it that wake() or post() follows soon.
  bool post_quietly(T &&item, size_t items_max) {
    const std::lock_guard lock(mutex_);
    if (items_.size() >= items_max) return false;
    items_.push_back(std::move(item));
    return true;
  }
  // Any thread. Wakes the receiver if something waits and it has not been woken for it.
  void wake() {
    {
      const std::lock_guard lock(mutex_);
      if (items_.empty() || woken_) return;
      woken_ = true;
    }
    const uint64_t one = 1;
    (void)!write(wake_.get(), &one, sizeof one);  // ignoring: EAGAIN means it is readable already
  }

  // The receiving thread: the descriptor to watch, and everything that has come; replaces `out`,
  // whose memory serves the items to come.
  int fd() const noexcept { return wake_.get(); }
  void drain(std::vector<T> &out) {
    out.clear();
    // What a burst needed is given back: after some of them it would look like a leak.
    if (out.capacity() > kKeptItemsMax) out = std::vector<T>();
    // The wake-up is taken back before the items: one posted in between wakes the loop again.
    uint64_t wakes_count = 0;
    (void)!read(wake_.get(), &wakes_count, sizeof wakes_count);  // ignoring: EAGAIN, nothing came
    const std::lock_guard lock(mutex_);
    out.swap(items_);
    woken_ = false;
  }

 private:
  static constexpr size_t kKeptItemsMax = 1024;

  std::mutex mutex_;
  std::vector<T> items_;
  bool woken_ = false;  // for what is in items_
  UniqueFd wake_;
};

}  // namespace holdfast::proxy
