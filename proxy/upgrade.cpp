#include "proxy/upgrade.h"

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <utility>

#include "common/descriptors.h"
#include "common/log.h"

namespace holdfast::proxy {
namespace {

// Its last words, and how it ended, are on their way when its end of the channel closes.
constexpr Millis kLastWords{1000};

std::string how_it_ended(int status) {
  const bool signalled = WIFSIGNALED(status);
  return std::string("the new process ended before it took over (") +
         (signalled ? "signal " : "exit ") +
         std::to_string(signalled ? WTERMSIG(status) : WEXITSTATUS(status)) + ")";
}

std::string lines(std::string text) {
  if (!text.empty() && text.back() != '\n') text += '\n';
  return text;
}

}  // namespace

Upgrade::Upgrade(event_base *base, Owner &owner, Launch launch, Millis patience)
    : base_(base),
      owner_(owner),
      launch_(std::move(launch)),
      patience_(patience),
      late_(make_event(base, -1, 0, on_late_c, this)) {}

Upgrade::~Upgrade() {
  const bool called_off = under_way() && pid_ > 0;
  if (called_off) (void)::kill(pid_, SIGKILL);  // ignoring: it is gone already
}

void Upgrade::start(Waiter done) {
  waiter_ = std::move(done);
  state_ = State::starting;
  keys_given_ = false;
  if (!spawn()) return;
  log_info("event=upgrade_started pid={} program={}", pid_, quoted(launch_.program));
  add_timer(late_.get(), patience_);
}

bool Upgrade::spawn() {
  Result<std::pair<UniqueFd, UniqueFd>> pair = make_framed_channel();
  if (!pair) return fail(pair.error().message);
  // A signal that met our handlers in the child would be told to us, and lost to it.
  sigset_t all;
  sigset_t ours;
  (void)::sigfillset(&all);
  (void)::sigprocmask(SIG_BLOCK, &all, &ours);  // ignoring: fails only for what is no mask
  const pid_t pid = ::fork();
  const int error = errno;
  if (pid == 0) become(pair->second.get(), ours);
  (void)::sigprocmask(SIG_SETMASK, &ours, nullptr);  // ignoring: as above
  if (pid < 0) return fail(std::string("fork: ") + std::strerror(error));
  pid_ = pid;
  channel_ = std::move(pair->first);
  channel_event_ = make_event(base_, channel_.get(), EV_READ | EV_PERSIST, on_channel_c, this);
  (void)event_add(channel_event_.get(), nullptr);  // ignoring: fails only without memory for epoll
  return true;
}

// In the child. Only the channel goes with it: a lock, a listener or the connection of whoever
// waits for an answer would outlive us in a process that does not know of it.
void Upgrade::become(int channel, const sigset_t &mask) const {
  // The loop's handlers write into a pipe the parent reads; what has come since the fork counts.
  for (const int signal : {SIGTERM, SIGINT, SIGQUIT, SIGHUP, SIGUSR1, SIGUSR2, SIGWINCH, SIGCHLD})
    (void)std::signal(signal, SIG_DFL);
  (void)::sigprocmask(SIG_SETMASK, &mask, nullptr);  // ignoring: a mask of ours
  // Where we were started without a stdin the pair may have its number, and there it says nothing.
  const int passed_on = ::fcntl(channel, F_DUPFD, STDERR_FILENO + 1);
  const std::array keep{passed_on};
  close_descriptors_except(keep);
  std::vector<std::string> args = launch_.args;
  std::vector<char *> argv;
  argv.reserve(args.size() + 1);
  for (std::string &arg : args) argv.push_back(arg.data());
  argv.push_back(nullptr);
  const bool passed =
      passed_on >= 0 && ::setenv(kUpgradeVariable, std::to_string(passed_on).c_str(), 1) == 0;
  if (passed) (void)::execv(launch_.program.c_str(), argv.data());  // returns only when it failed
  const std::string why = "cannot execute " + launch_.program + ": " + std::strerror(errno);
  (void)say(passed_on, UpgradeWord::failed, 0, why);  // ignoring: our exit says as much
  std::_Exit(127);
}

void Upgrade::on_channel() {
  while (channel_event_) {
    Result<std::optional<UpgradeMessage>> got = receive_framed<UpgradeWord>(channel_.get());
    if (!got) {
      channel_event_.reset();
      if (state_ == State::starting || state_ == State::handing) add_timer(late_.get(), kLastWords);
      return;
    }
    if (!*got || !on_message(**got)) return;
  }
}

// False: it is over, one way or the other.
bool Upgrade::on_message(const UpgradeMessage &message) {
  if (state_ == State::undoing) return true;  // said before it heard
  if (state_ == State::done) {
    if (message.word == UpgradeWord::sessions) owner_.inherit_sessions(message);
    return true;
  }
  switch (message.word) {
    case UpgradeWord::listeners_wanted:
      return give_listeners(message.number);
    case UpgradeWord::serving:
      return give_keys();
    case UpgradeWord::took_over:
      took_over(message);
      return false;
    case UpgradeWord::failed:
      return fail(message.text);
    default:
      return fail("the new process speaks of what this one does not know");
  }
}

bool Upgrade::give_listeners(int64_t version) {
  if (version != kUpgradeVersion) {
    return fail("the new program's way to upgrade is version " + std::to_string(version) +
                ", this one's is " + std::to_string(kUpgradeVersion) + "; stop and start it");
  }
  Result<void> sent;
  for (const ListenerSockets &listener : owner_.listeners()) {
    for (size_t at = 0; sent && at < listener.fds.size(); at += kFrameFdsMax) {
      const size_t end = std::min(listener.fds.size(), at + kFrameFdsMax);
      const auto begin = listener.fds.begin();
      sent =
          say(channel_.get(), UpgradeWord::listener, 0, listener.text,
              {begin + static_cast<std::ptrdiff_t>(at), begin + static_cast<std::ptrdiff_t>(end)});
    }
  }
  if (sent) sent = say(channel_.get(), UpgradeWord::listeners_end, owner_.workers_count());
  return sent ? true : fail(sent.error().message);
}

bool Upgrade::give_keys() {
  state_ = State::handing;
  const MasterKeys keys = owner_.keys();
  keys_given_ = true;
  const Result<void> sent = say(channel_.get(), UpgradeWord::keys, 0, keys.pid_path, keys.fds);
  return sent ? true : fail(sent.error().message);
}

void Upgrade::took_over(const UpgradeMessage &message) {
  if (state_ != State::handing) {
    (void)fail("the new process took what it was not given");
    return;
  }
  state_ = State::done;
  (void)event_del(late_.get());  // ignoring: deleting cannot fail here
  log_info("event=upgraded successor={} detail=\"it serves; what this one has begun it finishes\"",
           pid_);
  tell({true, "process " + std::to_string(pid_) + " serves, process " + std::to_string(::getpid()) +
                  " finishes what it has begun\n" + lines(message.text)});
  owner_.handed_over(message.number != 0);
}

void Upgrade::bequeath(const std::string &lines, int file) {
  if (state_ != State::done) return;
  const Result<void> sent = say(channel_.get(), UpgradeWord::sessions, 0, lines,
                                file < 0 ? std::vector<int>{} : std::vector<int>{file});
  if (!sent) log_warn("event=sessions_kept detail={}", quoted(sent.error().message));
}

void Upgrade::on_late() {
  if (state_ == State::undoing) {
    if (pid_ > 0) (void)::kill(pid_, SIGKILL);  // ignoring: it is gone already
    return;
  }
  // What it has said by now counts.
  on_channel();
  if (state_ != State::starting && state_ != State::handing) return;
  (void)fail(channel_event_ ? "the new process did not serve within " +
                                  std::to_string(patience_.count() / 1000) + " s"
                            : std::string("the new process broke off"));
}

void Upgrade::abort(const std::string &why) {
  if (!under_way()) return;
  if (state_ != State::undoing) (void)fail(why);
  tell({false, lines(why)});
}

// False always, for whoever calls it last. Whoever waits is told when the new process is gone, so
// that a next upgrade may follow at once.
bool Upgrade::fail(const std::string &why) {
  log_error("event=upgrade_failed detail={} hint=\"this one serves on\"", quoted(why, 4096));
  state_ = State::undoing;
  why_ = why;
  if (pid_ <= 0) {
    settle();
    return false;
  }
  (void)say(channel_.get(), UpgradeWord::abort, 0, why);  // ignoring: it may be gone
  (void)::kill(pid_, SIGTERM);                            // ignoring: as above
  add_timer(late_.get(), kUndoPatience);
  return false;
}

bool Upgrade::on_child_exit(pid_t pid, int status) {
  if (pid_ <= 0 || pid != pid_) return false;
  if (state_ == State::starting || state_ == State::handing) on_channel();  // its last words
  pid_ = -1;
  if (state_ == State::starting || state_ == State::handing) {
    (void)fail(how_it_ended(status));
  } else if (state_ == State::undoing) {
    settle();
  }
  return true;
}

void Upgrade::settle() {
  (void)event_del(late_.get());  // ignoring: deleting cannot fail here
  channel_event_.reset();
  channel_.reset();
  if (keys_given_) owner_.take_keys_back();
  state_ = State::idle;
  tell({false, lines(why_)});
}

void Upgrade::tell(const Outcome &outcome) {
  const Waiter waiter = std::exchange(waiter_, nullptr);
  if (waiter) waiter(outcome);
}

void Upgrade::on_channel_c(evutil_socket_t, short, void *self) noexcept {
  static_cast<Upgrade *>(self)->on_channel();
}
void Upgrade::on_late_c(evutil_socket_t, short, void *self) noexcept {
  static_cast<Upgrade *>(self)->on_late();
}

}  // namespace holdfast::proxy
