// Landlock, tried on a process of its own each time: what the plan grants works, everything else of
// files and ports is refused, and a path that does not exist is no error. Skipped where the kernel
// has none.
#include "common/landlock.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdio>

#include "common/unique_fd.h"
#include "tests/support/forked.h"
#include "tests/support/hf_test.h"
#include "tests/support/temp_dir.h"

using namespace holdfast;
using namespace holdfast::test;
using Use = FileGrant::Use;

namespace {

constexpr int kFirstAbiWithPorts = 4;
constexpr int kFirstAbiWithSignals = 6;

void enter(std::vector<FileGrant> files, bool connects = false) {
  HF_EQ(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
  const Result<void> entered = enter_landlock({std::move(files), connects});
  if (!entered) HF_FAIL(entered.error().message);
}

bool opens(const std::string &path, int flags) {
  const UniqueFd fd(open(path.c_str(), flags | O_CLOEXEC, 0600));
  return bool(fd);
}
bool denied(const std::string &path, int flags) { return !opens(path, flags) && errno == EACCES; }

sockaddr_in loopback(uint16_t port) {
  sockaddr_in out{};
  out.sin_family = AF_INET;
  out.sin_port = htons(port);
  out.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return out;
}
const sockaddr *generic(const sockaddr_in &in) {
  return static_cast<const sockaddr *>(static_cast<const void *>(&in));
}

}  // namespace

HF_TEST(only_granted_folders_are_read_and_nothing_is_written) {
  const TempDir inside;
  const TempDir outside;
  (void)inside.write("a.conf", "x");
  (void)outside.write("secret", "x");
  in_a_fork([&] {
    enter({{inside.path(), Use::read}});
    HF_CHECK(opens(inside.file("a.conf"), O_RDONLY));
    HF_CHECK(opens(inside.path(), O_RDONLY | O_DIRECTORY));
    HF_CHECK(denied(inside.file("a.conf"), O_WRONLY));
    HF_CHECK(denied(inside.file("new"), O_WRONLY | O_CREAT));
    HF_CHECK(denied(outside.file("secret"), O_RDONLY));
    HF_CHECK(denied("/etc/passwd", O_RDONLY));
    HF_CHECK(unlink(inside.file("a.conf").c_str()) == -1 && errno == EACCES);
    HF_CHECK(mkdir(inside.file("d").c_str(), 0700) == -1 && errno == EACCES);
  });
}

HF_TEST(a_log_folder_takes_new_files_and_shows_none) {
  const TempDir logs;
  (void)logs.write("old.log", "x");
  in_a_fork([&] {
    enter({{logs.path(), Use::append}});
    HF_CHECK(opens(logs.file("new.log"), O_WRONLY | O_APPEND | O_CREAT));
    HF_CHECK(opens(logs.file("old.log"), O_WRONLY | O_APPEND));
    HF_CHECK(denied(logs.file("old.log"), O_RDONLY));
    HF_CHECK(unlink(logs.file("old.log").c_str()) == -1 && errno == EACCES);
    HF_CHECK(symlink("/etc", logs.file("link").c_str()) == -1 && errno == EACCES);
  });
}

HF_TEST(own_files_are_removed_and_their_folder_not_read) {
  const TempDir run;
  (void)run.write("d.pid", "1");
  in_a_fork([&] {
    enter({{run.path(), Use::remove}});
    HF_CHECK(denied(run.file("d.pid"), O_RDONLY));
    HF_EQ(unlink(run.file("d.pid").c_str()), 0);
  });
}

HF_TEST(a_single_file_is_granted_without_its_neighbours) {
  const TempDir dir;
  (void)dir.write("a", "x");
  (void)dir.write("b", "x");
  in_a_fork([&] {
    enter({{dir.file("a"), Use::read}, {dir.file("a"), Use::remove}});
    HF_CHECK(opens(dir.file("a"), O_RDONLY));
    HF_CHECK(denied(dir.file("b"), O_RDONLY));
  });
}

HF_TEST(a_path_that_is_not_there_is_left_out) {
  in_a_fork([] {
    enter({{"/nowhere/at/all", Use::read}, {"/dev", Use::read}});
    HF_CHECK(opens("/dev/null", O_RDONLY));
  });
}

HF_TEST(ports_are_never_bound_and_reached_only_where_planned) {
  if (landlock_abi() < kFirstAbiWithPorts) return;
  const UniqueFd listener(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in bound = loopback(0);
  HF_EQ(bind(listener.get(), generic(bound), sizeof bound), 0);
  HF_EQ(listen(listener.get(), 4), 0);
  socklen_t bytes = sizeof bound;
  HF_EQ(getsockname(listener.get(), static_cast<sockaddr *>(static_cast<void *>(&bound)), &bytes),
        0);
  for (const bool connects : {true, false}) {
    in_a_fork([&] {
      enter({}, connects);
      const UniqueFd fd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
      const sockaddr_in free_port = loopback(0);
      HF_CHECK(bind(fd.get(), generic(free_port), sizeof free_port) == -1 && errno == EACCES);
      const int result = connect(fd.get(), generic(bound), sizeof bound);
      HF_CHECK(connects ? result == 0 : result == -1 && errno == EACCES);
    });
  }
}

HF_TEST(processes_outside_get_no_signal) {
  if (landlock_abi() < kFirstAbiWithSignals) return;
  in_a_fork([] {
    enter({});
    HF_CHECK(kill(getppid(), 0) == -1 && errno == EPERM);
    HF_EQ(kill(getpid(), 0), 0);
  });
}

int main() {
  if (landlock_abi() == 0) {
    (void)std::puts("skipped: this kernel has no landlock");
    return 77;
  }
  const CMUnitTest tests[] = {
      HF_UNIT(only_granted_folders_are_read_and_nothing_is_written),
      HF_UNIT(a_log_folder_takes_new_files_and_shows_none),
      HF_UNIT(own_files_are_removed_and_their_folder_not_read),
      HF_UNIT(a_single_file_is_granted_without_its_neighbours),
      HF_UNIT(a_path_that_is_not_there_is_left_out),
      HF_UNIT(ports_are_never_bound_and_reached_only_where_planned),
      HF_UNIT(processes_outside_get_no_signal),
  };
  return HF_RUN(tests);
}
