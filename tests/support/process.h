// A program under test: started in its own process group, its output read by a thread of its own
// (a full pipe must not stop it), killed with its children when the object goes. Signals go to
// pids, never to names. Waits end at a deadline with the whole output in the failure.
#pragma once

#include <sys/types.h>

#include <condition_variable>
#include <csignal>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "common/unique_fd.h"
#include "tests/support/deadline.h"

namespace holdfast::test {

struct Command {
  std::string program;  // absolute path
  std::vector<std::string> args;
  std::vector<std::pair<std::string, std::string>> env;  // added to or replacing the inherited
  std::string cwd;                                       // empty: inherited
};

// How a program ended: `code` is the exit status, or the signal's number when `signalled`.
struct Exit {
  bool signalled = false;
  int code = 0;
  bool operator==(const Exit &) const = default;
};
std::ostream &operator<<(std::ostream &out, const Exit &exit);

class Process {
 public:
  explicit Process(const Command &command);  // fails the test when it cannot be started
  ~Process();
  Process(const Process &) = delete;
  Process &operator=(const Process &) = delete;

  pid_t pid() const { return pid_; }

  // The first line, of stdout or stderr, that contains `text`, among those from line number `from`
  // on; fails the test when none comes in time or the program ends without it.
  std::string wait_for_line(std::string_view text, Millis timeout = kSoon, size_t from = 0);
  // How many lines there are now: the `from` for what comes next.
  size_t lines_count() const;
  // How many lines so far contain `text`.
  size_t count_lines(std::string_view text) const;
  // All output so far.
  std::string out() const { return text_of(0); }
  std::string err() const { return text_of(1); }

  void signal(int number) const;  // to the program alone
  // Waits for the end of the program and of its output; fails the test when it does not come.
  Exit wait_exit(Millis timeout = kSoon);
  bool running() const;
  // SIGKILL to the whole group, and waits.
  void kill();

 private:
  void read_output(const UniqueFd &out, const UniqueFd &err);
  void take(int which, std::string_view bytes);
  std::string text_of(int which) const;
  std::string everything() const;  // REQUIRES: mutex_ held

  std::string name_;
  pid_t pid_ = -1;
  UniqueFd pidfd_;
  std::optional<Exit> exit_;

  mutable std::mutex mutex_;  // guards what follows
  std::condition_variable changed_;
  std::string text_[2];     // stdout, stderr
  std::string partial_[2];  // a line without its end yet
  std::vector<std::string> lines_;
  bool output_ended_ = false;

  std::thread reader_;  // ends when the last holder of the pipes is gone
};

// Runs a program to its end and returns its output.
struct Finished {
  Exit exit;
  std::string out;
  std::string err;
};
Finished run(const Command &command, Millis timeout = kSoon);

}  // namespace holdfast::test
