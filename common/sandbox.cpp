#include "common/sandbox.h"

#include <linux/capability.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <ctime>
#include <utility>

namespace holdfast {
namespace {

// What the C library reads of its own accord: time zone rules when they change, and hints for its
// memory pools.
constexpr const char *kLibraryFiles[] = {"/etc/localtime", "/usr/share/zoneinfo",
                                         "/sys/devices/system/cpu", "/proc/sys/vm"};

#if defined(HOLDFAST_SANITIZED)
constexpr bool kSanitized = true;
#else
constexpr bool kSanitized = false;
#endif
constexpr const char *kSanitizedText =
    "this build has a sanitizer, which needs calls that a sandbox refuses";

// Started as root and without `user`: root's files are still ours, and nothing else of root's power
// is. Sockets of other users (a backend's, sessiond's) stay within reach.
Result<void> shrink_root() {
  if (::geteuid() != 0) return {};
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  std::array<__user_cap_data_struct, _LINUX_CAPABILITY_U32S_3> sets{};
  sets[0].effective = sets[0].permitted = 1U << CAP_DAC_OVERRIDE;
  (void)::prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);  // ignoring: capset does it too
  if (::syscall(SYS_capset, &header, sets.data()) != 0)
    return Error{Errc::io, errno, std::string("capabilities: ") + std::strerror(errno)};
  return {};
}

}  // namespace

std::string SandboxState::words() const {
  return std::string("seccomp=") + (seccomp ? "on" : "off") + " landlock=" +
         (landlock_abi > 0 ? "abi" + std::to_string(landlock_abi) : std::string("off"));
}

std::string SandboxState::missing_text() const {
  std::string text;
  for (const std::string &sentence : missing) text += (text.empty() ? "" : "; ") + sentence;
  return text;
}

SandboxState enter_sandbox(SandboxPlan plan) {
  SandboxState state;
  if (auto shrunk = shrink_root(); !shrunk) state.missing.push_back(shrunk.error().message);
  if (kSanitized) {
    state.missing.emplace_back(kSanitizedText);
    return state;
  }
  ::tzset();  // reads its rules while everything may be read
  for (const char *path : kLibraryFiles)
    plan.landlock.files.push_back({path, FileGrant::Use::read});
  if (auto entered = enter_landlock(plan.landlock)) {
    state.landlock_abi = landlock_abi();
  } else {
    state.missing.push_back(entered.error().message);
  }
  if (auto entered = enter_syscall_filter(plan.who)) {
    state.seccomp = true;
  } else {
    state.missing.push_back(entered.error().message);
  }
  return state;
}

SandboxState probe_sandbox() {
  SandboxState state;
  if (kSanitized) {
    state.missing.emplace_back(kSanitizedText);
    return state;
  }
  state.landlock_abi = landlock_abi();
  if (state.landlock_abi == 0) state.missing.emplace_back("this kernel has no landlock");
  const uint32_t action = SECCOMP_RET_TRAP;
  state.seccomp = ::syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action) == 0;
  if (!state.seccomp) state.missing.emplace_back("seccomp: this kernel has no filters");
  return state;
}

std::string sandbox_notice(std::string_view program, bool on) {
  const std::string name(program);
  if (!on) return name + ": sandbox off\n";
  const SandboxState state = probe_sandbox();
  std::string text = name + ": sandbox on, " + state.words() + "\n";
  if (!state.missing.empty())
    text += name + ": [warn] the sandbox is incomplete: " + state.missing_text() + "\n";
  return text;
}

RefusalWatch::RefusalWatch(event_base *base, Told told) : told_(std::move(told)) {
  const int fd = refused_calls_fd();
  if (fd < 0) return;
  event_ = make_event(base, fd, EV_READ | EV_PERSIST, on_refused_c, this);
  (void)event_add(event_.get(), nullptr);  // ignoring: fails only without memory for epoll
}

void RefusalWatch::on_refused() {
  uint64_t times = 0;
  (void)!::read(refused_calls_fd(), &times, sizeof times);  // ignoring: the names are what counts
  for (const std::string &call : newly_refused_calls()) told_(call, refused_calls_count());
}

}  // namespace holdfast
