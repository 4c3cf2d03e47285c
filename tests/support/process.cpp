#include "tests/support/process.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ostream>

#include "tests/support/hf_test.h"

extern char **environ;

namespace holdfast::test {
namespace {

struct Pipe {
  UniqueFd read;
  UniqueFd write;
};

Pipe make_pipe() {
  int fds[2];
  if (pipe2(fds, O_CLOEXEC) != 0) HF_FAIL(std::string("pipe2: ") + std::strerror(errno));
  return {UniqueFd(fds[0]), UniqueFd(fds[1])};
}

std::vector<std::string> environment(const Command &command) {
  std::vector<std::string> all;
  for (char **entry = environ; *entry != nullptr; ++entry) {
    const std::string_view text = *entry;
    const std::string_view name = text.substr(0, text.find('='));
    const bool replaced = std::any_of(command.env.begin(), command.env.end(),
                                      [&](const auto &pair) { return pair.first == name; });
    if (!replaced) all.emplace_back(text);
  }
  for (const auto &[name, value] : command.env) all.push_back(name + "=" + value);
  return all;
}

// The array execve wants; borrows the strings.
std::vector<char *> pointers(std::vector<std::string> &strings) {
  std::vector<char *> all;
  for (std::string &text : strings) all.push_back(text.data());
  all.push_back(nullptr);
  return all;
}

// In the child, between fork and exec: nothing here may allocate, other threads held locks.
[[noreturn]] void become(const Command &command, char *const *argv, char *const *envp,
                         const Pipe &out, const Pipe &err, pid_t parent) {
  (void)setpgid(0, 0);                     // ignoring: a fresh child can always lead a group
  (void)prctl(PR_SET_PDEATHSIG, SIGKILL);  // ignoring: a convenience when the test itself dies
  if (getppid() != parent) _exit(127);
  const int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
  const bool ready = null >= 0 && dup2(null, 0) == 0 && dup2(out.write.get(), 1) == 1 &&
                     dup2(err.write.get(), 2) == 2 &&
                     (command.cwd.empty() || chdir(command.cwd.c_str()) == 0);
  if (ready) {
    (void)std::signal(SIGPIPE, SIG_DFL);  // ignored signals survive exec
    execve(command.program.c_str(), argv, envp);
  }
  _exit(127);
}

}  // namespace

std::ostream &operator<<(std::ostream &out, const Exit &exit) {
  return out << (exit.signalled ? "signal " : "exit ") << exit.code;
}

Process::Process(const Command &command) : name_(command.program) {
  Pipe out = make_pipe();
  Pipe err = make_pipe();
  std::vector<std::string> args = command.args;
  args.insert(args.begin(), command.program);
  std::vector<std::string> env = environment(command);
  const std::vector<char *> argv = pointers(args);
  const std::vector<char *> envp = pointers(env);
  if (access(command.program.c_str(), X_OK) != 0) HF_FAIL("no such program: " + command.program);
  const pid_t parent = getpid();
  pid_ = fork();
  if (pid_ < 0) HF_FAIL(std::string("fork: ") + std::strerror(errno));
  if (pid_ == 0) become(command, argv.data(), envp.data(), out, err, parent);
  (void)setpgid(pid_, pid_);  // ignoring: the child does it too; whoever comes first
  pidfd_.reset(static_cast<int>(syscall(SYS_pidfd_open, pid_, 0)));
  if (!pidfd_) HF_FAIL(std::string("pidfd_open: ") + std::strerror(errno));
  reader_ = std::thread([this, read_out = std::move(out.read), read_err = std::move(err.read)] {
    read_output(read_out, read_err);
  });
}

Process::~Process() {
  kill();
  reader_.join();
  // No test asks a daemon for what its sandbox refuses, so the list of what it may do has a gap:
  // the whole test fails, since a destructor has no other way to say so.
  if (everything().find("event=syscall_refused") == std::string::npos) return;
  (void)std::fprintf(stderr, "the sandbox refused a system call:\n%s\n", everything().c_str());
  std::abort();
}

void Process::kill() {
  if (!exit_) {
    (void)::kill(-pid_, SIGKILL);  // ignoring: it may just have ended
    (void)wait_exit();
    return;
  }
  // The program is gone and its pid may be another's by now; a child it left behind is still in the
  // group, and as long as one is, the group's number is not given away.
  const std::lock_guard lock(mutex_);
  if (!output_ended_) (void)::kill(-pid_, SIGKILL);  // ignoring: as above
}

void Process::signal(int number) const {
  HF_CHECK(!exit_);
  HF_EQ(::kill(pid_, number), 0);
}

bool Process::running() const {
  pollfd watch{pidfd_.get(), POLLIN, 0};
  return !exit_ && ::poll(&watch, 1, 0) == 0;
}

Exit Process::wait_exit(Millis timeout) {
  if (exit_) return *exit_;
  const Deadline deadline(timeout);
  pollfd watch{pidfd_.get(), POLLIN, 0};
  while (::poll(&watch, 1, deadline.left_ms()) <= 0) {
    if (!deadline.over()) continue;
    const std::lock_guard lock(mutex_);
    HF_FAIL(name_ + " did not end; its output:\n" + everything());
  }
  int status = 0;
  HF_EQ(waitpid(pid_, &status, 0), pid_);
  exit_ = WIFSIGNALED(status) ? Exit{true, WTERMSIG(status)} : Exit{false, WEXITSTATUS(status)};
  std::unique_lock lock(mutex_);
  // Its last words may still be in the pipe. Children that outlive it hold the pipe open: then what
  // came so far has to do.
  (void)changed_.wait_for(lock, std::min(deadline.left(), Millis{1000}),
                          [this] { return output_ended_; });
  return *exit_;
}

std::string Process::wait_for_line(std::string_view text, Millis timeout, size_t from) {
  std::unique_lock lock(mutex_);
  std::string found;
  size_t seen = from;
  const auto look = [&] {
    for (; seen < lines_.size(); ++seen) {
      if (lines_[seen].find(text) == std::string::npos) continue;
      found = lines_[seen];
      return true;
    }
    return output_ended_;
  };
  (void)changed_.wait_for(lock, timeout, look);  // ignoring: found tells
  if (found.find(text) == std::string::npos || found.empty()) {
    HF_FAIL(name_ + " did not say \"" + std::string(text) + "\"; its output:\n" + everything());
  }
  return found;
}

size_t Process::lines_count() const {
  const std::lock_guard lock(mutex_);
  return lines_.size();
}

size_t Process::count_lines(std::string_view text) const {
  const std::lock_guard lock(mutex_);
  return static_cast<size_t>(std::count_if(lines_.begin(), lines_.end(), [&](const auto &line) {
    return line.find(text) != std::string::npos;
  }));
}

void Process::read_output(const UniqueFd &out, const UniqueFd &err) {
  std::array<pollfd, 2> watch = {pollfd{out.get(), POLLIN, 0}, pollfd{err.get(), POLLIN, 0}};
  std::vector<char> buffer(size_t{64} * 1024);
  while (watch[0].fd >= 0 || watch[1].fd >= 0) {
    if (::poll(watch.data(), watch.size(), -1) < 0) continue;
    for (size_t i = 0; i < watch.size(); ++i) {
      if (watch[i].fd < 0 || watch[i].revents == 0) continue;
      const ssize_t n = read(watch[i].fd, buffer.data(), buffer.size());
      if (n > 0) {
        take(static_cast<int>(i), {buffer.data(), static_cast<size_t>(n)});
      } else {
        watch[i].fd = -1;
      }
    }
  }
  const std::lock_guard lock(mutex_);
  output_ended_ = true;
  changed_.notify_all();
}

void Process::take(int which, std::string_view bytes) {
  const std::lock_guard lock(mutex_);
  text_[which] += bytes;
  std::string &partial = partial_[which];
  for (const char c : bytes) {
    if (c != '\n') {
      partial += c;
      continue;
    }
    lines_.push_back(std::exchange(partial, {}));
  }
  changed_.notify_all();
}

std::string Process::text_of(int which) const {
  const std::lock_guard lock(mutex_);
  return text_[which];
}

std::string Process::everything() const { return text_[0] + text_[1]; }

Finished run(const Command &command, Millis timeout) {
  Process process(command);
  const Exit exit = process.wait_exit(timeout);
  return {exit, process.out(), process.err()};
}

}  // namespace holdfast::test
