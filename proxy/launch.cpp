#include "proxy/launch.h"

#include <sys/auxv.h>
#include <sys/stat.h>

#include <filesystem>
#include <system_error>

namespace holdfast::proxy {
namespace {

namespace fs = std::filesystem;
constexpr const char *kRunning = "/proc/self/exe";

bool is_running(const fs::path &path) {
  struct stat there {};
  struct stat running {};
  return ::stat(path.c_str(), &there) == 0 && ::stat(kRunning, &running) == 0 &&
         there.st_dev == running.st_dev && there.st_ino == running.st_ino;
}

// The name the kernel was given, not argv[0], which may be anything, nor the file it led to: who
// switches a link to a new version means the link.
std::string program_path() {
  std::error_code ignored;
  const auto *given = reinterpret_cast<const char *>(::getauxval(AT_EXECFN));  // NOLINT: an address
  if (given != nullptr) {
    const fs::path path = fs::absolute(given, ignored);
    if (!ignored && is_running(path)) return path.string();
  }
  return fs::read_symlink(kRunning, ignored).string();  // started by descriptor
}

}  // namespace

Launch own_launch(int argc, char *const *argv) {
  return {program_path(), std::vector<std::string>(argv, argv + argc)};
}

}  // namespace holdfast::proxy
