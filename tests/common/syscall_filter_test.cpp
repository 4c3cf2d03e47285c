// The filter of system calls, tried on a process of its own each time: what the daemons need works,
// what an intruder would need is refused, counted and named, in every thread.
#include "common/syscall_filter.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <thread>

#include "common/unique_fd.h"
#include "tests/support/forked.h"
#include "tests/support/hf_test.h"

using namespace holdfast;
using namespace holdfast::test;

namespace {

// Did it fail, and with the filter's own error?
bool refused(long result) { return result == -1 && errno == EPERM; }
bool works(long result) { return result != -1; }

void enter(FilterFor who) {
  HF_EQ(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
  const Result<void> entered = enter_syscall_filter(who);
  if (!entered) HF_FAIL(entered.error().message);
}

void *map(int protection) {
  return mmap(nullptr, 4096, protection, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

// A descriptor over a Unix socket, as the master sends listeners.
bool passes_a_descriptor() {
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) return false;
  const UniqueFd first(ends[0]);
  const UniqueFd second(ends[1]);
  char byte = 'x';
  iovec piece{&byte, 1};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
  msghdr message{};
  message.msg_iov = &piece;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  cmsghdr *header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  header->cmsg_len = CMSG_LEN(sizeof(int));
  *static_cast<int *>(static_cast<void *>(CMSG_DATA(header))) = second.get();
  return works(sendmsg(first.get(), &message, 0)) &&
         works(recvmsg(second.get(), &message, MSG_CMSG_CLOEXEC));
}

}  // namespace

HF_TEST(no_program_is_executed_and_no_process_made) {
  in_a_fork([] {
    enter(FilterFor::serving);
    char *const nothing[] = {nullptr};
    HF_CHECK(refused(execve("/bin/true", nothing, nothing)));
    HF_CHECK(refused(syscall(SYS_execveat, AT_FDCWD, "/bin/true", nothing, nothing, 0)));
    HF_CHECK(refused(fork()));
    HF_CHECK(refused(syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0)));
    HF_CHECK(syscall(SYS_clone3, nullptr, 0) == -1 && errno == ENOSYS);
  });
}

HF_TEST(no_other_process_is_reached) {
  in_a_fork([] {
    enter(FilterFor::serving);
    HF_CHECK(refused(ptrace(PTRACE_ATTACH, getppid(), nullptr, nullptr)));
    HF_CHECK(refused(kill(getppid(), 0)));
    HF_CHECK(refused(syscall(SYS_tgkill, getppid(), getppid(), 0)));
    HF_CHECK(refused(syscall(SYS_process_vm_readv, getppid(), nullptr, 0, nullptr, 0, 0)));
    HF_CHECK(refused(syscall(SYS_pidfd_open, getppid(), 0)));
    HF_CHECK(refused(syscall(SYS_prlimit64, getppid(), 0, nullptr, nullptr)));
  });
}

HF_TEST(no_code_is_brought_in) {
  in_a_fork([] {
    enter(FilterFor::serving);
    HF_CHECK(map(PROT_READ | PROT_EXEC) == MAP_FAILED && errno == EPERM);
    void *const page = map(PROT_READ | PROT_WRITE);
    HF_CHECK(page != MAP_FAILED);
    HF_CHECK(refused(mprotect(page, 4096, PROT_READ | PROT_EXEC)));
    HF_CHECK(works(mprotect(page, 4096, PROT_READ)));
    HF_CHECK(refused(syscall(SYS_memfd_create, "code", 0)));
  });
}

HF_TEST(no_raw_socket_and_no_listener_is_made) {
  in_a_fork([] {
    enter(FilterFor::serving);
    HF_CHECK(refused(socket(AF_INET6, SOCK_RAW, IPPROTO_ICMPV6)));
    HF_CHECK(refused(socket(AF_INET, SOCK_DGRAM, 0)));
    HF_CHECK(refused(socket(AF_PACKET, SOCK_RAW, 0)));
    HF_CHECK(refused(socket(AF_NETLINK, SOCK_RAW, 0)));
    HF_CHECK(refused(socket(AF_INET, SOCK_STREAM, 262)));  // MPTCP: landlock does not see its ports
    const UniqueFd stream(socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    HF_CHECK(stream);
    sockaddr_in any{};
    any.sin_family = AF_INET;
    const auto *address = static_cast<const sockaddr *>(static_cast<const void *>(&any));
    HF_CHECK(refused(bind(stream.get(), address, sizeof any)));
    HF_CHECK(refused(listen(stream.get(), 1)));
  });
}

HF_TEST(the_kernel_shows_no_more_than_it_must) {
  in_a_fork([] {
    enter(FilterFor::serving);
    HF_CHECK(refused(unshare(CLONE_NEWUSER)));
    HF_CHECK(refused(syscall(SYS_bpf, 0, nullptr, 0)));
    HF_CHECK(refused(syscall(SYS_io_uring_setup, 1, nullptr)));
    HF_CHECK(refused(syscall(SYS_keyctl, 0, 0, 0, 0, 0)));
    HF_CHECK(refused(syscall(SYS_perf_event_open, nullptr, 0, 0, 0, 0)));
    HF_CHECK(refused(syscall(SYS_userfaultfd, 0)));
    HF_CHECK(refused(mkdir("/tmp/holdfast-nothing", 0700)));
    HF_CHECK(refused(chmod("/tmp", 0)));
    HF_CHECK(refused(prctl(PR_SET_DUMPABLE, 1, 0, 0, 0)));
    HF_CHECK(refused(setuid(0)));
  });
}

HF_TEST(the_serving_process_opens_files_for_reading_only) {
  in_a_fork([] {
    enter(FilterFor::serving);
    HF_CHECK(works(open("/dev/null", O_RDONLY | O_CLOEXEC)));
    HF_CHECK(refused(open("/dev/null", O_WRONLY)));
    HF_CHECK(refused(open("/dev/null", O_RDWR)));
    HF_CHECK(refused(open("/tmp/holdfast-nothing", O_RDONLY | O_CREAT, 0600)));
    HF_CHECK(refused(unlink("/tmp/holdfast-nothing")));
  });
}

HF_TEST(sessiond_has_files_and_unix_sockets_but_no_network) {
  in_a_fork([] {
    enter(FilterFor::sessiond);
    HF_CHECK(works(open("/dev/null", O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0640)));
    HF_CHECK(unlink("/tmp/holdfast-nothing-here") == -1 && errno == ENOENT);
    HF_CHECK(works(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)));
    HF_CHECK(refused(socket(AF_INET, SOCK_STREAM, 0)));
    HF_CHECK(refused(socket(AF_INET6, SOCK_STREAM, 0)));
    HF_CHECK(refused(fork()));
  });
}

HF_TEST(what_the_daemons_do_works) {
  in_a_fork([] {
    enter(FilterFor::serving);
    std::atomic<int> ran{0};
    std::thread thread([&] { ++ran; });
    thread.join();
    HF_EQ(ran.load(), 1);
    HF_CHECK(works(socket(AF_INET6, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)));
    HF_CHECK(works(socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)));
    HF_CHECK(works(epoll_create1(EPOLL_CLOEXEC)));
    HF_CHECK(works(eventfd(0, EFD_CLOEXEC)));
    char random[16];
    HF_CHECK(works(getrandom(random, sizeof random, 0)));
    HF_CHECK(passes_a_descriptor());
    HF_CHECK(works(fcntl(0, F_DUPFD_CLOEXEC, 3)));
    HF_EQ(refused_calls_count(), uint64_t{0});
  });
}

