// The fake ends of the proxy's byte streams: connected pairs of Unix sockets, which lose nothing,
// need no other process, and do the same thing every time. What the proxy asks of the kernel for a
// backend (connect) and to show a client a break (SO_LINGER) is answered here: the simulation is
// linked with --wrap for these two. One thread.
#pragma once

#include <sys/socket.h>
#include <sys/types.h>

#include <cstddef>
#include <string>
#include <string_view>

#include "common/unique_fd.h"

namespace holdfast::sim {

// One end of a pair whose other end the proxy owns.
class FarEnd {
 public:
  FarEnd() = default;
  // Takes our end; `near_fd` is the proxy's, which closes it when it likes.
  FarEnd(UniqueFd own, int near_fd);
  // A new pair, each end of which takes little more than `kernel_bytes` at once; 0: what the kernel
  // gives.
  static FarEnd pair(UniqueFd &near, int kernel_bytes);

  explicit operator bool() const noexcept { return static_cast<bool>(own_); }
  int near_fd() const noexcept { return near_fd_; }
  // The proxy's end has become this descriptor, too.
  void now_near_at(int fd) noexcept { near_fd_ = fd; }
  // Whether the proxy still holds its end.
  bool near_open() const;

  size_t write(std::string_view bytes);  // how many the kernel took
  // At most `bytes_max` bytes; empty and `ended` where nothing more comes.
  std::string read(size_t bytes_max);
  bool ended() const noexcept { return ended_; }
  bool was_reset() const noexcept { return was_reset_; }
  void half_close();
  void close() { own_.reset(); }
  // Closes so that the proxy's next read fails, once it has read what came before.
  void reset();

  size_t bytes_for_us() const;    // written by the proxy, not read yet
  size_t bytes_for_near() const;  // written by us, not read by the proxy

  // A connection that is not established yet: the proxy's end is not writable until unstuff().
  void stuff();
  void unstuff();

 private:
  UniqueFd own_;
  int near_fd_ = -1;
  ino_t near_node_ = 0;
  bool ended_ = false;
  bool was_reset_ = false;
};

// Whoever answers for the kernel. One at a time.
class FakeKernel {
 public:
  FakeKernel();
  ~FakeKernel();
  FakeKernel(const FakeKernel &) = delete;
  FakeKernel &operator=(const FakeKernel &) = delete;

  // As connect(2); `port` tells one backend from another.
  virtual int on_connect(int fd, unsigned port) = 0;
  // The proxy will close this one with a reset.
  virtual void on_reset_on_close(int fd) = 0;
};

}  // namespace holdfast::sim
