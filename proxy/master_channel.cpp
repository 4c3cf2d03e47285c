#include "proxy/master_channel.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace holdfast::proxy {
namespace {

Error io_error(const char *what) {
  const int error = errno;
  return Error{Errc::io, error, std::string(what) + ": " + std::strerror(error)};
}

}  // namespace

Result<UniqueFd> make_memory_file(const std::string &text) {
  UniqueFd fd(::memfd_create("holdfast-conf", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (!fd) return io_error("memfd_create");
  if (const Result<void> written = write_file(fd.get(), text); !written) return written.error();
  (void)::fcntl(fd.get(), F_ADD_SEALS,
                F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW);  // ignoring: we trust ourselves
  return fd;
}

Result<UniqueFd> make_blank_file() {
  UniqueFd fd(::memfd_create("holdfast-sessions", MFD_CLOEXEC));
  if (!fd) return io_error("memfd_create");
  return fd;
}

Result<void> write_file(int fd, std::string_view text) {
  while (!text.empty()) {
    const ssize_t n = ::write(fd, text.data(), text.size());
    if (n < 0) return io_error("cannot write a memory file");
    text.remove_prefix(static_cast<size_t>(n));
  }
  return {};
}

Result<std::string> read_memory_file(int fd) {
  struct stat info {};
  if (::fstat(fd, &info) != 0) return io_error("cannot read a memory file");
  std::string text(static_cast<size_t>(info.st_size), '\0');
  size_t done = 0;
  while (done < text.size()) {
    const ssize_t n = ::pread(fd, text.data() + done, text.size() - done, static_cast<off_t>(done));
    if (n <= 0) return io_error("cannot read a memory file");
    done += static_cast<size_t>(n);
  }
  return text;
}

}  // namespace holdfast::proxy
