// The line between the master and its serving process, as framed_channel.h has it. The
// configuration travels as a sealed memory file, so that a sandboxed child never opens one. One
// thread on each side; never blocks.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/result.h"
#include "common/unique_fd.h"
#include "proxy/framed_channel.h"

namespace holdfast::proxy {

enum class MasterWord : uint8_t {
  // master → child
  configure,      // fds: the bundle, then listeners × workers; `number`: workers
  listeners,      // fds: more listeners of the next configure (a message carries at most 200)
  stop,           // number: a StopKind (stop_kind.h); handed_over: with a memory file for sessions
  logs,           // fds: logs to append to from now on; text: whose, see log_handover
  refused,        // the reload sessiond asked for; text says why
  sessions,       // of the process before or after: `fds` has lines (session_bequest.h), or text
  sessions_over,  // that process is gone
  accept,         // whatever the process before does
  // child → master
  ready,          // serving
  configured,     // number: 1 applied, 0 refused; text says why
  reload_wanted,  // sessiond asks; number: its token
  exit_wanted,    // sessiond asks for what SIGQUIT does
  bequest,        // number: 1 the file that came with `stop` is written, 0 text has the lines
};

using MasterMessage = Framed<MasterWord>;

inline constexpr size_t kMasterTextBytesMax = kFrameTextBytesMax;
inline constexpr size_t kMasterFdsMax = kFrameFdsMax;

// A connected pair: [0] for the master, [1] for the child.
inline Result<std::pair<UniqueFd, UniqueFd>> make_master_channel() { return make_framed_channel(); }
// Borrows the descriptors. Errc::io.
inline Result<void> send_message(int fd, MasterWord word, int64_t number,
                                 const std::string &text = {}, const std::vector<int> &fds = {}) {
  return send_frame(fd, static_cast<uint8_t>(word), number, text, fds);
}
// nullopt: nothing there. Errc::io: the other side is gone (sys_errno 0 at its end).
inline Result<std::optional<MasterMessage>> receive_message(int fd) {
  return receive_framed<MasterWord>(fd);
}

// A memory file that holds `text`, and what one holds.
Result<UniqueFd> make_memory_file(const std::string &text);
// An empty one that may be written, and writing it: a sandboxed process makes none.
Result<UniqueFd> make_blank_file();
Result<void> write_file(int fd, std::string_view text);
Result<std::string> read_memory_file(int fd);

}  // namespace holdfast::proxy