HF_TEST(a_refused_call_is_counted_and_named_once) {
  in_a_fork([] {
    enter(FilterFor::serving);
    pollfd watch{refused_calls_fd(), POLLIN, 0};
    HF_EQ(poll(&watch, 1, 0), 0);
    for (int i = 0; i < 3; ++i) HF_CHECK(refused(kill(getppid(), 0)));
    HF_CHECK(refused(setuid(0)));
    HF_EQ(refused_calls_count(), uint64_t{4});
    HF_EQ(poll(&watch, 1, 0), 1);
    const std::vector<std::string> names = newly_refused_calls();
    HF_EQ(names.size(), size_t{2});
    HF_CHECK(std::find(names.begin(), names.end(), "kill") != names.end());
    HF_CHECK(std::find(names.begin(), names.end(), "setuid") != names.end());
    HF_CHECK(refused(kill(getppid(), 0)));
    HF_CHECK(newly_refused_calls().empty());
  });
}

HF_TEST(threads_from_before_are_bound_as_well) {
  in_a_fork([] {
    std::atomic<bool> entered{false};
    std::atomic<bool> bound{false};
    std::thread before([&] {
      while (!entered) std::this_thread::yield();
      bound = refused(kill(getppid(), 0));
    });
    enter(FilterFor::serving);
    entered = true;
    before.join();
    HF_CHECK(bound);
  });
}

HF_TEST(an_abort_still_ends_the_process) {
  const int status = status_of_a_fork([] {
    enter(FilterFor::serving);
    std::abort();
  });
  HF_CHECK(WIFSIGNALED(status));
  HF_EQ(WTERMSIG(status), SIGABRT);
}

int main() {
  const CMUnitTest tests[] = {
      HF_UNIT(no_program_is_executed_and_no_process_made),
      HF_UNIT(no_other_process_is_reached),
      HF_UNIT(no_code_is_brought_in),
      HF_UNIT(no_raw_socket_and_no_listener_is_made),
      HF_UNIT(the_kernel_shows_no_more_than_it_must),
      HF_UNIT(the_serving_process_opens_files_for_reading_only),
      HF_UNIT(sessiond_has_files_and_unix_sockets_but_no_network),
      HF_UNIT(what_the_daemons_do_works),
      HF_UNIT(a_refused_call_is_counted_and_named_once),
      HF_UNIT(threads_from_before_are_bound_as_well),
      HF_UNIT(an_abort_still_ends_the_process),
  };
  return HF_RUN(tests);
}
