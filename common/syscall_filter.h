// The system calls a running daemon may make (seccomp, by libseccomp). Any other fails with EPERM
// and is counted: the first refusal of each call wakes whoever watches, so that a log line names
// it, and no peer can make more lines than there are calls. Calls of another architecture end the
// process. Covers every thread, present and future.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "common/result.h"

namespace holdfast {

enum class FilterFor {
  serving,   // the proxy's serving process: network, and files for reading only
  sessiond,  // Unix sockets; reads its configuration, opens and removes its own files
};

// Enters the filter; there is no way back. REQUIRES: no_new_privs. Errc::io: the kernel or the
// library does not do it; nothing is filtered then.
Result<void> enter_syscall_filter(FilterFor who);

// How many calls were refused so far. Any thread.
uint64_t refused_calls_count() noexcept;
// The names of calls refused for the first time since the last question ("execve", or "#435" where
// the library knows none). Any thread.
std::vector<std::string> newly_refused_calls();
// Becomes readable with a first refusal; -1 before the filter is entered. Whoever watches reads it
// empty. Lives as long as the process.
int refused_calls_fd() noexcept;

}  // namespace holdfast
