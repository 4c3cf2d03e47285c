#include "proxy/master_channel.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>

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

Result<std::pair<UniqueFd, UniqueFd>> make_master_channel() {
  std::array<int, 2> fds{};
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds.data()) != 0) {
    return io_error("socketpair");
  }
  return std::pair{UniqueFd(fds[0]), UniqueFd(fds[1])};
}

Result<void> send_message(int fd, MasterWord word, int64_t number, const std::string &text,
                          const std::vector<int> &fds) {
  Wire wire{static_cast<uint8_t>(word), number};
  std::string body = text.substr(0, kMasterTextBytesMax);
  std::array<iovec, 2> pieces{{{&wire, sizeof wire}, {body.data(), body.size()}}};
  alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int) * kMasterFdsMax)> control{};
  msghdr message{};
  message.msg_iov = pieces.data();
  message.msg_iovlen = pieces.size();
  if (!fds.empty()) {
    if (fds.size() > kMasterFdsMax)
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

Result<std::optional<MasterMessage>> receive_message(int fd) {
  Wire wire{};
  std::string body(kMasterTextBytesMax, '\0');
  std::array<iovec, 2> pieces{{{&wire, sizeof wire}, {body.data(), body.size()}}};
  alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int) * kMasterFdsMax)> control{};
  msghdr message{};
  message.msg_iov = pieces.data();
  message.msg_iovlen = pieces.size();
  message.msg_control = control.data();
  message.msg_controllen = control.size();
  const ssize_t bytes = ::recvmsg(fd, &message, MSG_CMSG_CLOEXEC);
  if (bytes < 0) {
    if (errno == EAGAIN || errno == EINTR) return std::optional<MasterMessage>{};
    return io_error("cannot read from the other process");
  }
  if (static_cast<size_t>(bytes) < sizeof wire)
    return Error{Errc::io, 0, "the other process has ended"};
  MasterMessage got;
  got.word = static_cast<MasterWord>(wire.word);
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
  return std::optional<MasterMessage>{std::move(got)};
}

Result<UniqueFd> make_memory_file(const std::string &text) {
  UniqueFd fd(::memfd_create("holdfast-conf", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (!fd) return io_error("memfd_create");
  size_t done = 0;
  while (done < text.size()) {
    const ssize_t n = ::write(fd.get(), text.data() + done, text.size() - done);
    if (n < 0) return io_error("cannot write the configuration");
    done += static_cast<size_t>(n);
  }
  (void)::fcntl(fd.get(), F_ADD_SEALS,
                F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW);  // ignoring: we trust ourselves
  return fd;
}

Result<std::string> read_memory_file(int fd) {
  struct stat info {};
  if (::fstat(fd, &info) != 0) return io_error("cannot read the configuration");
  std::string text(static_cast<size_t>(info.st_size), '\0');
  size_t done = 0;
  while (done < text.size()) {
    const ssize_t n = ::pread(fd, text.data() + done, text.size() - done, static_cast<off_t>(done));
    if (n <= 0) return io_error("cannot read the configuration");
    done += static_cast<size_t>(n);
  }
  return text;
}

}  // namespace holdfast::proxy
