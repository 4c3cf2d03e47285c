// The line between the master and its serving process: short messages over a SOCK_SEQPACKET pair,
// descriptors beside them (SCM_RIGHTS). The configuration travels as a sealed memory file, so that
// a sandboxed child never opens one. One thread on each side; never blocks.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "common/result.h"
#include "common/unique_fd.h"

namespace holdfast::proxy {

enum class MasterWord : uint8_t {
  // master → child
  configure,  // fds: the bundle, then listeners × workers; `number`: workers
  listeners,  // fds: more listeners of the next configure (a message carries at most 200)
  stop,       // number: 1 graceful, 0 fast
  logs,       // fds: logs to append to from now on; text: whose, see log_handover
  refused,    // the reload sessiond asked for; text says why
  // child → master
  ready,          // serving
  configured,     // number: 1 applied, 0 refused; text says why
  reload_wanted,  // sessiond asks; number: its token
  exit_wanted,    // sessiond asks for what SIGQUIT does
};

struct MasterMessage {
  MasterWord word = MasterWord::stop;
  int64_t number = 0;
  std::string text;  // at most kMasterTextBytesMax
  std::vector<UniqueFd> fds;
};

inline constexpr size_t kMasterTextBytesMax = 16 * 1024;
inline constexpr size_t kMasterFdsMax = 200;  // the kernel's bound is 253

// A connected pair: [0] for the master, [1] for the child.
Result<std::pair<UniqueFd, UniqueFd>> make_master_channel();
// Borrows the descriptors. Errc::io.
Result<void> send_message(int fd, MasterWord word, int64_t number, const std::string &text = {},
                          const std::vector<int> &fds = {});
// nullopt: nothing there. Errc::io: the other side is gone (sys_errno 0 at its end).
Result<std::optional<MasterMessage>> receive_message(int fd);

// A memory file that holds `text`, and what one holds.
Result<UniqueFd> make_memory_file(const std::string &text);
Result<std::string> read_memory_file(int fd);

}  // namespace holdfast::proxy
