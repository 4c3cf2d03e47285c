// What both daemons do around their work: the pid file, giving up privileges, keeping secrets out
// of core dumps. Called from main() or a composition root before the first network byte.
#pragma once

#include <sys/types.h>

#include <memory>
#include <string>

#include "common/conf_values.h"
#include "common/result.h"
#include "common/unique_fd.h"

namespace holdfast {

// A pid file that is ours: written at creation, removed at destruction if the path still leads to
// it. The lock on it belongs to the open file: whoever is passed the descriptor shares it, so that
// the file can change hands without being free for a moment.
class PidFile {
 public:
  // Errc::busy when it names another living process of ours (by flock); Errc::io.
  static Result<std::unique_ptr<PidFile>> create(const std::string &path);
  // Takes the descriptor of one that another process has created, which still has it, too, and
  // writes our number into it. Errc::io.
  static Result<std::unique_ptr<PidFile>> inherit(const std::string &path, UniqueFd locked);
  // Takes the open, locked and written file; use create().
  PidFile(std::string path, UniqueFd locked) : path_(std::move(path)), fd_(std::move(locked)) {}
  ~PidFile();
  PidFile(const PidFile &) = delete;
  PidFile &operator=(const PidFile &) = delete;

  int fd() const noexcept { return fd_.get(); }
  Result<void> write();  // our number, again
  // Another process has it now: nothing is removed at destruction.
  void leave_to_other() noexcept { left_ = true; }

 private:
  std::string path_;
  UniqueFd fd_;
  bool left_ = false;
};

// The process a pid file names. Errc::not_found: no file, not a number, or nobody holds it.
Result<pid_t> read_pid_file(const std::string &path);

// No core dumps and no ptrace while tokens can be in memory; umask 077; SIGPIPE ignored.
void harden_process();

// Becomes `who` for good (setgroups, setgid, setuid, verified) and sets no-new-privs. Without a
// user, or when not root, only no-new-privs. Errc::io, Errc::not_found (no such user or group).
Result<void> drop_privileges(const RunAs &who);

}  // namespace holdfast
