// Bytes on their way out: order kept over short writes, nothing lost, nothing held when idle; and
// the gather that collects the pieces of one write.
#include "proxy/net/output.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>

#include <array>
#include <random>

#include "proxy/net/gather.h"
#include "tests/support/hf_test.h"

using namespace holdfast;
using namespace holdfast::proxy;
using Status = Output::Status;

namespace {

// A connected pair whose sending side takes very little before it would block.
struct Pair {
  static ByteStream sender(int &reader) {
    std::array<int, 2> fds{};
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds.data()) != 0) {
      throw std::runtime_error("socketpair");
    }
    const int tiny = 1;  // the kernel makes it the smallest it allows
    (void)::setsockopt(fds[0], SOL_SOCKET, SO_SNDBUF, &tiny, sizeof tiny);
    reader = fds[1];
    return ByteStream(UniqueFd(fds[0]));
  }
  int reader_fd = -1;
  ByteStream stream = sender(reader_fd);
  UniqueFd reader{reader_fd};

  // At most `bytes_max` of what has arrived.
  std::string receive(size_t bytes_max) {
    std::string got(bytes_max, '\0');
    const ssize_t n = ::recv(reader.get(), got.data(), got.size(), 0);
    got.resize(n > 0 ? static_cast<size_t>(n) : 0);
    return got;
  }
};

iovec piece(std::string_view text) { return {const_cast<char *>(text.data()), text.size()}; }

std::string pattern(size_t bytes, unsigned seed) {
  std::mt19937 random(seed);
  std::string text(bytes, '\0');
  for (char &c : text) c = static_cast<char>(random());
  return text;
}

std::string joined(const Gather &gather) {
  std::string all;
  for (const iovec &v : gather.pieces())
    all.append(static_cast<const char *>(v.iov_base), v.iov_len);
  return all;
}

}  // namespace

// ---- Output ----

HF_TEST(what_fits_goes_out_at_once_and_nothing_is_kept) {
  Pair pair;
  Output output;
  const std::array<iovec, 3> pieces{piece("one "), piece(""), piece("two")};
  HF_EQ(output.write(pair.stream, pieces), Status::sent);
  HF_EQ(output.unsent_bytes(), size_t{0});
  HF_EQ(output.sent_bytes(), uint64_t{7});
  HF_EQ(pair.receive(100), "one two");
}

HF_TEST(writing_nothing_is_done_at_once) {
  Pair pair;
  Output output;
  HF_EQ(output.write(pair.stream, {}), Status::sent);
  const iovec empty = piece("");
  HF_EQ(output.write(pair.stream, {&empty, 1}), Status::sent);
  HF_EQ(output.flush(pair.stream), Status::sent);
}

HF_TEST(order_is_kept_over_short_writes_in_any_pieces) {
  Pair pair;
  Output output;
  std::mt19937 random(7);
  std::string sent;
  std::string got;
  size_t pending_count = 0;
  for (unsigned i = 0; i < 200; ++i) {
    const std::string text = pattern(1 + random() % 3000, i);
    const size_t cut = random() % text.size();
    const std::string_view view = text;
    const std::array<iovec, 2> pieces{piece(view.substr(0, cut)), piece(view.substr(cut))};
    sent += text;
    const Status status = output.write(pair.stream, pieces);
    HF_CHECK(status != Status::failed);
    HF_EQ(status == Status::pending, output.unsent_bytes() > 0);
    pending_count += status == Status::pending ? 1 : 0;
    got += pair.receive(random() % 2000);
    if (random() % 3 == 0) (void)output.flush(pair.stream);  // checked at the end
    HF_EQ(output.sent_bytes() + output.unsent_bytes(), sent.size());
  }
  while (output.flush(pair.stream) == Status::pending) got += pair.receive(4096);
  for (std::string rest = pair.receive(4096); !rest.empty(); rest = pair.receive(4096)) got += rest;
  HF_CHECK(pending_count > 50);  // short writes did happen
  HF_CHECK(got == sent);
  HF_EQ(output.unsent_bytes(), size_t{0});
}

