// Accepts connections on one of a worker's listening sockets: up to 16 a wake, within the worker's
// connection limit. Out of descriptors, all but those kept for backends, it looks again after 100
// ms and leaves the rest of the queue to the kernel until then. The descriptor is the process's
// (the master keeps another reference); a port that lives is never closed here. Worker thread only.
#pragma once

#include <cstdint>

#include "common/ev_ptr.h"
#include "common/unique_fd.h"

namespace holdfast::proxy {

class Worker;

class Acceptor {
 public:
  // Takes the listening socket. `listener`: index into the worker's Config.
  Acceptor(Worker &worker, UniqueFd fd, size_t listener);
  Acceptor(const Acceptor &) = delete;
  Acceptor &operator=(const Acceptor &) = delete;

  // Reasons to pause, each lifted by whoever set it: two pausers cannot un-pause each other.
  static constexpr uint8_t kFullWorker = 1;     // worker_connections
  static constexpr uint8_t kNoDescriptors = 2;  // of the process, or of the system
  void pause(uint8_t reason, bool on);
  int fd() const noexcept { return fd_.get(); }

 private:
  void on_readable();
  void back_off(int sys_errno);
  void on_resume();
  static void on_readable_c(evutil_socket_t, short, void *self) noexcept;
  static void on_resume_c(evutil_socket_t, short, void *self) noexcept;

  Worker &worker_;
  UniqueFd fd_;
  size_t listener_;
  EventPtr event_;
  EventPtr resume_;
  uint8_t paused_ = 0;
};

}  // namespace holdfast::proxy
