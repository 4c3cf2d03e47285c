#include "proxy/framed_channel.h"

#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <cstring>

namespace holdfast::proxy {
namespace {

struct Wire {
  uint8_t word;
  int64_t number;
};

Error io_error(const char *what) {
  const int error = errno;
  return Error{Errc::io, error, std::string(what) + ": " + std::strerror(error)};
}

}  // namespace

Result<std::pair<UniqueFd, UniqueFd>> make_framed_channel() {
  std::array<int, 2> fds{};
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds.data()) != 0) {
    return io_error("socketpair");
  }
  return std::pair{UniqueFd(fds[0]), UniqueFd(fds[1])};
}

Result<void> send_frame(int fd, uint8_t word, int64_t number, const std::string &text,
                        const std::vector<int> &fds) {
  Wire wire{word, number};
  std::string body = text.substr(0, kFrameTextBytesMax);
  std::array<iovec, 2> pieces{{{&wire, sizeof wire}, {body.data(), body.size()}}};
  alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int) * kFrameFdsMax)> control{};
  msghdr message{};
  message.msg_iov = pieces.data();
  message.msg_iovlen = pieces.size();
  if (!fds.empty()) {
    if (fds.size() > kFrameFdsMax)
      return Error{Errc::limit, 0, "too many descriptors for one message"};
    message.msg_control = control.data();
    message.msg_controllen = CMSG_SPACE(sizeof(int) * fds.size());
    cmsghdr *header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof(int) * fds.size());
    std::memcpy(CMSG_DATA(header), fds.data(), sizeof(int) * fds.size());
  }
  if (::sendmsg(fd, &message, MSG_NOSIGNAL) < 0)
    return io_error("cannot write to the other process");
  return {};
}

Result<std::optional<Framed<uint8_t>>> receive_frame(int fd) {
  Wire wire{};
  std::string body(kFrameTextBytesMax, '\0');
  std::array<iovec, 2> pieces{{{&wire, sizeof wire}, {body.data(), body.size()}}};
  alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int) * kFrameFdsMax)> control{};
  msghdr message{};
  message.msg_iov = pieces.data();
  message.msg_iovlen = pieces.size();
  message.msg_control = control.data();
  message.msg_controllen = control.size();
  const ssize_t bytes = ::recvmsg(fd, &message, MSG_CMSG_CLOEXEC);
  if (bytes < 0) {
    if (errno == EAGAIN || errno == EINTR) return std::optional<Framed<uint8_t>>{};
    return io_error("cannot read from the other process");
  }
  if (static_cast<size_t>(bytes) < sizeof wire)
    return Error{Errc::io, 0, "the other process has ended"};
  Framed<uint8_t> got;
  got.word = wire.word;
  got.number = wire.number;
  got.text = body.substr(0, static_cast<size_t>(bytes) - sizeof wire);
  for (cmsghdr *header = CMSG_FIRSTHDR(&message); header != nullptr;
       header = CMSG_NXTHDR(&message, header)) {
    if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS) continue;
    const size_t count = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (size_t i = 0; i < count; ++i) {
      int received = -1;
      std::memcpy(&received, CMSG_DATA(header) + i * sizeof(int), sizeof received);
      got.fds.emplace_back(received);
    }
  }
  return std::optional<Framed<uint8_t>>{std::move(got)};
}

}  // namespace holdfast::proxy
