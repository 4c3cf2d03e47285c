// UnixSocket and UnixListener: one owner per path, the mode asked for, credentials checked, and no
// spinning when descriptors run out.
#include "common/unix_listener.h"

#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <array>
#include <fstream>

#include "tests/support/event_loop.h"
#include "tests/support/hf_test.h"
#include "tests/support/temp_dir.h"

using namespace holdfast;
using holdfast::test::EventLoop;
using holdfast::test::TempDir;
using namespace std::chrono_literals;

namespace {

mode_t mode_of(const std::string &path) {
  struct stat found {};
  if (lstat(path.c_str(), &found) != 0) throw std::runtime_error("lstat " + path);
  return found.st_mode & 07777;
}

bool exists(const std::string &path) { return access(path.c_str(), F_OK) == 0; }

// What a killed daemon leaves: a socket file nobody listens on.
void leave_stale_socket(const std::string &path) {
  UniqueFd fd(socket(AF_UNIX, SOCK_STREAM, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path, sizeof address.sun_path - 1);
  if (bind(fd.get(), static_cast<const sockaddr *>(static_cast<const void *>(&address)),
           sizeof address) != 0) {
    throw std::runtime_error("bind " + path);
  }
}

}  // namespace

HF_TEST(the_socket_has_the_mode_asked_for_whatever_the_umask) {
  const TempDir dir;
  const mode_t before = umask(0077);
  for (const mode_t mode : {mode_t{0600}, mode_t{0660}}) {
    const auto bound = UnixSocket::bind({dir.file("run/s.sock"), mode, {}});
    HF_CHECK(bound);
    HF_EQ(mode_of(dir.file("run/s.sock")), mode);
    HF_EQ(mode_of(dir.file("run")), mode_t{0700});
  }
  umask(before);
}

HF_TEST(a_second_owner_is_refused_and_the_first_keeps_serving) {
  const TempDir dir;
  const auto first = UnixSocket::bind({dir.file("s.sock"), 0600, {}});
  HF_CHECK(first);
  const auto second = UnixSocket::bind({dir.file("s.sock"), 0600, {}});
  HF_CHECK(!second);
  HF_EQ(second.error().code, Errc::busy);
  HF_CHECK(second.error().message.find("process " + std::to_string(getpid())) != std::string::npos);
  HF_CHECK(unix_connect(dir.file("s.sock")));
}

HF_TEST(the_path_is_removed_at_the_end_and_free_again) {
  const TempDir dir;
  HF_CHECK(UnixSocket::bind({dir.file("s.sock"), 0600, {}}));  // and destroyed at once
  HF_CHECK(!exists(dir.file("s.sock")));
  HF_CHECK(UnixSocket::bind({dir.file("s.sock"), 0600, {}}));
}

HF_TEST(a_stale_socket_is_replaced) {
  const TempDir dir;
  leave_stale_socket(dir.file("s.sock"));
  const auto bound = UnixSocket::bind({dir.file("s.sock"), 0600, {}});
  HF_CHECK(bound);
  HF_CHECK(unix_connect(dir.file("s.sock")));
}

HF_TEST(a_socket_somebody_listens_on_is_not_taken_even_without_a_lock) {
  const TempDir dir;
  const auto first = UnixSocket::bind({dir.file("s.sock"), 0600, {}});
  HF_CHECK(first);
  HF_EQ(unlink(dir.file("s.sock.lock").c_str()), 0);
  const auto second = UnixSocket::bind({dir.file("s.sock"), 0600, {}});
  HF_CHECK(!second);
  HF_EQ(second.error().code, Errc::busy);
  HF_CHECK(unix_connect(dir.file("s.sock")));
}

HF_TEST(a_file_that_is_no_socket_is_left_alone) {
  const TempDir dir;
  std::ofstream(dir.file("s.sock")) << "precious";
  const auto bound = UnixSocket::bind({dir.file("s.sock"), 0600, {}});
  HF_CHECK(!bound);
  HF_EQ(bound.error().code, Errc::io);
  HF_CHECK(exists(dir.file("s.sock")));
}

HF_TEST(a_path_that_does_not_fit_is_refused_with_its_length) {
  const auto bound = UnixSocket::bind({std::string(108, 'p'), 0600, {}});
  HF_CHECK(!bound);
  HF_EQ(bound.error().code, Errc::limit);
  HF_CHECK(bound.error().message.find("108 bytes") != std::string::npos);
  HF_CHECK(!UnixSocket::bind({"", 0600, {}}));
}

HF_TEST(a_lock_that_is_a_symlink_is_not_followed) {
  const TempDir dir;
  HF_EQ(symlink(dir.file("victim").c_str(), dir.file("s.sock.lock").c_str()), 0);
  HF_CHECK(!UnixSocket::bind({dir.file("s.sock"), 0600, {}}));
  HF_CHECK(!exists(dir.file("victim")));
}

HF_TEST(only_root_ourselves_and_the_listed_may_connect) {
  const SocketOptions options{"unused", 0660, {4242}};
  const auto access = [&](uid_t uid) { return access_by_uid({1, uid, 1}, options); };
  HF_CHECK(access(0) == PeerAccess::owner);
  HF_CHECK(access(geteuid()) == PeerAccess::owner);
  HF_CHECK(access(4242) == PeerAccess::listed);
  HF_CHECK(access(4243) == PeerAccess::none);
  HF_CHECK(access_by_uid(PeerCredentials{}, options) == PeerAccess::none);  // could not be read
}

HF_TEST(where_the_mode_admits_it_says_whom) {
  struct Row {
    mode_t mode;
    bool in_group;
    PeerAccess access;
  };
  for (const Row &row : {Row{0600, true, PeerAccess::none}, Row{0660, true, PeerAccess::group},
                         Row{0660, false, PeerAccess::none}, Row{0666, false, PeerAccess::others},
                         Row{0606, true, PeerAccess::none}, Row{0640, true, PeerAccess::none}}) {
    HF_CHECK(access_by_mode(row.mode, row.in_group) == row.access);
  }
}

HF_TEST(supplementary_groups_count) {
  std::array<int, 2> ends{};
  HF_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, ends.data()), 0);
  const UniqueFd one(ends[0]);
  const UniqueFd other(ends[1]);
  const PeerCredentials peer = peer_credentials(one.get());
  HF_CHECK(peer_in_group(one.get(), peer, getegid()));
  std::array<gid_t, 256> groups{};
  const int count = getgroups(static_cast<int>(groups.size()), groups.data());
  gid_t foreign = 54321;
  for (int i = 0; i < count; ++i) {
    HF_CHECK(peer_in_group(one.get(), peer, groups[static_cast<size_t>(i)]));
    if (groups[static_cast<size_t>(i)] >= foreign) foreign = groups[static_cast<size_t>(i)] + 1;
  }
  HF_CHECK(!peer_in_group(one.get(), peer, foreign));
}

