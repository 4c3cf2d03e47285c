// A Unix socket's path as the address bind() and connect() take. A value; any thread.
#pragma once

#include <sys/socket.h>
#include <sys/un.h>

#include <cerrno>
#include <string>

#include "common/limits.h"
#include "common/result.h"

namespace holdfast {

class UnixAddress {
 public:
  // Errc::limit: empty, or longer than the kernel's address holds.
  static Result<UnixAddress> of(const std::string &path) {
    if (path.empty() || path.size() > kSocketPathBytesMax) {
      return Error{Errc::limit, ENAMETOOLONG,
                   "socket path \"" + path + "\" has " + std::to_string(path.size()) +
                       " bytes; 1 to " + std::to_string(kSocketPathBytesMax) + " are possible"};
    }
    UnixAddress made;
    made.raw_.sun_family = AF_UNIX;
    path.copy(made.raw_.sun_path, path.size());
    return made;
  }

  const sockaddr *get() const noexcept {
    return static_cast<const sockaddr *>(static_cast<const void *>(&raw_));
  }
  static constexpr socklen_t bytes() noexcept { return sizeof(sockaddr_un); }

 private:
  UnixAddress() = default;
  sockaddr_un raw_{};
};

}  // namespace holdfast
