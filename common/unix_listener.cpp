#include "common/unix_listener.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include "common/parent_folder.h"
#include "common/unix_address.h"

namespace holdfast {
namespace {

constexpr int kAcceptsPerTurn = 16;
constexpr std::chrono::milliseconds kDescriptorPause{100};
constexpr std::chrono::milliseconds kTroubleInterval{60'000};

Error failed(const std::string &what) {
  const int saved = errno;
  return Error{Errc::io, saved, what + ": " + std::strerror(saved)};
}

std::string holder_of(int lock_fd) {
  std::array<char, 32> text{};
  const ssize_t n = ::pread(lock_fd, text.data(), text.size() - 1, 0);
  const std::string pid(text.data(), n > 0 ? static_cast<size_t>(n) : 0);
  const bool plain = !pid.empty() && pid.find_first_not_of("0123456789\n") == std::string::npos;
  return plain ? "process " + pid.substr(0, pid.find('\n')) : "another process";
}

Result<void> sign(int lock_fd, const std::string &path) {
  const std::string pid = std::to_string(::getpid()) + "\n";
  if (::ftruncate(lock_fd, 0) != 0 || ::pwrite(lock_fd, pid.data(), pid.size(), 0) < 0) {
    return failed("cannot write lock file " + path);
  }
  return {};
}

// The lock file stays when we go: removing it would let two processes lock two different files.
Result<UniqueFd> take_lock(const std::string &socket_path) {
  const std::string path = socket_path + ".lock";
  UniqueFd fd(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!fd) return failed("cannot open lock file " + path);
  if (::flock(fd.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK) return failed("cannot lock " + path);
    return Error{Errc::busy, EWOULDBLOCK,
                 "socket " + socket_path + " is held by " + holder_of(fd.get())};
  }
  if (auto signed_by_us = sign(fd.get(), path); !signed_by_us) return signed_by_us.error();
  return fd;
}

Result<UniqueFd> listen_on(const SocketOptions &options, const UnixAddress &address) {
  UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd) return failed("socket");
  // Linux creates the path with the descriptor's mode, so it is never wider than asked, not even
  // for a moment; the chmod after it undoes what the umask took away.
  if (::fchmod(fd.get(), options.mode) != 0) return failed("cannot set the mode of a socket");
  if (::bind(fd.get(), address.get(), UnixAddress::bytes()) != 0)
    return failed("cannot bind " + options.path);
  if (::chmod(options.path.c_str(), options.mode) != 0) {
    return failed("cannot set the mode of " + options.path);
  }
  if (::listen(fd.get(), SOMAXCONN) != 0) return failed("cannot listen on " + options.path);
  return fd;
}

bool out_of_resources(int error) {
  return error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM;
}

}  // namespace

Result<void> remove_stale_socket(const std::string &path) {
  struct stat found {};
  if (::lstat(path.c_str(), &found) != 0) {
    if (errno == ENOENT) return {};
    return failed("cannot look at " + path);
  }
  if (!S_ISSOCK(found.st_mode)) {
    return Error{Errc::io, EEXIST, path + " exists and is not a socket"};
  }
  const auto connected = unix_connect(path);
  if (connected || connected.error().sys_errno == EAGAIN) {  // EAGAIN: its backlog is full
    return Error{Errc::busy, EADDRINUSE, "another process listens on " + path};
  }
  if (connected.error().sys_errno != ECONNREFUSED) return connected.error();
  if (::unlink(path.c_str()) != 0) return failed("cannot remove the stale socket " + path);
  return {};
}

UnixSocket::UnixSocket(SocketOptions options, UniqueFd listening, UniqueFd lock)
    : options_(std::move(options)), fd_(std::move(listening)), lock_(std::move(lock)) {}

Result<std::unique_ptr<UnixSocket>> UnixSocket::bind(const SocketOptions &options) {
  const auto address = UnixAddress::of(options.path);
  if (!address) return address.error();
  if (auto made = make_parent_folder(options.path); !made) return made.error();
  auto lock = take_lock(options.path);
  if (!lock) return std::move(lock).error();
  if (auto removed = remove_stale_socket(options.path); !removed) return removed.error();
  auto fd = listen_on(options, *address);
  if (!fd) return std::move(fd).error();
  return std::make_unique<UnixSocket>(options, *std::move(fd), *std::move(lock));
}

Result<std::unique_ptr<UnixSocket>> UnixSocket::inherit(const SocketOptions &options,
                                                        UniqueFd listening, UniqueFd lock) {
  auto socket = std::make_unique<UnixSocket>(options, std::move(listening), std::move(lock));
  const Result<void> ours = socket->sign_lock();
  if (ours) return socket;
  socket->leave_to_other();
  return ours.error();
}

Result<void> UnixSocket::sign_lock() { return sign(lock_.get(), options_.path + ".lock"); }

UnixSocket::~UnixSocket() {
  if (left_) return;
  (void)::unlink(options_.path.c_str());  // ignoring: the next start removes a stale one
}

PeerAccess access_by_uid(const PeerCredentials &peer, const SocketOptions &options) noexcept {
  if (peer.uid == static_cast<uid_t>(-1)) return PeerAccess::none;
  if (peer.uid == 0 || peer.uid == ::geteuid()) return PeerAccess::owner;
  const auto &listed = options.allow_uids;
  const bool found = std::find(listed.begin(), listed.end(), peer.uid) != listed.end();
  return found ? PeerAccess::listed : PeerAccess::none;
}

// As for files, a member of the group gets what the group has, even where others have more.
PeerAccess access_by_mode(mode_t mode, bool in_group) noexcept {
  if (in_group) return (mode & S_IWGRP) != 0 ? PeerAccess::group : PeerAccess::none;
  return (mode & S_IWOTH) != 0 ? PeerAccess::others : PeerAccess::none;
}

struct UnixListener::Impl {
  Impl(event_base *base, UnixSocket &bound, OnAccept accepted, OnTrouble troubled)
      : socket(bound),
        on_accept(std::move(accepted)),
        on_trouble(std::move(troubled)),
        accept_event(make_event(base, bound.fd(), EV_READ | EV_PERSIST, on_acceptable_c, this)),
        resume_event(make_event(base, -1, 0, on_resume_c, this)),
        quiet_event(make_event(base, -1, 0, on_quiet_over_c, this)) {
    on_resume();
  }

