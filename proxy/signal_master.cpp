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

constexpr int kAnswerMaxMs = 10'000;

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
int ask_reload(const Config &config) {
  const std::string path = config.pid_path + ".ctl";
  Result<UniqueFd> fd = unix_connect(path);
  if (!fd) return fail(fd.error().message + ": is it running?");
  constexpr std::string_view kWord = "reload\n";
  if (::write(fd->get(), kWord.data(), kWord.size()) < 0) return fail("cannot ask the master");
  std::string answer;
  for (;;) {
    pollfd waiting{fd->get(), POLLIN, 0};
    if (::poll(&waiting, 1, kAnswerMaxMs) <= 0) return fail("the master did not answer in time");
    std::array<char, 4096> bytes;
    const ssize_t n = ::read(fd->get(), bytes.data(), bytes.size());
    if (n < 0 && errno == EAGAIN) continue;
    if (n <= 0) break;
    answer.append(bytes.data(), static_cast<size_t>(n));
  }
  const bool ok = answer.starts_with("ok\n");
  const size_t end = answer.find('\n');
  const std::string rest = end == std::string::npos ? std::string() : answer.substr(end + 1);
  (void)std::fprintf(
      stderr, "%s%s", rest.c_str(),
      ok ? "" : "holdfast-proxy: [error] reload refused, the old configuration still serves\n");
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
      break;
  }
  return ask_reload(config);
}

}  // namespace holdfast::proxy
