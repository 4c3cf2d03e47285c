#include "proxy/worker_mailbox.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

namespace holdfast::proxy {

WorkerMailbox::WorkerMailbox() : wake_(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) {
  // Mailboxes are made at start-up, where a process without descriptors has nothing to go on with.
  if (wake_.get() < 0) throw std::system_error(errno, std::system_category(), "eventfd");
}

bool WorkerMailbox::post(WorkerMessage message) {
  bool was_empty = false;
  {
    const std::lock_guard lock(mutex_);
    if (queue_.size() >= kMessagesMax) return false;
    was_empty = queue_.empty();
    queue_.push_back(std::move(message));
  }
  if (was_empty) {
    const uint64_t one = 1;
    (void)!write(wake_.get(), &one, sizeof one);  // ignoring: EAGAIN means it is readable already
  }
  return true;
}

void WorkerMailbox::drain(std::vector<WorkerMessage> &out) {
  out.clear();
  // The wake-up is taken back before the messages: one posted in between wakes the worker again.
  uint64_t wakes_count = 0;
  (void)!read(wake_.get(), &wakes_count, sizeof wakes_count);  // ignoring: EAGAIN, nothing came
  const std::lock_guard lock(mutex_);
  out.swap(queue_);
}

}  // namespace holdfast::proxy
