// What a daemon gives up once it is set up and before the first network byte: capabilities, files,
// neighbours (landlock) and system calls (seccomp). Best effort: what the kernel does not know is
// left out and told. Called by a composition root after privileges are dropped and before threads
// are started; nothing can be taken back.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "common/ev_ptr.h"
#include "common/landlock.h"
#include "common/syscall_filter.h"

namespace holdfast {

struct SandboxPlan {
  FilterFor who = FilterFor::serving;
  LandlockPlan landlock;
};

// What is active; `missing` says, sentence by sentence, what is not and why.
struct SandboxState {
  bool seccomp = false;
  int landlock_abi = 0;
  std::vector<std::string> missing;

  // "seccomp=on landlock=abi7", as in the log.
  std::string words() const;
  std::string missing_text() const;
};

// Enters all of it. REQUIRES: drop_privileges() before.
SandboxState enter_sandbox(SandboxPlan plan);

// What enter_sandbox() would find on this kernel, for -t.
SandboxState probe_sandbox();

// The lines -t prints about it: what `sandbox on|off` means on this machine.
std::string sandbox_notice(std::string_view program, bool on);

// Tells of each system call the filter refuses, once, as it happens. Lives on the loop's thread;
// does nothing where no filter was entered.
class RefusalWatch {
 public:
  // `told` gets the call's name and how many calls were refused so far in all.
  using Told = std::function<void(const std::string &call, uint64_t refused)>;
  RefusalWatch(event_base *base, Told told);  // borrows
  RefusalWatch(const RefusalWatch &) = delete;
  RefusalWatch &operator=(const RefusalWatch &) = delete;

 private:
  void on_refused();
  static void on_refused_c(evutil_socket_t, short, void *self) noexcept {
    static_cast<RefusalWatch *>(self)->on_refused();
  }
  Told told_;
  EventPtr event_;
};

}  // namespace holdfast
