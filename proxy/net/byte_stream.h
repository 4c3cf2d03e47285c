// A connected, non-blocking stream socket as the data path sees it: bytes in, gathered bytes out,
// four outcomes. Owns the descriptor. Worker thread only. TLS has the same face.
#pragma once

#include <sys/socket.h>
#include <sys/uio.h>

#include <cerrno>
#include <cstddef>
#include <span>

#include "common/unique_fd.h"

namespace holdfast::proxy {

enum class IoStatus : uint8_t { ok, would_block, eof, failed };

struct IoResult {
  IoStatus status = IoStatus::ok;
  size_t bytes = 0;   // with ok
  int sys_errno = 0;  // with failed
};

class ByteStream {
 public:
  explicit ByteStream(UniqueFd fd) : fd_(std::move(fd)) {}

  int fd() const noexcept { return fd_.get(); }

  // One read of at most `bytes_max` bytes.
  IoResult read(char *out, size_t bytes_max) noexcept {
    for (;;) {
      const ssize_t n = ::recv(fd_.get(), out, bytes_max, 0);
      if (n > 0) return {IoStatus::ok, static_cast<size_t>(n), 0};
      if (n == 0) return {IoStatus::eof, 0, 0};
      if (errno == EINTR) continue;
      if (errno == EAGAIN || errno == EWOULDBLOCK) return {IoStatus::would_block, 0, 0};
      return {IoStatus::failed, 0, errno};
    }
  }

  // One gathered write; may accept fewer bytes than offered.
  IoResult write(std::span<const iovec> pieces) noexcept {
    msghdr message{};
    message.msg_iov = const_cast<iovec *>(pieces.data());  // sendmsg does not write to it
    message.msg_iovlen = pieces.size();
    for (;;) {
      const ssize_t n = ::sendmsg(fd_.get(), &message, MSG_NOSIGNAL);
      if (n >= 0) return {IoStatus::ok, static_cast<size_t>(n), 0};
      if (errno == EINTR) continue;
      if (errno == EAGAIN || errno == EWOULDBLOCK) return {IoStatus::would_block, 0, 0};
      return {IoStatus::failed, 0, errno};
    }
  }

  // True when the kernel has an error for this socket (an RST after a FIN shows nowhere else).
  bool broken() noexcept {
    int error = 0;
    socklen_t bytes = sizeof error;
    return ::getsockopt(fd_.get(), SOL_SOCKET, SO_ERROR, &error, &bytes) != 0 || error != 0;
  }

  // Tells the peer that nothing more comes, keeps reading possible.
  void shutdown_write() noexcept {
    (void)::shutdown(fd_.get(), SHUT_WR);
  }  // ignoring: it may be gone
  // The next close sends RST: the only way to show truncation in a close-delimited body.
  void reset_on_close() noexcept {
    const linger hard{1, 0};
    (void)::setsockopt(fd_.get(), SOL_SOCKET, SO_LINGER, &hard,
                       sizeof hard);  // ignoring: best effort
  }

 private:
  UniqueFd fd_;
};

}  // namespace holdfast::proxy
