#include "tests/bench/tools/sockets.h"

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>
#include <ctime>

#include "tests/bench/tools/options.h"

namespace holdfast::bench {
namespace {

const sockaddr *generic(const sockaddr_in &address) {
  return static_cast<const sockaddr *>(static_cast<const void *>(&address));
}

void turn_on(int fd, int level, int option) {
  const int on = 1;
  (void)::setsockopt(fd, level, option, &on, sizeof on);  // ignoring: shows in the figures
}

UniqueFd tcp_socket() {
  return UniqueFd(::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
}

}  // namespace

uint64_t now_ns() {
  timespec time{};
  (void)::clock_gettime(CLOCK_MONOTONIC, &time);  // ignoring: cannot fail for this clock
  return static_cast<uint64_t>(time.tv_sec) * 1'000'000'000U + static_cast<uint64_t>(time.tv_nsec);
}

size_t raise_nofile() {
  rlimit limit{};
  (void)::getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max;
  (void)::setrlimit(RLIMIT_NOFILE, &limit);  // ignoring: what is in force is asked next
  (void)::getrlimit(RLIMIT_NOFILE, &limit);
  return limit.rlim_cur;
}

sockaddr_in inet_address(const std::string &host, uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  if (::inet_pton(AF_INET, host.c_str(), &address.sin_addr) != 1) {
    die("not an IPv4 address: %s", host.c_str());
  }
  return address;
}

void set_nodelay(int fd) { turn_on(fd, IPPROTO_TCP, TCP_NODELAY); }

UniqueFd listen_tcp(const std::string &host, uint16_t port) {
  constexpr int kBacklog = 4096;
  UniqueFd fd = tcp_socket();
  if (!fd) die("socket: %s", std::strerror(errno));
  turn_on(fd.get(), SOL_SOCKET, SO_REUSEADDR);
  const sockaddr_in address = inet_address(host, port);
  if (::bind(fd.get(), generic(address), sizeof address) != 0) {
    die("bind %s:%u: %s", host.c_str(), port, std::strerror(errno));
  }
  if (::listen(fd.get(), kBacklog) != 0) die("listen: %s", std::strerror(errno));
  return fd;
}

uint16_t local_port(int fd) {
  sockaddr_in address{};
  socklen_t bytes = sizeof address;
  auto *generic_address = static_cast<sockaddr *>(static_cast<void *>(&address));
  if (::getsockname(fd, generic_address, &bytes) != 0) die("getsockname: %s", std::strerror(errno));
  return ntohs(address.sin_port);
}

UniqueFd accept_tcp(int listener) {
  UniqueFd fd(::accept4(listener, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
  if (fd) set_nodelay(fd.get());
  return fd;
}

UniqueFd connect_tcp(const sockaddr_in &to, const ConnectOptions &options) {
  UniqueFd fd = tcp_socket();
  if (!fd) return {};
  set_nodelay(fd.get());
  if (options.receive_buffer > 0) {
    (void)::setsockopt(fd.get(), SOL_SOCKET, SO_RCVBUF, &options.receive_buffer,
                       sizeof options.receive_buffer);  // ignoring: shows in the figures
  }
  if (options.source != 0) {
    turn_on(fd.get(), IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT);
    sockaddr_in from{};
    from.sin_family = AF_INET;
    from.sin_addr.s_addr = htonl(INADDR_LOOPBACK + options.source);
    if (::bind(fd.get(), generic(from), sizeof from) != 0) return {};
  }
  if (::connect(fd.get(), generic(to), sizeof to) != 0 && errno != EINPROGRESS) return {};
  return fd;
}

int make_epoll() {
  const int epoll = ::epoll_create1(EPOLL_CLOEXEC);
  if (epoll < 0) die("epoll_create1: %s", std::strerror(errno));
  return epoll;
}

void epoll_set(int epoll, int operation, int fd, uint32_t events, void *self) {
  epoll_event event{};
  event.events = events;
  event.data.ptr = self;
  if (::epoll_ctl(epoll, operation, fd, &event) != 0) die("epoll_ctl: %s", std::strerror(errno));
}

}  // namespace holdfast::bench