HF_TEST(connections_are_handed_over_with_their_credentials) {
  const TempDir dir;
  EventLoop loop;
  const auto bound = UnixSocket::bind({dir.file("s.sock"), 0600, {}});
  HF_CHECK(bound);
  std::vector<PeerCredentials> peers;
  std::vector<UniqueFd> kept;
  const UnixListener listener(loop.base(), **bound,
                              [&](UniqueFd fd, const PeerCredentials &peer, PeerAccess access) {
                                HF_CHECK(access == PeerAccess::owner);
                                kept.push_back(std::move(fd));
                                peers.push_back(peer);
                              });
  std::vector<UniqueFd> clients;
  for (int i = 0; i < 100; ++i) {
    auto client = unix_connect(dir.file("s.sock"));
    HF_CHECK(client);
    clients.push_back(*std::move(client));
  }
  HF_CHECK(loop.run_until([&] { return peers.size() == 100; }));
  HF_EQ(peers[0].uid, geteuid());
  HF_EQ(peers[0].pid, getpid());
}

// F8: out of descriptors the listener waits instead of spinning, and serves again afterwards.
HF_TEST(running_out_of_descriptors_pauses_and_recovers) {
  const TempDir dir;
  EventLoop loop;
  const auto bound = UnixSocket::bind({dir.file("s.sock"), 0600, {}});
  HF_CHECK(bound);
  std::vector<UniqueFd> accepted;
  std::vector<std::string> troubles;
  const UnixListener listener(
      loop.base(), **bound,
      [&](UniqueFd fd, const PeerCredentials &, PeerAccess) { accepted.push_back(std::move(fd)); },
      [&](const std::string &sentence) { troubles.push_back(sentence); });
  const auto client = unix_connect(dir.file("s.sock"));
  HF_CHECK(client);

  rlimit before{};
  HF_EQ(getrlimit(RLIMIT_NOFILE, &before), 0);
  const UniqueFd lowest(dup(0));  // every descriptor below it is taken
  rlimit none = before;
  none.rlim_cur = static_cast<rlim_t>(lowest.get()) + 1;
  HF_EQ(setrlimit(RLIMIT_NOFILE, &none), 0);
  int turns = 0;
  const bool accepted_early = loop.run_until(
      [&] {
        ++turns;
        return !accepted.empty();
      },
      450ms);
  HF_EQ(setrlimit(RLIMIT_NOFILE, &before), 0);
  HF_CHECK(!accepted_early);
  HF_CHECK(turns < 30);  // spinning would turn the loop many thousand times
  HF_EQ(troubles.size(), size_t{1});
  HF_CHECK(loop.run_until([&] { return accepted.size() == 1; }));
}

int main() {
  const CMUnitTest tests[] = {
      HF_UNIT(the_socket_has_the_mode_asked_for_whatever_the_umask),
      HF_UNIT(a_second_owner_is_refused_and_the_first_keeps_serving),
      HF_UNIT(the_path_is_removed_at_the_end_and_free_again),
      HF_UNIT(a_stale_socket_is_replaced),
      HF_UNIT(a_socket_somebody_listens_on_is_not_taken_even_without_a_lock),
      HF_UNIT(a_file_that_is_no_socket_is_left_alone),
      HF_UNIT(a_path_that_does_not_fit_is_refused_with_its_length),
      HF_UNIT(a_lock_that_is_a_symlink_is_not_followed),
      HF_UNIT(only_root_ourselves_and_the_listed_may_connect),
      HF_UNIT(where_the_mode_admits_it_says_whom),
      HF_UNIT(supplementary_groups_count),
      HF_UNIT(connections_are_handed_over_with_their_credentials),
      HF_UNIT(running_out_of_descriptors_pauses_and_recovers),
  };
  return HF_RUN(tests);
}
