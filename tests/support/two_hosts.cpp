#include "tests/support/two_hosts.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <string>
#include <vector>

#include "tests/support/hf_test.h"

namespace holdfast::test {
namespace {

UniqueFd this_network() { return UniqueFd(::open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC)); }

// The calling thread is on the given host until the end of the block.
class On {
 public:
  explicit On(const UniqueFd &host) : back_(this_network()) {
    HF_EQ(::setns(host.get(), CLONE_NEWNET), 0);
  }
  ~On() { (void)::setns(back_.get(), CLONE_NEWNET); }  // ignoring: the next connection fails
  On(const On &) = delete;
  On &operator=(const On &) = delete;

 private:
  UniqueFd back_;
};

// Runs ip with these arguments on the host the thread is on.
bool ip(const std::string &arguments) {
  std::vector<std::string> words{"ip"};
  for (size_t at = 0; at < arguments.size();) {
    const size_t end = std::min(arguments.find(' ', at), arguments.size());
    words.push_back(arguments.substr(at, end - at));
    at = end + 1;
  }
  std::vector<char *> argv;
  for (std::string &word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  const pid_t child = ::fork();
  if (child == 0) {
    ::execvp(argv[0], argv.data());
    ::_exit(127);
  }
  int status = 0;
  const bool ran = child > 0 && ::waitpid(child, &status, 0) == child && status == 0;
  if (!ran) (void)std::fprintf(stderr, "failed: ip %s\n", arguments.c_str());
  return ran;
}

bool write_file(const char *path, const std::string &text) {
  const UniqueFd fd(::open(path, O_WRONLY | O_CLOEXEC));
  return fd && ::write(fd.get(), text.data(), text.size()) == static_cast<ssize_t>(text.size());
}

// Root of a user namespace may make networks where the machine's root is somebody else.
bool become_root() {
  if (::geteuid() == 0) return true;
  const std::string uid = std::to_string(::getuid());
  const std::string gid = std::to_string(::getgid());
  return ::unshare(CLONE_NEWUSER) == 0 && write_file("/proc/self/setgroups", "deny") &&
         write_file("/proc/self/uid_map", "0 " + uid + " 1") &&
         write_file("/proc/self/gid_map", "0 " + gid + " 1");
}

}  // namespace

std::optional<TwoHosts> TwoHosts::enter() {
  TwoHosts hosts;
  if (!become_root() || ::unshare(CLONE_NEWNET) != 0) {
    (void)std::fprintf(stderr, "no network namespaces here: %s\n", std::strerror(errno));
    return std::nullopt;
  }
  if (!hosts.build()) return std::nullopt;
  return hosts;
}

// The far host is the network made first.
bool TwoHosts::build() {
  far_ = this_network();
  if (!ip("link set lo up") || ::unshare(CLONE_NEWNET) != 0) return false;
  near_ = this_network();
  const std::string far =
      "/proc/" + std::to_string(::getpid()) + "/fd/" + std::to_string(far_.get());
  const bool near_up = ip("link set lo up") && ip("link add hf-near type veth peer name hf-far") &&
                       ip("link set hf-far netns " + far) &&
                       ip("addr add 10.77.0.1/24 dev hf-near") && ip("link set hf-near up");
  if (!near_up) return false;
  const On there(far_);
  return ip("addr add 10.77.0.2/24 dev hf-far") && ip("link set hf-far up");
}

Connection TwoHosts::dial(uint16_t port) const {
  const On there(far_);
  return Connection::tcp(port, kNearHost);
}

void TwoHosts::cut() const {
  const On there(far_);
  HF_CHECK(ip("link set hf-far down"));
}

void TwoHosts::mend() const {
  const On there(far_);
  HF_CHECK(ip("link set hf-far up"));
}

}  // namespace holdfast::test
