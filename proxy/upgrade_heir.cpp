#include "proxy/upgrade_heir.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <charconv>
#include <climits>
#include <cstdlib>
#include <cstring>

#include "common/log.h"
#include "common/unix_channel.h"

namespace holdfast::proxy {
namespace {

constexpr Millis kAskPatience{10'000};  // it has only to write what it holds

// A SOCK_SEQPACKET pair our parent made: only who forked us could pass that.
bool made_by_parent(int fd) {
  int type = 0;
  socklen_t bytes = sizeof type;
  return ::getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &bytes) == 0 && type == SOCK_SEQPACKET &&
         peer_credentials(fd).pid == ::getppid();
}

}  // namespace

int parse_upgrade_fd(const char *text) noexcept {
  int fd = -1;
  const char *const end = text + std::strlen(text);
  const auto [stop, error] = std::from_chars(text, end, fd);
  const bool whole = error == std::errc{} && stop == end;
  return whole && fd > STDERR_FILENO ? fd : -1;
}

Result<std::unique_ptr<Heir>> Heir::from_environment() {
  const char *const text = std::getenv(kUpgradeVariable);
  if (text == nullptr) return std::unique_ptr<Heir>{};
  const std::string given = text;
  (void)::unsetenv(kUpgradeVariable);  // ignoring: fails only for names that are none
  const int fd = parse_upgrade_fd(given.c_str());
  if (fd < 0 || !made_by_parent(fd)) {
    return Error{Errc::config, 0,
                 std::string(kUpgradeVariable) + "=" + given +
                     " is not from a running proxy that is upgraded; unset it"};
  }
  auto heir = std::make_unique<Heir>(UniqueFd(fd));
  (void)::fcntl(fd, F_SETFD, FD_CLOEXEC);  // ignoring: it is open
  return heir;
}

Result<Heir::Estate> Heir::ask() {
  const Result<void> asked =
      say(channel_.get(), UpgradeWord::listeners_wanted, kUpgradeVersion, {}, {});
  if (!asked) return asked.error();
  const SystemClock clock;
  const MonoTime due = clock.now() + kAskPatience;
  Estate estate;
  for (;;) {
    Result<std::optional<UpgradeMessage>> got = receive_framed<UpgradeWord>(channel_.get());
    if (!got) return got.error();
    if (*got) {
      const Result<bool> whole = collect(**got, estate);
      if (!whole) return whole.error();
      if (*whole) return estate;
      continue;
    }
    const auto left = std::chrono::duration_cast<Millis>(due - clock.now());
    if (left <= Millis{0}) return Error{Errc::io, 0, "the old process does not hand over"};
    pollfd readable{channel_.get(), POLLIN, 0};
    (void)::poll(&readable, 1, static_cast<int>(left.count()));  // ignoring: the read tells
  }
}

// True: that was all.
Result<bool> Heir::collect(UpgradeMessage &message, Estate &estate) const {
  switch (message.word) {
    case UpgradeWord::listener:
      if (message.fds.empty()) return Error{Errc::limit, 0, "no descriptors left for listeners"};
      estate.listeners.push_back({std::move(message.text), std::move(message.fds)});
      return false;
    case UpgradeWord::listeners_end:
      if (message.number < 1 || message.number > UINT_MAX)
        return Error{Errc::protocol, 0, "the old process names no number of workers"};
      estate.workers = static_cast<unsigned>(message.number);
      return true;
    case UpgradeWord::abort:
      return Error{Errc::refused, 0, message.text};
    default:
      return Error{Errc::protocol, 0, "the old process speaks of what this one does not know"};
  }
}

int Heir::fail(const std::string &why) {
  (void)say(channel_.get(), UpgradeWord::failed, 0, why);  // ignoring: our end says as much
  return 1;
}

void Heir::watch(event_base *base, Owner &owner) {
  owner_ = &owner;
  event_ = make_event(base, channel_.get(), EV_READ | EV_PERSIST, on_channel_c, this);
  (void)event_add(event_.get(), nullptr);  // ignoring: fails only without memory for epoll
}

void Heir::serving() {
  if (serving_) return;
  serving_ = true;
  if (alone_) return take({});
  (void)say(channel_.get(), UpgradeWord::serving);  // ignoring: on_channel sees why
}

void Heir::tell(const std::string &lines) {
  if (!in_charge_ || !channel_) return;
  (void)say(channel_.get(), UpgradeWord::sessions, 0, lines);  // ignoring: it is about to end
}

void Heir::on_channel() {
  while (event_) {
    Result<std::optional<UpgradeMessage>> got = receive_framed<UpgradeWord>(channel_.get());
    if (!got) {
      event_.reset();
      channel_.reset();
      if (in_charge_) return owner_->predecessor_over();
      alone_ = true;
      log_error("event=predecessor_lost detail=\"it has crashed; taking over alone\"");
      if (serving_) take({});
      return;
    }
    if (!*got) return;
    UpgradeMessage &message = **got;
    if (message.word == UpgradeWord::keys) {
      take({std::move(message.text), std::move(message.fds)});
    } else if (message.word == UpgradeWord::sessions && in_charge_) {
      owner_->inherit_sessions(message);
    } else if (message.word == UpgradeWord::abort) {
      event_.reset();
      owner_->give_up(message.text);
    }
  }
}

void Heir::take(Keys keys) {
  const Result<Taken> taken = owner_->take_over(std::move(keys));
  if (!taken) {
    event_.reset();
    (void)fail(taken.error().message);
    owner_->give_up(taken.error().message);
    return;
  }
  in_charge_ = true;
  (void)say(channel_.get(), UpgradeWord::took_over, taken->with_keys ? 1 : 0,
            taken->notes);  // ignoring: it has crashed, which the next read tells
  if (alone_) owner_->predecessor_over();
}

void Heir::on_channel_c(evutil_socket_t, short, void *self) noexcept {
  static_cast<Heir *>(self)->on_channel();
}

}  // namespace holdfast::proxy
