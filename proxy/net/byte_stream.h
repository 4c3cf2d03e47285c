// A connected, non-blocking stream socket as the data path sees it: bytes in, gathered bytes out,
// four outcomes, with or without TLS. Without it a call costs one test of a pointer. Owns the
// descriptor. Worker thread only.
#pragma once

#include <sys/socket.h>
#include <sys/uio.h>

#include <cerrno>
#include <cstddef>
#include <memory>
#include <span>

#include "common/unique_fd.h"
#include "proxy/net/io_result.h"
#include "proxy/net/tls_stream.h"

namespace holdfast::proxy {

class ByteStream {
 public:
  explicit ByteStream(UniqueFd fd) : fd_(std::move(fd)) {}

  int fd() const noexcept { return fd_.get(); }

  // From here on the bytes are TLS. nullptr ends that: the peer turned out to speak without.
  void set_tls(std::unique_ptr<TlsStream> tls) noexcept { tls_ = std::move(tls); }
  TlsStream *tls() const noexcept { return tls_.get(); }
  // What TLS may need besides the kernel's word for it (see tls_stream.h).
  bool reads_when_writable() const noexcept { return tls_ && tls_->reads_when_writable(); }
  bool writes_when_readable() const noexcept { return tls_ && tls_->writes_when_readable(); }
  bool holds_input() const noexcept { return tls_ && tls_->holds_input(); }

  // One read of at most `bytes_max` bytes.
  IoResult read(char *out, size_t bytes_max) noexcept {
    if (tls_) return tls_->read(out, bytes_max);
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
    if (tls_) return tls_->write(pieces);
    for (;;) {
      const ssize_t n = send_once(pieces);
      if (n >= 0) return {IoStatus::ok, static_cast<size_t>(n), 0};
      if (errno == EINTR) continue;
      if (errno == EAGAIN || errno == EWOULDBLOCK) return {IoStatus::would_block, 0, 0};
      return {IoStatus::failed, 0, errno};
    }
  }

  // How many bytes a write would take now, at least (memory may get short); 0 where nobody knows.
  size_t room() const noexcept;

  // True when the kernel has an error for this socket (an RST after a FIN shows nowhere else).
  bool broken() noexcept {
    int error = 0;
    socklen_t bytes = sizeof error;
    return ::getsockopt(fd_.get(), SOL_SOCKET, SO_ERROR, &error, &bytes) != 0 || error != 0;
  }

  // Tells the peer that nothing more comes, keeps reading possible.
  void shutdown_write() noexcept {
    close_notify();
    (void)::shutdown(fd_.get(), SHUT_WR);  // ignoring: it may be gone
  }
  // The part of it that only TLS has: without, the peer takes the end for a truncation.
  void close_notify() noexcept {
    if (tls_) tls_->close_notify();
  }
  // The next close sends RST: the only way to show truncation in a close-delimited body.
  void reset_on_close() noexcept {
    const linger hard{1, 0};
    (void)::setsockopt(fd_.get(), SOL_SOCKET, SO_LINGER, &hard,
                       sizeof hard);  // ignoring: best effort
  }

 private:
  ssize_t send_once(std::span<const iovec> pieces) noexcept {
    if (pieces.size() == 1) {
      return ::send(fd_.get(), pieces[0].iov_base, pieces[0].iov_len, MSG_NOSIGNAL);
    }
    msghdr message{};
    message.msg_iov = const_cast<iovec *>(pieces.data());  // sendmsg does not write to it
    message.msg_iovlen = pieces.size();
    return ::sendmsg(fd_.get(), &message, MSG_NOSIGNAL);
  }

  UniqueFd fd_;
  std::unique_ptr<TlsStream> tls_;  // uses fd_, so it goes first
};

}  // namespace holdfast::proxy
