#include "common/parent_folder.h"

#include <sys/stat.h>

#include <cerrno>
#include <cstring>

namespace holdfast {

Result<void> make_parent_folder(const std::string &path) {
  const size_t slash = path.rfind('/');
  if (slash == std::string::npos || slash == 0) return {};
  const std::string folder = path.substr(0, slash);
  if (::mkdir(folder.c_str(), 0700) == 0 || errno == EEXIST) return {};
  const int saved = errno;
  return Error{Errc::io, saved, "cannot make folder " + folder + ": " + std::strerror(saved)};
}

}  // namespace holdfast