  void on_acceptable() {
    for (int i = 0; i < kAcceptsPerTurn; ++i) {
      UniqueFd fd(::accept4(socket.fd(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
      if (fd) {
        admit(std::move(fd));
      } else if (out_of_resources(errno)) {
        return pause();
      } else if (errno != EINTR && errno != ECONNABORTED) {
        return;  // EAGAIN, or a fault of one connection that the next accept does not see
      }
    }
  }

  void admit(UniqueFd fd) {
    const PeerCredentials peer = peer_credentials(fd.get());
    const PeerAccess access = access_of(peer, fd.get());
    if (access != PeerAccess::none) return on_accept(std::move(fd), peer, access);
    tell("refused a connection to " + socket.options().path + " from uid " +
         std::to_string(peer.uid) + ", pid " + std::to_string(peer.pid));
  }

  PeerAccess access_of(const PeerCredentials &peer, int fd) const {
    const PeerAccess access = access_by_uid(peer, socket.options());
    if (access != PeerAccess::none || !socket.options().mode_admits) return access;
    if (peer.uid == static_cast<uid_t>(-1)) return PeerAccess::none;
    struct stat file {};  // as it is now: its group and mode may have been changed since the start
    if (::stat(socket.options().path.c_str(), &file) != 0) return PeerAccess::none;
    return access_by_mode(file.st_mode, peer_in_group(fd, peer, file.st_gid));
  }

  void pause() {
    const Error why = failed("cannot accept on " + socket.options().path);
    (void)event_del(accept_event.get());  // ignoring: deleting cannot fail here
    add_timer(resume_event.get(), kDescriptorPause);
    tell(why.message);
  }

  void on_resume() {
    (void)event_add(accept_event.get(), nullptr);  // ignoring: fails only without memory for epoll
  }

  void tell(std::string sentence) {
    if (quiet) {
      ++untold;
      return;
    }
    quiet = true;
    add_timer(quiet_event.get(), kTroubleInterval);
    if (untold > 0) sentence += " (and " + std::to_string(untold) + " more before)";
    untold = 0;
    if (on_trouble) on_trouble(sentence);
  }

  void on_quiet_over() { quiet = false; }

  static void on_acceptable_c(evutil_socket_t, short, void *self) noexcept {
    static_cast<Impl *>(self)->on_acceptable();
  }
  static void on_resume_c(evutil_socket_t, short, void *self) noexcept {
    static_cast<Impl *>(self)->on_resume();
  }
  static void on_quiet_over_c(evutil_socket_t, short, void *self) noexcept {
    static_cast<Impl *>(self)->on_quiet_over();
  }

  UnixSocket &socket;
  OnAccept on_accept;
  OnTrouble on_trouble;
  bool quiet = false;   // a sentence was told less than a minute ago
  uint64_t untold = 0;  // since then
  EventPtr accept_event;
  EventPtr resume_event;
  EventPtr quiet_event;
};

UnixListener::UnixListener(event_base *base, UnixSocket &socket, OnAccept on_accept,
                           OnTrouble on_trouble)
    : impl_(std::make_unique<Impl>(base, socket, std::move(on_accept), std::move(on_trouble))) {}

UnixListener::~UnixListener() = default;

}  // namespace holdfast