HF_TEST(flush_reports_pending_until_the_reader_has_made_room) {
  Pair pair;
  Output output;
  const std::string text = pattern(100'000, 1);
  const iovec all = piece(text);
  HF_EQ(output.write(pair.stream, {&all, 1}), Status::pending);
  const size_t unsent = output.unsent_bytes();
  HF_CHECK(unsent > 0 && unsent < text.size());
  HF_EQ(output.flush(pair.stream), Status::pending);
  HF_EQ(output.unsent_bytes(), unsent);
}

HF_TEST(held_bytes_wait_for_flush_and_come_first) {
  Pair pair;
  Output output;
  const iovec first = piece("first ");
  output.hold({&first, 1});
  HF_EQ(output.unsent_bytes(), size_t{6});
  HF_EQ(output.sent_bytes(), uint64_t{0});
  HF_EQ(pair.receive(100), "");
  const iovec second = piece("second");
  HF_EQ(output.write(pair.stream, {&second, 1}), Status::pending);
  HF_EQ(output.flush(pair.stream), Status::sent);
  HF_EQ(pair.receive(100), "first second");
}

HF_TEST(take_gives_exactly_what_the_kernel_has_not) {
  Pair pair;
  Output output;
  const std::string text = pattern(100'000, 2);
  const iovec all = piece(text);
  HF_EQ(output.write(pair.stream, {&all, 1}), Status::pending);
  (void)pair.receive(1000);
  (void)output.flush(pair.stream);  // ignoring: still pending
  const auto sent = static_cast<size_t>(output.sent_bytes());
  HF_CHECK(output.take() == text.substr(sent));
  HF_EQ(output.unsent_bytes(), size_t{0});
  HF_EQ(output.take(), "");
  HF_EQ(output.flush(pair.stream), Status::sent);
}

HF_TEST(a_closed_reader_fails_the_write) {
  Pair pair;
  Output output;
  pair.reader.reset();
  const iovec all = piece("text");
  HF_EQ(output.write(pair.stream, {&all, 1}), Status::failed);
  HF_EQ(output.sent_bytes(), uint64_t{0});
}

HF_TEST(a_reader_that_closes_later_fails_the_flush) {
  Pair pair;
  Output output;
  const std::string text = pattern(100'000, 3);
  const iovec all = piece(text);
  HF_EQ(output.write(pair.stream, {&all, 1}), Status::pending);
  pair.reader.reset();
  HF_EQ(output.flush(pair.stream), Status::failed);
}

// A listener whose queue is full answers nothing more: TCP gives up what asks it.
HF_TEST(a_host_that_no_longer_answers_is_told_apart) {
  const UniqueFd listener(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t bytes = sizeof address;
  auto *const name = reinterpret_cast<sockaddr *>(&address);  // the sockets API
  HF_EQ(::bind(listener.get(), name, bytes), 0);
  HF_EQ(::listen(listener.get(), 0), 0);
  HF_EQ(::getsockname(listener.get(), name, &bytes), 0);
  const auto dial = [&] {
    UniqueFd fd(::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    const unsigned limit_ms = 10;
    HF_EQ(::setsockopt(fd.get(), IPPROTO_TCP, TCP_USER_TIMEOUT, &limit_ms, sizeof limit_ms), 0);
    (void)::connect(fd.get(), name, bytes);  // ignoring: under way
    return fd;
  };
  const UniqueFd first = dial();  // fills the queue
  ByteStream waiting(dial());
  pollfd given_up{waiting.fd(), 0, 0};
  HF_EQ(::poll(&given_up, 1, 10'000), 1);  // within the second of TCP's first repetition
  Output output;
  const iovec all = piece("text");
  HF_EQ(output.write(waiting, {&all, 1}), Status::host_gone);
  HF_EQ(output.write(waiting, {&all, 1}), Status::failed);
}

// ---- Gather ----

HF_TEST(a_gather_keeps_pieces_in_order_and_counts_their_bytes) {
  Gather gather;
  HF_CHECK(gather.empty());
  gather.add("head");
  gather.add("");  // costs no place
  std::string own = "copied";
  gather.add_copy(own);
  own = "changed meanwhile";
  gather.add("tail");
  HF_EQ(joined(gather), "headcopiedtail");
  HF_EQ(gather.bytes(), size_t{14});
  HF_EQ(gather.pieces().size(), size_t{3});
  gather.clear();
  HF_CHECK(gather.empty());
  HF_EQ(gather.bytes(), size_t{0});
}

HF_TEST(few_bytes_are_packed_into_one_piece_and_many_are_not) {
  Gather gather;
  gather.add("alone");
  HF_CHECK(gather.packed().data() == gather.pieces().data());  // one piece needs no copy
  const std::string tail(Gather::kPackedBytesMax - 5, 't');
  gather.add(tail);
  const std::span<const iovec> packed = gather.packed();
  HF_EQ(packed.size(), size_t{1});
  HF_EQ(std::string(static_cast<const char *>(packed[0].iov_base), packed[0].iov_len),
        "alone" + tail);
  HF_EQ(joined(gather), "alone" + tail);
  gather.add("!");
  HF_EQ(gather.packed().size(), size_t{3});
}

HF_TEST(a_reserved_place_is_filled_with_what_follows_it_in_mind) {
  Gather gather;
  gather.add("before ");
  const size_t before = gather.bytes();
  const size_t place = gather.reserve();
  gather.add("twelve bytes");
  char size[8];
  const int n = std::snprintf(size, sizeof size, "%zx\r\n", gather.bytes() - before);
  gather.fill(place, {size, static_cast<size_t>(n)});
  size[0] = '?';
  HF_EQ(joined(gather), "before c\r\ntwelve bytes");
  HF_EQ(gather.bytes(), size_t{22});
}

HF_TEST(has_room_tells_the_last_piece_and_the_last_copied_byte) {
  Gather gather;
  HF_CHECK(gather.has_room(Gather::kPiecesMax, Gather::kArenaBytes));
  HF_CHECK(!gather.has_room(Gather::kPiecesMax + 1, 0));
  HF_CHECK(!gather.has_room(0, Gather::kArenaBytes + 1));
  std::string expected;
  while (gather.has_room(1, 0)) {
    gather.add("x");
    expected += "x";
  }
  HF_EQ(expected.size(), Gather::kPiecesMax);
  HF_EQ(joined(gather), expected);
  gather.clear();
  const std::string half(Gather::kArenaBytes / 2, 'y');
  gather.add_copy(half);
  HF_CHECK(gather.has_room(1, half.size()));
  gather.add_copy(half);
  HF_CHECK(!gather.has_room(1, 1));
  HF_EQ(joined(gather), half + half);
}

int main() {
  const CMUnitTest tests[] = {
      HF_UNIT(what_fits_goes_out_at_once_and_nothing_is_kept),
      HF_UNIT(writing_nothing_is_done_at_once),
      HF_UNIT(order_is_kept_over_short_writes_in_any_pieces),
      HF_UNIT(flush_reports_pending_until_the_reader_has_made_room),
      HF_UNIT(held_bytes_wait_for_flush_and_come_first),
      HF_UNIT(take_gives_exactly_what_the_kernel_has_not),
      HF_UNIT(a_closed_reader_fails_the_write),
      HF_UNIT(a_reader_that_closes_later_fails_the_flush),
      HF_UNIT(a_host_that_no_longer_answers_is_told_apart),
      HF_UNIT(a_gather_keeps_pieces_in_order_and_counts_their_bytes),
      HF_UNIT(few_bytes_are_packed_into_one_piece_and_many_are_not),
      HF_UNIT(a_reserved_place_is_filled_with_what_follows_it_in_mind),
      HF_UNIT(has_room_tells_the_last_piece_and_the_last_copied_byte),
  };
  return HF_RUN(tests);
}
