#include "tests/support/connection.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "tests/support/hf_test.h"

namespace holdfast::test {
namespace {

constexpr size_t kReadBytes = size_t{256} * 1024;

Connection connected(int domain, const void *address, socklen_t bytes, const std::string &name) {
  UniqueFd fd(socket(domain, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const auto *generic = static_cast<const sockaddr *>(address);
  if (!fd || connect(fd.get(), generic, bytes) != 0) {
    HF_FAIL("cannot connect to " + name + ": " + std::strerror(errno));
  }
  return Connection(std::move(fd));
}

bool wait_for(int fd, short events, int timeout_ms) {
  pollfd watch{fd, events, 0};
  return ::poll(&watch, 1, timeout_ms) > 0;
}

}  // namespace

Connection Connection::tcp(uint16_t port, const std::string &host) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  HF_EQ(inet_pton(AF_INET, host.c_str(), &address.sin_addr), 1);
  return connected(AF_INET, &address, sizeof address, host + ":" + std::to_string(port));
}

Connection Connection::unix_socket(const std::string &path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  HF_CHECK(path.size() < sizeof address.sun_path);
  std::memcpy(address.sun_path, path.c_str(), path.size());
  return connected(AF_UNIX, &address, sizeof address, path);
}

size_t Connection::send_some(std::string_view bytes) {
  const ssize_t n = ::send(fd_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
  return n > 0 ? static_cast<size_t>(n) : 0;
}

void Connection::send(std::string_view bytes, Millis timeout) {
  const Deadline deadline(timeout);
  while (!bytes.empty()) {
    const ssize_t n = ::send(fd_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n > 0) {
      bytes.remove_prefix(static_cast<size_t>(n));
      continue;
    }
    if (errno != EAGAIN && errno != EINTR) HF_FAIL(std::string("send: ") + std::strerror(errno));
    if (deadline.over()) HF_FAIL(std::to_string(bytes.size()) + " bytes were not taken in time");
    (void)wait_for(fd_.get(), POLLOUT, deadline.left_ms());  // ignoring: the next send tells
  }
}

bool Connection::readable(Millis timeout) const {
  return wait_for(fd_.get(), POLLIN, Deadline(timeout).left_ms());
}

bool Connection::fill(Millis timeout) {
  if (end_ != PeerEnd::open) return false;
  const Deadline deadline(timeout);
  std::string piece(kReadBytes, '\0');
  for (;;) {
    const ssize_t n = recv(fd_.get(), piece.data(), piece.size(), MSG_DONTWAIT);
    if (n > 0) {
      buffer_.append(piece, 0, static_cast<size_t>(n));
      return true;
    }
    if (n == 0) {
      end_ = PeerEnd::fin;
      return false;
    }
    if (errno != EAGAIN && errno != EINTR) {
      end_ = PeerEnd::reset;
      return false;
    }
    if (deadline.over())
      HF_FAIL("nothing came in time; so far: \"" + buffer_.substr(0, 500) + "\"");
    (void)wait_for(fd_.get(), POLLIN, deadline.left_ms());  // ignoring: the next recv tells
  }
}

PeerEnd Connection::wait_end(Millis timeout) {
  const Deadline deadline(timeout);
  while (fill(deadline.left())) {
  }
  return end_;
}

void Connection::shutdown_write() {
  (void)::shutdown(fd_.get(), SHUT_WR);
}  // ignoring: gone already

void Connection::reset() {
  const linger now{1, 0};
  (void)setsockopt(fd_.get(), SOL_SOCKET, SO_LINGER, &now,
                   sizeof now);  // ignoring: then it is a FIN
  fd_.reset();
}

void Connection::set_receive_window(int bytes) const {
  HF_EQ(setsockopt(fd_.get(), SOL_SOCKET, SO_RCVBUF, &bytes, sizeof bytes), 0);
}

}  // namespace holdfast::test
