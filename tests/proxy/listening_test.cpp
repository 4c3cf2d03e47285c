// The master's listening sockets: one a worker, kept over reloads, and a clear word when an address
// is taken.
#include "proxy/listening.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <set>

#include "common/unix_channel.h"
#include "tests/support/deadline.h"
#include "tests/support/hf_test.h"
#include "tests/support/temp_dir.h"

using namespace holdfast;
using namespace holdfast::proxy;
using holdfast::test::kSoon;
using holdfast::test::TempDir;

namespace {

Listener on_port(uint16_t port, std::string_view ip = "127.0.0.1") {
  Listener listener;
  listener.address = *SocketAddress::numeric(ip, port);
  listener.text = listener.address.text();
  return listener;
}

Listener on_path(const std::string &path) {
  Listener listener;
  listener.address = *SocketAddress::unix_path(path);
  listener.text = "unix:" + path;
  return listener;
}

Config listening_on(std::vector<Listener> listeners) {
  Config config;
  config.listeners = std::move(listeners);
  return config;
}

bool exists(const std::string &path) { return access(path.c_str(), F_OK) == 0; }

bool has(std::string_view text, std::string_view part) {
  return text.find(part) != std::string_view::npos;
}

uint16_t port_of(const std::string &text) {
  return static_cast<uint16_t>(std::stoi(text.substr(text.rfind(':') + 1)));
}

// A port somebody listens on, without SO_REUSEPORT.
struct Busy {
  UniqueFd fd{::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
  uint16_t port = 0;
  Busy() {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t bytes = sizeof address;
    auto *raw = static_cast<sockaddr *>(static_cast<void *>(&address));
    if (::bind(fd.get(), raw, bytes) != 0 || ::listen(fd.get(), 8) != 0 ||
        ::getsockname(fd.get(), raw, &bytes) != 0) {
      throw std::runtime_error("a port of the test's own");
    }
    port = ntohs(address.sin_port);
  }
};

UniqueFd connect_to(uint16_t port) {
  UniqueFd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const SocketAddress address = *SocketAddress::numeric("127.0.0.1", port);
  if (::connect(fd.get(), address.get(), address.length_bytes()) != 0) fd.reset();
  return fd;
}

// How many of these sockets have a connection waiting, once one has.
size_t ready_count(const std::vector<int> &fds) {
  std::vector<pollfd> polled;
  for (const int fd : fds) polled.push_back({fd, POLLIN, 0});
  const int n = ::poll(polled.data(), polled.size(), static_cast<int>(kSoon.count()));
  return n > 0 ? static_cast<size_t>(n) : 0;
}

void leave_stale_socket(const std::string &path) {
  const UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const SocketAddress address = *SocketAddress::unix_path(path);
  if (::bind(fd.get(), address.get(), address.length_bytes()) != 0) {
    throw std::runtime_error("bind " + path);
  }
}

}  // namespace

// ---- ports ----

HF_TEST(port_0_becomes_one_real_port_that_all_workers_share) {
  ListeningSockets sockets;
  const Config config = listening_on({on_port(0)});
  HF_CHECK(sockets.open(config, 3));
  const uint16_t port = port_of(sockets.bound(config).at(0));
  HF_CHECK(port != 0);
  const std::vector<int> fds = sockets.fds(config, 3);
  HF_EQ(fds.size(), size_t{3});
  HF_EQ((std::set<int>(fds.begin(), fds.end()).size()), size_t{3});  // a queue for each
  const UniqueFd client = connect_to(port);
  HF_CHECK(client);
  HF_EQ(ready_count(fds), size_t{1});
}

HF_TEST(descriptors_come_worker_by_worker_in_the_order_of_the_configuration) {
  ListeningSockets sockets;
  const TempDir dir;
  const Config config = listening_on({on_port(0), on_path(dir.file("p.sock"))});
  HF_CHECK(sockets.open(config, 2));
  const std::vector<int> fds = sockets.fds(config, 2);
  HF_EQ(fds.size(), size_t{4});
  HF_CHECK(fds[0] != fds[2]);  // a port: one socket a worker
  HF_EQ(fds[1], fds[3]);       // a path: one for all
  HF_EQ(sockets.bound(config).at(1), "unix:" + dir.file("p.sock"));
}

HF_TEST(a_busy_port_is_refused_with_its_address_and_the_reason) {
  const Busy busy;
  ListeningSockets sockets;
  const auto opened = sockets.open(listening_on({on_port(busy.port)}), 2);
  HF_CHECK(!opened);
  HF_EQ(opened.error().sys_errno, EADDRINUSE);
  HF_CHECK(has(opened.error().message, "127.0.0.1:" + std::to_string(busy.port)));
  HF_CHECK(has(opened.error().message, "another process listens there"));
}

HF_TEST(a_port_of_another_proxy_is_busy_though_both_would_share_it) {
  ListeningSockets first;
  const Config any = listening_on({on_port(0)});
  HF_CHECK(first.open(any, 1));
  ListeningSockets second;
  const auto opened = second.open(listening_on({on_port(port_of(first.bound(any).at(0)))}), 1);
  HF_CHECK(!opened);
  HF_EQ(opened.error().sys_errno, EADDRINUSE);
}

HF_TEST(a_failed_open_leaves_nothing_behind) {
  const Busy busy;
  const TempDir dir;
  ListeningSockets sockets;
  const auto opened =
      sockets.open(listening_on({on_path(dir.file("p.sock")), on_port(busy.port)}), 1);
  HF_CHECK(!opened);
  HF_CHECK(!exists(dir.file("p.sock")));
  HF_CHECK(sockets.open(listening_on({on_path(dir.file("p.sock"))}), 1));
}

// ---- reloads ----

HF_TEST(a_reload_keeps_the_sockets_that_stay) {
  ListeningSockets sockets;
  const Config before = listening_on({on_port(0)});
  HF_CHECK(sockets.open(before, 2));
  const std::vector<int> kept = sockets.fds(before, 2);
  const UniqueFd client = connect_to(port_of(sockets.bound(before).at(0)));  // queued, not accepted

  const TempDir dir;
  const Config after = listening_on({on_path(dir.file("p.sock")), before.listeners[0]});
  HF_CHECK(sockets.open(after, 2));
  sockets.prune(after);
  const std::vector<int> fds = sockets.fds(after, 2);
  HF_EQ(fds[1], kept[0]);
  HF_EQ(fds[3], kept[1]);
  HF_EQ(ready_count(kept), size_t{1});
}

HF_TEST(prune_closes_and_unlinks_what_is_no_longer_configured) {
  ListeningSockets sockets;
  const TempDir dir;
  const Config before = listening_on({on_port(0), on_path(dir.file("p.sock"))});
  HF_CHECK(sockets.open(before, 1));
  const uint16_t port = port_of(sockets.bound(before).at(0));
  HF_CHECK(exists(dir.file("p.sock")));
  sockets.prune(listening_on({}));
  HF_CHECK(!exists(dir.file("p.sock")));
  HF_CHECK(!connect_to(port));
}

HF_TEST(more_workers_than_sockets_share_them) {
  ListeningSockets sockets;
  const Config config = listening_on({on_port(0)});
  HF_CHECK(sockets.open(config, 2));
  const std::vector<int> fds = sockets.fds(config, 5);
  HF_EQ(fds.size(), size_t{5});
  HF_EQ((std::set<int>(fds.begin(), fds.end()).size()), size_t{2});
}

HF_TEST(a_forked_child_gives_up_its_copies_without_unlinking) {
  const TempDir dir;
  ListeningSockets sockets;
  const Config config = listening_on({on_port(0), on_path(dir.file("p.sock"))});
  HF_CHECK(sockets.open(config, 1));
  const uint16_t port = port_of(sockets.bound(config).at(0));
  sockets.leave_to_other();
  HF_CHECK(exists(dir.file("p.sock")));
  HF_CHECK(!connect_to(port));
}

// ---- Unix sockets ----

HF_TEST(inherited_sockets_are_found_by_text_and_by_address_and_unlinked_only_once_owned) {
  const TempDir dir;
  const std::string path = dir.file("l.sock");
  ListeningSockets old;
  const Config first = listening_on({on_port(0), on_path(path)});
  HF_CHECK(old.open(first, 2));
  const uint16_t port = port_of(old.bound(first).at(0));
  const auto inherit = [&](ListeningSockets &to) {
    for (const ListenerSockets &listener : old.all()) {
      std::vector<UniqueFd> fds;
      for (const int fd : listener.fds) fds.emplace_back(::dup(fd));
      HF_CHECK(to.inherit(listener.text, std::move(fds)));
    }
  };
  {
    ListeningSockets heir;  // that gives up
    inherit(heir);
    HF_CHECK(heir.open(listening_on({on_port(port), on_path(path)}), 2));
  }
  HF_CHECK(exists(path));
  ListeningSockets heir;
  inherit(heir);
  const Config next = listening_on({on_port(port)});  // the port written out, the path gone
  HF_CHECK(heir.open(next, 2));
  heir.own_inherited();
  heir.prune(next);
  old.leave_to_other();
  HF_CHECK(!exists(path));
  const UniqueFd client = connect_to(port);
  HF_CHECK(client);
  HF_EQ(ready_count(heir.fds(next, 2)), size_t{1});
  const Busy other;
  std::vector<UniqueFd> not_listening;
  not_listening.push_back(connect_to(other.port));
  HF_EQ(heir.inherit("x", std::move(not_listening)).error().code, Errc::protocol);
}

HF_TEST(anybody_may_connect_to_a_unix_listener_whatever_the_umask) {
  const TempDir dir;
  const mode_t before = umask(0077);
  ListeningSockets sockets;
  const auto opened = sockets.open(listening_on({on_path(dir.file("p.sock"))}), 4);
  umask(before);
  HF_CHECK(opened);
  struct stat found {};
  HF_EQ(lstat(dir.file("p.sock").c_str(), &found), 0);
  HF_EQ(found.st_mode & 0777U, 0666U);
  HF_CHECK(unix_connect(dir.file("p.sock")));
}

HF_TEST(a_stale_unix_socket_is_replaced_and_removed_at_the_end) {
  const TempDir dir;
  leave_stale_socket(dir.file("p.sock"));
  {
    ListeningSockets sockets;
    HF_CHECK(sockets.open(listening_on({on_path(dir.file("p.sock"))}), 1));
    HF_CHECK(unix_connect(dir.file("p.sock")));
  }
  HF_CHECK(!exists(dir.file("p.sock")));
}

HF_TEST(a_live_unix_socket_is_left_to_its_owner) {
  const TempDir dir;
  ListeningSockets owner;
  HF_CHECK(owner.open(listening_on({on_path(dir.file("p.sock"))}), 1));
  {
    ListeningSockets second;
    const auto opened = second.open(listening_on({on_path(dir.file("p.sock"))}), 1);
    HF_CHECK(!opened);
    HF_EQ(opened.error().code, Errc::busy);
    HF_CHECK(has(opened.error().message, "cannot listen on unix:" + dir.file("p.sock")));
    HF_CHECK(has(opened.error().message, "another process listens"));
  }
  HF_CHECK(unix_connect(dir.file("p.sock")));
}

HF_TEST(a_file_that_is_no_socket_is_never_removed) {
  const TempDir dir;
  (void)dir.write("precious", "text");
  ListeningSockets sockets;
  const auto opened = sockets.open(listening_on({on_path(dir.file("precious"))}), 1);
  HF_CHECK(!opened);
  HF_CHECK(has(opened.error().message, "not a socket"));
  HF_EQ(dir.read("precious"), "text");
}

int main() {
  const CMUnitTest tests[] = {
      HF_UNIT(port_0_becomes_one_real_port_that_all_workers_share),
      HF_UNIT(descriptors_come_worker_by_worker_in_the_order_of_the_configuration),
      HF_UNIT(a_busy_port_is_refused_with_its_address_and_the_reason),
      HF_UNIT(a_port_of_another_proxy_is_busy_though_both_would_share_it),
      HF_UNIT(a_failed_open_leaves_nothing_behind),
      HF_UNIT(a_reload_keeps_the_sockets_that_stay),
      HF_UNIT(prune_closes_and_unlinks_what_is_no_longer_configured),
      HF_UNIT(more_workers_than_sockets_share_them),
      HF_UNIT(a_forked_child_gives_up_its_copies_without_unlinking),
      HF_UNIT(inherited_sockets_are_found_by_text_and_by_address_and_unlinked_only_once_owned),
      HF_UNIT(anybody_may_connect_to_a_unix_listener_whatever_the_umask),
      HF_UNIT(a_stale_unix_socket_is_replaced_and_removed_at_the_end),
      HF_UNIT(a_live_unix_socket_is_left_to_its_owner),
      HF_UNIT(a_file_that_is_no_socket_is_never_removed),
  };
  return HF_RUN(tests);
}
