// How much is read at a time: large pieces only for who sends large ones, and never more than the
// other side takes; what a socket says it has room for, it takes.
#include "proxy/net/read_size.h"

#include <netinet/in.h>
#include <sys/socket.h>

#include <array>
#include <string>

#include "proxy/net/byte_stream.h"
#include "tests/support/hf_test.h"

using namespace holdfast;
using namespace holdfast::proxy;

namespace {

size_t unasked() { HF_FAIL("room was asked for without need"); }

struct Ends {
  ByteStream writer{UniqueFd()};
  UniqueFd reader;
};

Ends unix_pair() {
  std::array<int, 2> fds{};
  HF_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds.data()), 0);
  return {ByteStream(UniqueFd(fds[0])), UniqueFd(fds[1])};
}

Ends tcp_pair() {
  const UniqueFd listener(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t bytes = sizeof address;
  auto *any = static_cast<sockaddr *>(static_cast<void *>(&address));
  HF_EQ(::bind(listener.get(), any, bytes), 0);
  HF_EQ(::listen(listener.get(), 1), 0);
  HF_EQ(::getsockname(listener.get(), any, &bytes), 0);
  UniqueFd writer(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  HF_EQ(::connect(writer.get(), any, bytes), 0);
  UniqueFd reader(::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
  HF_CHECK(reader);
  return {ByteStream(std::move(writer)), std::move(reader)};
}

// Fills the socket by what it says it takes, until it says none, with nobody reading.
void expect_room_kept(Ends ends) {
  const std::string bytes(kReadBytesMax, 'x');
  size_t taken = 0;
  for (size_t room = ends.writer.room(); room > 0; room = ends.writer.room()) {
    const size_t offered = std::min(room, bytes.size());
    const ssize_t n = ::send(ends.writer.fd(), bytes.data(), offered, MSG_DONTWAIT | MSG_NOSIGNAL);
    HF_EQ(n, static_cast<ssize_t>(offered));
    taken += offered;
  }
  HF_CHECK(taken > kReadBytes);
}

}  // namespace

HF_TEST(a_connection_of_small_messages_is_read_in_ordinary_pieces) {
  ReadSize size;
  HF_EQ(size.next(0, unasked), kReadBytes);
  size.note(kReadBytes - 1);
  HF_EQ(size.next(0, unasked), kReadBytes);
}

HF_TEST(a_full_piece_makes_the_next_as_large_as_the_other_side_takes) {
  ReadSize size;
  size.note(kReadBytes);
  HF_EQ(size.next(0, [] { return size_t{1} << 30; }), kReadBytesMax);
  HF_EQ(size.next(kReadBytes, [] { return size_t{1} << 30; }), kReadBytesMax - kReadBytes);
  HF_EQ(size.next(0, [] { return size_t{100'000}; }), size_t{100'000});
  HF_EQ(size.next(0, [] { return size_t{0}; }), kReadBytes);
}

HF_TEST(a_turn_takes_no_more_than_its_part) {
  ReadSize size;
  HF_EQ(size.next(kReadBytesMax - 1, unasked), size_t{1});
  size.note(kReadBytes);
  HF_EQ(size.next(kReadBytesMax - 1, unasked), size_t{1});
}

HF_TEST(a_few_small_pieces_in_a_row_end_large_reads) {
  ReadSize size;
  size.note(kReadBytes);
  for (int i = 0; i < 3; ++i) size.note(100);
  HF_EQ(size.next(0, [] { return kReadBytesMax; }), kReadBytesMax);
  size.note(100);
  HF_EQ(size.next(0, unasked), kReadBytes);
}

HF_TEST(a_tcp_socket_takes_what_it_says_it_has_room_for) { expect_room_kept(tcp_pair()); }

HF_TEST(a_unix_socket_takes_what_it_says_it_has_room_for) { expect_room_kept(unix_pair()); }

int main() {
  const CMUnitTest tests[] = {
      HF_UNIT(a_connection_of_small_messages_is_read_in_ordinary_pieces),
      HF_UNIT(a_full_piece_makes_the_next_as_large_as_the_other_side_takes),
      HF_UNIT(a_turn_takes_no_more_than_its_part),
      HF_UNIT(a_few_small_pieces_in_a_row_end_large_reads),
      HF_UNIT(a_tcp_socket_takes_what_it_says_it_has_room_for),
      HF_UNIT(a_unix_socket_takes_what_it_says_it_has_room_for),
  };
  return HF_RUN(tests);
}
