// Accepts connections on one of a worker's listening sockets: up to 16 a wake, within the worker's
// connection limit; out of descriptors it pauses for 100 ms instead of spinning. The descriptor is
// the process's (the master keeps another reference); a port that lives is never closed here.
// Worker thread only.
#pragma once

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

  void pause(bool paused);
  int fd() const noexcept { return fd_.get(); }

 private:
  void on_readable();
  void back_off();
  static void on_readable_c(evutil_socket_t, short, void *self) noexcept;
  static void on_resume_c(evutil_socket_t, short, void *self) noexcept;

  Worker &worker_;
  UniqueFd fd_;
  size_t listener_;
  EventPtr event_;
  EventPtr resume_;
  bool paused_ = false;
};

}  // namespace holdfast::proxy
