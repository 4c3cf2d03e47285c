#include "tests/sim/exchange_sockets.h"

#include <netinet/in.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstring>
#include <stdexcept>

namespace holdfast::sim {
namespace {

FakeKernel *kernel = nullptr;  // the linker's seam has no place for a context

ino_t node_of(int fd) {
  struct stat status {};
  return ::fstat(fd, &status) == 0 ? status.st_ino : 0;
}

size_t readable_bytes(int fd) {
  int bytes = 0;
  return ::ioctl(fd, FIONREAD, &bytes) == 0 ? static_cast<size_t>(bytes) : 0;
}

}  // namespace

FarEnd::FarEnd(UniqueFd own, int near_fd)
    : own_(std::move(own)), near_fd_(near_fd), near_node_(node_of(near_fd)) {}

FarEnd FarEnd::pair(UniqueFd &near, int kernel_bytes) {
  int ends[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) != 0)
    throw std::runtime_error(std::string("socketpair: ") + std::strerror(errno));
  near.reset(ends[0]);
  for (const int end : ends) {
    // ignoring: histories stay right, only fewer of them block
    if (kernel_bytes > 0)
      (void)::setsockopt(end, SOL_SOCKET, SO_SNDBUF, &kernel_bytes, sizeof kernel_bytes);
  }
  return {UniqueFd(ends[1]), near.get()};
}

bool FarEnd::near_open() const { return near_node_ != 0 && node_of(near_fd_) == near_node_; }

size_t FarEnd::write(std::string_view bytes) {
  const ssize_t n = ::send(own_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
  return n > 0 ? static_cast<size_t>(n) : 0;
}

std::string FarEnd::read(size_t bytes_max) {
  std::string bytes(bytes_max, '\0');
  const ssize_t n = ::recv(own_.get(), bytes.data(), bytes.size(), 0);
  bytes.resize(n > 0 ? static_cast<size_t>(n) : 0);
  if (n == 0) ended_ = true;
  if (n < 0 && errno != EAGAIN) ended_ = was_reset_ = true;
  return bytes;
}

void FarEnd::half_close() { (void)::shutdown(own_.get(), SHUT_WR); }  // ignoring: it may be gone

// A Unix socket resets its peer when it is closed with something unread: a byte as if from there.
void FarEnd::reset() {
  if (near_open()) (void)::send(near_fd_, "!", 1, MSG_NOSIGNAL);  // ignoring: full is as good
  own_.reset();
}

size_t FarEnd::bytes_for_us() const { return readable_bytes(own_.get()); }
size_t FarEnd::bytes_for_near() const { return near_open() ? readable_bytes(near_fd_) : 0; }

void FarEnd::stuff() {
  const std::string filler(1 << 20, '#');
  while (::send(near_fd_, filler.data(), filler.size(), MSG_NOSIGNAL) > 0) {
  }
}

void FarEnd::unstuff() {
  std::string filler(1 << 16, '\0');
  while (::recv(own_.get(), filler.data(), filler.size(), 0) > 0) {
  }
}

FakeKernel::FakeKernel() { kernel = this; }
FakeKernel::~FakeKernel() { kernel = nullptr; }

}  // namespace holdfast::sim

// What the linker calls instead of the kernel's. NOLINTBEGIN(bugprone-reserved-identifier,
// cert-dcl37-c, cert-dcl51-cpp): --wrap gives the names
extern "C" {
int __real_connect(int fd, const sockaddr *address, socklen_t bytes);
int __real_setsockopt(int fd, int level, int name, const void *value, socklen_t bytes);

int __wrap_connect(int fd, const sockaddr *address, socklen_t bytes) {
  if (holdfast::sim::kernel == nullptr || address->sa_family != AF_INET)
    return __real_connect(fd, address, bytes);
  sockaddr_in where{};
  std::memcpy(&where, address, sizeof where);
  return holdfast::sim::kernel->on_connect(fd, ntohs(where.sin_port));
}

int __wrap_setsockopt(int fd, int level, int name, const void *value, socklen_t bytes) {
  if (holdfast::sim::kernel != nullptr && level == SOL_SOCKET && name == SO_LINGER)
    holdfast::sim::kernel->on_reset_on_close(fd);
  return __real_setsockopt(fd, level, name, value, bytes);
}
}
// NOLINTEND
