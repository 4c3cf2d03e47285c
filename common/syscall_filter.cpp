#include "common/syscall_filter.h"

#include <fcntl.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <ucontext.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <memory>

#include "common/ev_ptr.h"
#include "common/unique_fd.h"

namespace holdfast {
namespace {

// ---- what is allowed ----

// Unconditionally: the kernel decides these by a bitmap, without running the filter.
constexpr const char *kAlways[] = {
    // Descriptors that are open already.
    "read",
    "readv",
    "pread64",
    "preadv",
    "preadv2",
    "write",
    "writev",
    "pwrite64",
    "pwritev",
    "close",
    "lseek",
    "fstat",
    "dup",
    "dup2",
    "dup3",
    "pipe2",
    "fsync",
    "fdatasync",
    "flock",
    "getdents64",
    "fstatfs",
    "ftruncate",
    // Names of files, but not their contents: time zone rules and our own sockets are looked at.
    "newfstatat",
    "stat",
    "lstat",
    "statx",
    "access",
    "faccessat",
    "faccessat2",
    "readlink",
    "readlinkat",
    "getcwd",
    "umask",
    // Sockets.
    "connect",
    "accept",
    "accept4",
    "getsockname",
    "getpeername",
    "getsockopt",
    "setsockopt",
    "shutdown",
    "sendto",
    "recvfrom",
    "sendmsg",
    "recvmsg",
    "sendmmsg",
    "recvmmsg",
    // Waiting.
    "epoll_create1",
    "epoll_ctl",
    "epoll_wait",
    "epoll_pwait",
    "epoll_pwait2",
    "poll",
    "ppoll",
    "select",
    "pselect6",
    "eventfd2",
    "timerfd_create",
    "timerfd_settime",
    "timerfd_gettime",
    "nanosleep",
    "clock_nanosleep",
    "restart_syscall",
    // Memory; mapping code is below.
    "brk",
    "munmap",
    "mremap",
    "madvise",
    "membarrier",
    // Threads and their end.
    "futex",
    "futex_waitv",
    "set_robust_list",
    "get_robust_list",
    "rseq",
    "set_tid_address",
    "sched_yield",
    "sched_getaffinity",
    "sched_getparam",
    "sched_getscheduler",
    "exit",
    "exit_group",
    "getcpu",
    // Signals to ourselves.
    "rt_sigaction",
    "rt_sigprocmask",
    "rt_sigreturn",
    "rt_sigtimedwait",
    "sigaltstack",
    // What time it is, who we are, how much there is.
    "clock_gettime",
    "clock_getres",
    "gettimeofday",
    "time",
    "getpid",
    "gettid",
    "getppid",
    "getuid",
    "geteuid",
    "getgid",
    "getegid",
    "getresuid",
    "getresgid",
    "getrandom",
    "getrusage",
    "getrlimit",
    "sysinfo",
    "uname",
};

// Only where the arguments fit; several rows of one call are alternatives.
struct Row {
  const char *call;
  std::vector<scmp_arg_cmp> arguments;
};

scmp_arg_cmp equals(unsigned argument, uint64_t value) {
  return scmp_arg_cmp{argument, SCMP_CMP_EQ, value, 0};
}
scmp_arg_cmp masked(unsigned argument, uint64_t mask, uint64_t value) {
  return scmp_arg_cmp{argument, SCMP_CMP_MASKED_EQ, mask, value};
}

constexpr uint64_t kSocketTypeMask = 0xf;      // the rest is SOCK_NONBLOCK and SOCK_CLOEXEC
constexpr uint64_t kMemoryCode = 0x4;          // PROT_EXEC
constexpr uint64_t kCloneThread = 0x00010000;  // CLONE_THREAD
constexpr int kSetVma = 0x53564d41;            // PR_SET_VMA: names for memory, by newer C libraries

std::vector<Row> common_rows() {
  const auto self = static_cast<uint64_t>(::getpid());
  std::vector<Row> rows = {
      // No new code: what is mapped by now is all that ever runs.
      {"mmap", {masked(2, kMemoryCode, 0)}},
      {"mprotect", {masked(2, kMemoryCode, 0)}},
      // Threads, never processes.
      {"clone", {masked(0, kCloneThread, kCloneThread)}},
      // abort() and assertions reach us and nobody else.
      {"tgkill", {equals(0, self)}},
      {"prlimit64", {equals(0, 0), equals(2, 0)}},
      {"socket", {equals(0, AF_UNIX), masked(1, kSocketTypeMask, SOCK_STREAM), equals(2, 0)}},
      {"socketpair", {equals(0, AF_UNIX)}},
  };
  for (const int option :
       {PR_SET_NAME, PR_GET_NAME, PR_GET_DUMPABLE, PR_GET_NO_NEW_PRIVS, PR_GET_SECCOMP, kSetVma})
    rows.push_back({"prctl", {equals(0, static_cast<uint64_t>(option))}});
  for (const int command :
       {F_DUPFD, F_DUPFD_CLOEXEC, F_GETFD, F_SETFD, F_GETFL, F_SETFL, F_ADD_SEALS, F_GET_SEALS})
    rows.push_back({"fcntl", {equals(1, static_cast<uint64_t>(command))}});
  for (const int request : {FIONREAD, FIONBIO, TIOCOUTQ, TCGETS})
    rows.push_back({"ioctl", {equals(1, static_cast<uint64_t>(request))}});
  return rows;
}

// Streams to backends over IP; of files only contents that landlock grants, and no change.
void add_serving_rows(std::vector<Row> &rows) {
  for (const int family : {AF_INET, AF_INET6}) {
    for (const int protocol : {0, static_cast<int>(IPPROTO_TCP)}) {
      rows.push_back(
          {"socket",
           {equals(0, static_cast<uint64_t>(family)), masked(1, kSocketTypeMask, SOCK_STREAM),
            equals(2, static_cast<uint64_t>(protocol))}});
    }
  }
  constexpr uint64_t kChanges = O_ACCMODE | O_CREAT | O_TRUNC | (O_TMPFILE & ~O_DIRECTORY);
  rows.push_back({"openat", {masked(2, kChanges, O_RDONLY)}});
}

// Where it may open, write and remove is landlock's to say.
void add_sessiond_rows(std::vector<Row> &rows) {
  rows.push_back({"openat", {}});
  rows.push_back({"unlink", {}});
  rows.push_back({"unlinkat", {}});
}

// ---- what was refused ----

constexpr int kFromSeccomp = 1;     // the kernel's SYS_SECCOMP, which the C library does not name
constexpr size_t kCallsMax = 1024;  // numbers end at about 470

struct Refusals {
  std::atomic<uint64_t> count{0};
  std::array<std::atomic<bool>, kCallsMax> seen{};
  std::array<std::atomic<bool>, kCallsMax> untold{};
  std::atomic<int> fd{-1};
};
Refusals refusals;

// The result of the refused call, in the register where the caller expects it. False where we do
// not know that register: the filter then refuses without telling us.
bool set_result([[maybe_unused]] ucontext_t &context, [[maybe_unused]] long result) noexcept {
#if defined(__x86_64__)
  context.uc_mcontext.gregs[REG_RAX] = result;
  return true;
#elif defined(__aarch64__)
  context.uc_mcontext.regs[0] = static_cast<unsigned long long>(result);
  return true;
#else
  return false;
#endif
}

#if defined(__x86_64__) || defined(__aarch64__)
constexpr uint32_t kRefuse = SCMP_ACT_TRAP;
#else
constexpr uint32_t kRefuse = SCMP_ACT_ERRNO(EPERM);
#endif

// Runs in the place of a refused call: only lock-free atomics and write(2).
void on_refused_c(int, siginfo_t *info, void *context) noexcept {
  if (info->si_code != kFromSeccomp) return;  // somebody's kill(2)
  const int saved = errno;
  (void)set_result(*static_cast<ucontext_t *>(context), -EPERM);  // known wherever we trap
  refusals.count.fetch_add(1, std::memory_order_relaxed);
  const auto call = static_cast<size_t>(info->si_syscall);
  if (call < kCallsMax && !refusals.seen[call].exchange(true)) {
    refusals.untold[call] = true;
    const uint64_t one = 1;
    (void)!::write(refusals.fd.load(), &one, sizeof one);  // ignoring: only a log line is late
  }
  errno = saved;
}

Result<void> listen_to_refusals() {
  const int fd = ::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
  if (fd < 0) return Error{Errc::io, errno, "eventfd: " + std::string(std::strerror(errno))};
  refusals.fd = fd;  // for the life of the process: a handler may use it at any time
  struct sigaction action {};
  action.sa_sigaction = on_refused_c;
  action.sa_flags = SA_SIGINFO | SA_NODEFER | SA_RESTART;
  (void)sigemptyset(&action.sa_mask);           // ignoring: cannot fail
  (void)::sigaction(SIGSYS, &action, nullptr);  // ignoring: SIGSYS exists
  return {};
}

// ---- the filter ----

using Filter = std::unique_ptr<void, CDeleter<seccomp_release>>;

Error refused_by_library(const std::string &what, int code) {
  return Error{Errc::io, -code, "seccomp: " + what + ": " + std::strerror(-code)};
}

// A call this machine or this library does not have needs no rule.
Result<void> allow(const Filter &filter, const Row &row) {
  const int number = seccomp_syscall_resolve_name(row.call);
  if (number == __NR_SCMP_ERROR || number < 0) return {};
  const int code =
      seccomp_rule_add_array(filter.get(), SCMP_ACT_ALLOW, number,
                             static_cast<unsigned>(row.arguments.size()), row.arguments.data());
  if (code != 0) return refused_by_library(row.call, code);
  return {};
}

Result<void> fill(const Filter &filter, FilterFor who) {
  for (const char *call : kAlways) {
    if (auto done = allow(filter, {call, {}}); !done) return done;
  }
  std::vector<Row> rows = common_rows();
  who == FilterFor::serving ? add_serving_rows(rows) : add_sessiond_rows(rows);
  for (const Row &row : rows) {
    if (auto done = allow(filter, row); !done) return done;
  }
  // Its flags are in memory, where a filter cannot look; without it the C library uses clone.
  const int clone3 = seccomp_syscall_resolve_name("clone3");
  if (clone3 > 0) {
    const int code = seccomp_rule_add(filter.get(), SCMP_ACT_ERRNO(ENOSYS), clone3, 0);
    if (code != 0) return refused_by_library("clone3", code);
  }
  return {};
}

Result<void> set_up(const Filter &filter) {
  constexpr uint32_t kBinaryTree = 2;
  struct Attribute {
    scmp_filter_attr name;
    uint32_t value;
  };
  const Attribute attributes[] = {
      {SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS},
      {SCMP_FLTATR_CTL_TSYNC, 1},  // whoever runs already is bound as well
      // Older kernels slow a filtered process down against a leak between programs that share it;
      // ours runs no foreign code.
      {SCMP_FLTATR_CTL_SSB, 1},
      {SCMP_FLTATR_CTL_OPTIMIZE, kBinaryTree},
  };
  for (const Attribute &attribute : attributes) {
    const int code = seccomp_attr_set(filter.get(), attribute.name, attribute.value);
    if (code != 0 && attribute.name != SCMP_FLTATR_CTL_SSB)
      return refused_by_library("set-up", code);
  }
  return {};
}

}  // namespace

Result<void> enter_syscall_filter(FilterFor who) {
  const Filter filter(seccomp_init(kRefuse));
  if (!filter) return Error{Errc::io, 0, "seccomp: this kernel has no filters"};
  if (auto done = set_up(filter); !done) return done;
  if (auto done = fill(filter, who); !done) return done;
  if (auto done = listen_to_refusals(); !done) return done;
  const int code = seccomp_load(filter.get());
  if (code != 0) return refused_by_library("the kernel does not take the filter", code);
  return {};
}

uint64_t refused_calls_count() noexcept { return refusals.count.load(std::memory_order_relaxed); }

std::vector<std::string> newly_refused_calls() {
  std::vector<std::string> names;
  for (size_t call = 0; call < kCallsMax; ++call) {
    if (!refusals.untold[call].exchange(false)) continue;
    const std::unique_ptr<char, CDeleter<std::free>> name(
        seccomp_syscall_resolve_num_arch(SCMP_ARCH_NATIVE, static_cast<int>(call)));
    names.push_back(name ? std::string(name.get()) : "#" + std::to_string(call));
  }
  return names;
}

int refused_calls_fd() noexcept { return refusals.fd.load(); }

}  // namespace holdfast
