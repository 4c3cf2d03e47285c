#include "common/descriptors.h"

#include <dirent.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstring>
#include <vector>

namespace holdfast {
namespace {

constexpr int kFirst = 3;  // after stdin, stdout and stderr

// False: this kernel (before 5.9) does not know the call.
bool close_range_of(unsigned first, unsigned last) {
  return first > last || ::syscall(SYS_close_range, first, last, 0U) == 0;
}

void close_one_by_one(std::span<const int> keep) {
  DIR *const list = ::opendir("/proc/self/fd");
  if (list == nullptr) return;  // what is left closes with us, as on any kernel without /proc
  std::vector<int> open;
  while (const dirent *entry = ::readdir(list)) {  // NOLINT(concurrency-mt-unsafe): no threads yet
    int fd = -1;                                   // of "." and ".."
    (void)std::from_chars(entry->d_name, entry->d_name + std::strlen(entry->d_name), fd);
    if (fd >= kFirst && fd != ::dirfd(list)) open.push_back(fd);
  }
  (void)::closedir(list);  // ignoring: it was only read
  for (const int fd : open) {
    if (std::find(keep.begin(), keep.end(), fd) == keep.end()) (void)::close(fd);
  }
}

}  // namespace

void close_descriptors_except(std::span<const int> keep) {
  std::vector<int> kept(keep.begin(), keep.end());
  std::sort(kept.begin(), kept.end());
  unsigned first = kFirst;
  for (const int fd : kept) {
    if (fd < kFirst) continue;
    const auto here = static_cast<unsigned>(fd);
    if (here > first && !close_range_of(first, here - 1)) return close_one_by_one(keep);
    first = here + 1;
  }
  if (!close_range_of(first, ~0U)) close_one_by_one(keep);
}

}  // namespace holdfast
