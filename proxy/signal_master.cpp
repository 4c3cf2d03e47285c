// `holdfast-proxy -s …`: a second process that speaks to the running master.
#include <poll.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>

#include "proxy/master.h"

namespace holdfast::proxy {
namespace {

// A reload's is due within 5 s; an upgrade that fails is told when the new process is gone.
constexpr int kReloadAnswerMaxMs = 10'000;
constexpr int kUpgradeAnswerMaxMs =
    static_cast<int>((kUpgradePatience + kUndoPatience).count()) + 10'000;

int fail(const std::string &message) {
  (void)std::fprintf(stderr, "holdfast-proxy: [error] %s\n", message.c_str());
  return 1;
}

int send_signal(const Config &config, int signal) {
  const Result<pid_t> pid = read_pid_file(config.pid_path);
  if (!pid) return fail(pid.error().message);
  if (::kill(*pid, signal) != 0)
    return fail(std::string("cannot signal the master: ") + std::strerror(errno));
  return 0;
}

// Asks over the control socket and waits for the outcome.
int ask(const Config &config, DaemonSignal what) {
  const bool upgrade = what == DaemonSignal::upgrade;
  const std::string path = config.pid_path + ".ctl";
  Result<UniqueFd> fd = unix_connect(path);
  if (!fd) return fail(fd.error().message + ": is it running?");
  const std::string word = std::string(to_word(what)) + "\n";
  if (::write(fd->get(), word.data(), word.size()) < 0) return fail("cannot ask the master");
  std::string answer;
  for (;;) {
    pollfd waiting{fd->get(), POLLIN, 0};
    if (::poll(&waiting, 1, upgrade ? kUpgradeAnswerMaxMs : kReloadAnswerMaxMs) <= 0)
      return fail("the master did not answer in time");
    std::array<char, 4096> bytes;
    const ssize_t n = ::read(fd->get(), bytes.data(), bytes.size());
    if (n < 0 && errno == EAGAIN) continue;
    if (n <= 0) break;
    answer.append(bytes.data(), static_cast<size_t>(n));
  }
  if (answer.empty()) return fail("the master ended without an answer");
  const bool ok = answer.starts_with("ok\n");
  const size_t end = answer.find('\n');
  const std::string rest = end == std::string::npos ? std::string() : answer.substr(end + 1);
  if (ok && upgrade) (void)std::fputs("ok\n", stdout);
  const char *const refused =
      upgrade ? "holdfast-proxy: [error] not upgraded, the old one still serves\n"
              : "holdfast-proxy: [error] reload refused, the old configuration still serves\n";
  (void)std::fprintf(stderr, "%s%s", rest.c_str(), ok ? "" : refused);
  return ok ? 0 : 1;
}

}  // namespace

int signal_master(const Config &config, DaemonSignal signal) {
  if (config.pid_path.empty()) return fail("-s needs a pid file: none is configured");
  switch (signal) {
    case DaemonSignal::stop:
      return send_signal(config, SIGTERM);
    case DaemonSignal::quit:
      return send_signal(config, SIGQUIT);
    case DaemonSignal::reopen:
      return send_signal(config, SIGUSR1);
    case DaemonSignal::reload:
    case DaemonSignal::upgrade:
      break;
  }
  return ask(config, signal);
}

}  // namespace holdfast::proxy
