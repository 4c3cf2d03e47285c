#include "sessiond/signal_command.h"

#include <poll.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <string>

#include "common/clock.h"
#include "common/daemon.h"
#include "common/unix_channel.h"

namespace holdfast::sessiond {
namespace {

// A reload waits for the proxies as well, each of which has the core's kCommandPatience.
constexpr Millis kAnswerDeadline{20'000};

int fail(const std::string &message) {
  (void)std::fprintf(stderr, "holdfast-sessiond: %s\n", message.c_str());
  return 1;
}

// The running daemon: by its pid file, else by asking the kernel who listens on a socket of it.
Result<pid_t> running_daemon(const Config &config) {
  if (!config.pid_path.empty()) return read_pid_file(config.pid_path);
  const auto fd = unix_connect(config.control_socket.path);
  if (!fd) return Error{Errc::not_found, 0, "not running: " + fd.error().message};
  const PeerCredentials peer = peer_credentials(fd->get());
  if (peer.pid <= 1) return Error{Errc::not_found, 0, "the kernel does not tell who is running"};
  return peer.pid;
}

int kill_daemon(const Config &config, int number) {
  const auto pid = running_daemon(config);
  if (!pid) return fail(pid.error().message);
  if (::kill(*pid, number) == 0) return 0;
  return fail("cannot signal process " + std::to_string(*pid) + ": " + std::strerror(errno));
}

// Waits until the socket is ready for `what`, within the deadline.
bool wait_for(const UniqueFd &fd, short what, MonoTime deadline) {
  const Millis left = deadline - SystemClock().now();
  pollfd look{fd.get(), what, 0};
  return left.count() > 0 && ::poll(&look, 1, static_cast<int>(left.count())) > 0;
}

// One command on the admin socket and its whole answer: without a prompt the server closes after
// it.
Result<std::string> ask_admin(const std::string &path, std::string_view command) {
  const auto fd = unix_connect(path);
  if (!fd) return Error{Errc::not_found, 0, "not running: " + fd.error().message};
  const MonoTime deadline = SystemClock().now() + kAnswerDeadline;
  const std::string line = std::string(command) + "\n";
  if (::send(fd->get(), line.data(), line.size(), MSG_NOSIGNAL) !=
      static_cast<ssize_t>(line.size())) {
    return Error{Errc::io, errno, "the daemon does not take commands on " + path};
  }
  std::string answer;
  std::array<char, 4096> piece{};
  while (wait_for(*fd, POLLIN, deadline)) {
    const ssize_t n = ::recv(fd->get(), piece.data(), piece.size(), 0);
    if (n == 0) return answer;
    if (n > 0) answer.append(piece.data(), static_cast<size_t>(n));
    if (n < 0 && errno != EINTR && errno != EAGAIN) break;
  }
  return Error{Errc::io, 0, "no answer from the daemon on " + path};
}

int reload(const Config &config) {
  if (config.admin_socket.path.empty()) {
    const int code = kill_daemon(config, SIGHUP);
    if (code == 0) {
      (void)std::fputs(
          "holdfast-sessiond: told to reload; without admin_socket only its log "
          "knows the outcome\n",
          stderr);
    }
    return code;
  }
  const auto answer = ask_admin(config.admin_socket.path, "reload");
  if (!answer) return fail(answer.error().message);
  const bool refused = answer->starts_with("error:");
  (void)std::fputs(answer->c_str(), refused ? stderr : stdout);
  return refused ? 1 : 0;
}

}  // namespace

int deliver_signal(const Config &config, DaemonSignal signal) {
  switch (signal) {
    case DaemonSignal::stop:
      return kill_daemon(config, SIGTERM);
    case DaemonSignal::quit:
      return kill_daemon(config, SIGQUIT);
    case DaemonSignal::reopen:
      return kill_daemon(config, SIGUSR1);
    case DaemonSignal::reload:
      return reload(config);
    case DaemonSignal::upgrade:
      return fail(
          "upgrade is for holdfast-proxy: this one may be stopped and started at any time, its "
          "proxies serve on and tell it what they hold");
  }
  return 1;
}

}  // namespace holdfast::sessiond
