// UnixChannel: lines in, bounded output, and one on_closed from the loop for every end.
#include "common/unix_channel.h"

#include <sys/socket.h>

#include <algorithm>
#include <vector>

#include "tests/support/event_loop.h"
#include "tests/support/hf_test.h"

using namespace holdfast;
using holdfast::test::EventLoop;
using namespace std::chrono_literals;

namespace {

// A channel on one end of a socket pair; the test holds the other end and speaks raw bytes.
struct Rig : UnixChannel::Handler {
  explicit Rig(ChannelLimits limits = {1024, 64 * 1024, 0ms}) {
    int fds[2] = {-1, -1};
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) != 0) {
      throw std::runtime_error("socketpair");
    }
    far.reset(fds[1]);
    channel = std::make_unique<UnixChannel>(loop.base(), UniqueFd(fds[0]), limits, *this);
  }

  void on_line(UnixChannel &from, std::string_view line) override {
    lines.emplace_back(line);
    if (line == "pause") from.pause_reading(true);
    if (line == "close") from.close(false);
    if (line == "answer and close") {
      from.send("answer");
      from.close(true);
    }
    in_call = true;
    if (line == "echo") from.send("echo");
    in_call = false;
  }
  void on_closed(UnixChannel &, const Error &why) override {
    closed_inside_call = in_call;
    closes.push_back(why);
    channel.reset();  // the documented place
  }
  void on_drained(UnixChannel &) override { ++drained_count; }

  void say(std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t n = ::send(far.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (n < 0) {
        if (errno != EAGAIN) return;  // the channel closed already
        loop.turn();
        continue;
      }
      bytes.remove_prefix(static_cast<size_t>(n));
    }
  }
  // Everything the far end can read now; `eof` tells whether it ended.
  std::string hear(bool *eof = nullptr) {
    std::string heard;
    char buffer[4096];
    ssize_t n = 0;
    while ((n = recv(far.get(), buffer, sizeof buffer, 0)) > 0) {
      heard.append(buffer, static_cast<size_t>(n));
    }
    if (eof != nullptr) *eof = n == 0;
    return heard;
  }
  bool run_until_closed() {
    return loop.run_until([this] { return !closes.empty(); });
  }

  EventLoop loop;
  UniqueFd far;
  std::unique_ptr<UnixChannel> channel;
  std::vector<std::string> lines;
  std::vector<Error> closes;
  int drained_count = 0;
  bool in_call = false;
  bool closed_inside_call = false;
};

}  // namespace

HF_TEST(lines_arrive_whatever_the_pieces_they_came_in) {
  Rig rig;
  rig.say("one\nt");
  HF_CHECK(rig.loop.run_until([&] { return rig.lines.size() == 1; }));
  rig.say("wo\r\nthree\n");
  HF_CHECK(rig.loop.run_until([&] { return rig.lines.size() == 3; }));
  HF_CHECK(rig.lines == (std::vector<std::string>{"one", "two", "three"}));
}

HF_TEST(what_is_sent_in_one_turn_leaves_in_order_and_drains_once) {
  Rig rig;
  HF_CHECK(rig.channel->send("one"));
  HF_CHECK(rig.channel->send_raw("two"));
  HF_CHECK(rig.channel->send(""));
  HF_EQ(rig.channel->queued_bytes(), size_t{8});
  HF_CHECK(rig.loop.run_until([&] { return rig.drained_count == 1; }));
  HF_EQ(rig.hear(), "one\ntwo\n");
  HF_EQ(rig.channel->queued_bytes(), size_t{0});
}

HF_TEST(end_of_file_is_reported_once_and_from_the_loop) {
  Rig rig;
  rig.say("echo\n");
  rig.far.reset();
  HF_CHECK(rig.run_until_closed());
  rig.loop.turn();
  HF_EQ(rig.closes.size(), size_t{1});
  HF_EQ(rig.closes[0].code, Errc::io);
  HF_CHECK(!rig.closed_inside_call);
  HF_CHECK(rig.lines == std::vector<std::string>{"echo"});
}

// socat closes its sending side after its input and still waits for the answer.
HF_TEST(a_half_closed_peer_still_gets_its_answer) {
  Rig rig;
  rig.say("echo\n");
  HF_EQ(shutdown(rig.far.get(), SHUT_WR), 0);
  HF_CHECK(rig.run_until_closed());
  bool eof = false;
  HF_EQ(rig.hear(&eof), "echo\n");
  HF_CHECK(eof);
  HF_EQ(rig.closes[0].sys_errno, 0);
}

HF_TEST(close_with_flush_writes_the_answer_and_ends_without_a_reset) {
  Rig rig;
  rig.say("answer and close\nnever read\n");
  HF_CHECK(rig.run_until_closed());
  bool eof = false;
  HF_EQ(rig.hear(&eof), "answer\n");
  HF_CHECK(eof);
  HF_CHECK(rig.lines == std::vector<std::string>{"answer and close"});
}

HF_TEST(close_without_flush_drops_what_is_queued_and_delivers_no_more_lines) {
  Rig rig;
  rig.say("close\nlater\n");
  HF_CHECK(rig.run_until_closed());
  HF_CHECK(rig.lines == std::vector<std::string>{"close"});
}

HF_TEST(a_ten_megabyte_line_ends_the_connection_at_the_bound) {
  Rig rig;
  const std::string chunk(64 * 1024, 'x');
  for (int i = 0; i < 160 && rig.closes.empty(); ++i) rig.say(chunk);
  HF_CHECK(rig.run_until_closed());
  HF_EQ(rig.closes[0].code, Errc::limit);
  HF_CHECK(rig.lines.empty());
}

HF_TEST(garbage_is_only_lines_and_bounds) {
  Rig rig;
  std::string garbage;
  for (int i = 0; i < 4096; ++i) garbage += static_cast<char>(i * 7 + i / 256);
  rig.say(garbage);
  rig.far.reset();
  HF_CHECK(rig.run_until_closed());
  const auto lf = std::count(garbage.begin(), garbage.end(), '\n');
  HF_EQ(rig.lines.size(), static_cast<size_t>(lf));
}

// C1: a client that does not read costs its own bounded queue and nothing else.
HF_TEST(a_peer_that_does_not_read_meets_the_queue_bound) {
  Rig rig;
  const std::string line(1000, 'y');
  size_t accepted = 0;
  for (int i = 0; i < 10'000 && rig.channel->send(line); ++i) {
    ++accepted;
    rig.loop.turn();
  }
  HF_CHECK(accepted < 10'000);
  HF_CHECK(rig.channel->queued_bytes() <= 64 * 1024);
  HF_CHECK(!rig.channel->send(line));
  size_t heard_bytes = 0;
  HF_CHECK(rig.loop.run_until([&] {
    heard_bytes += rig.hear().size();
    return heard_bytes == accepted * 1001;
  }));
  HF_CHECK(rig.channel->send(line));
}

HF_TEST(close_with_flush_gives_up_on_a_peer_that_does_not_read) {
  Rig rig;
  const std::string line(1000, 'y');
  while (rig.channel->send(line)) rig.loop.turn();
  rig.channel->close(true);
  HF_CHECK(!rig.channel->send("late"));
  HF_CHECK(rig.run_until_closed());
}

HF_TEST(half_a_line_has_a_deadline_that_further_bytes_do_not_extend) {
  Rig rig({1 << 20, 1024, 100ms});  // the line's own bound is far
  rig.say("whole\nha");
  HF_CHECK(rig.loop.run_until([&] { return rig.lines.size() == 1; }));
  const auto start = std::chrono::steady_clock::now();
  HF_CHECK(rig.loop.run_until([&] {
    if (rig.closes.empty()) rig.say("l");
    return !rig.closes.empty();
  }));
  HF_EQ(rig.closes[0].code, Errc::limit);
  HF_EQ(rig.closes[0].message, "half a line for 100 ms");
  HF_CHECK(std::chrono::steady_clock::now() - start < 5s);
}

HF_TEST(whole_lines_and_silence_meet_no_deadline) {
  Rig rig({1024, 1024, 50ms});
  rig.say("whole\n");
  HF_CHECK(rig.loop.run_until([&] { return rig.lines.size() == 1; }));
  HF_CHECK(!rig.loop.run_until([&] { return !rig.closes.empty(); }, 200ms));
}

HF_TEST(a_paused_channel_keeps_lines_until_it_is_resumed) {
  Rig rig;
  rig.say("pause\nnext\nlast\n");
  HF_CHECK(rig.loop.run_until([&] { return rig.lines.size() == 1; }));
  rig.loop.turn();
  HF_EQ(rig.lines.size(), size_t{1});
  rig.channel->pause_reading(false);
  HF_EQ(rig.lines.size(), size_t{1});  // not from inside the call
  HF_CHECK(rig.loop.run_until([&] { return rig.lines.size() == 3; }));
}

HF_TEST(a_channel_may_be_destroyed_with_output_queued) {
  Rig rig;
  HF_CHECK(rig.channel->send("never sent"));
  rig.channel.reset();
  rig.loop.turn();
  bool eof = false;
  HF_EQ(rig.hear(&eof), "");
  HF_CHECK(eof);
}

HF_TEST(connecting_to_nowhere_is_an_error_with_the_path) {
  const auto absent = unix_connect("/nonexistent/socket");
  HF_CHECK(!absent);
  HF_EQ(absent.error().sys_errno, ENOENT);
  HF_CHECK(absent.error().message.find("/nonexistent/socket") != std::string::npos);
  const auto long_path = unix_connect(std::string(108, 'p'));
  HF_CHECK(!long_path);
  HF_EQ(long_path.error().code, Errc::limit);
}

int main() {
  const CMUnitTest tests[] = {
      HF_UNIT(lines_arrive_whatever_the_pieces_they_came_in),
      HF_UNIT(what_is_sent_in_one_turn_leaves_in_order_and_drains_once),
      HF_UNIT(end_of_file_is_reported_once_and_from_the_loop),
      HF_UNIT(a_half_closed_peer_still_gets_its_answer),
      HF_UNIT(close_with_flush_writes_the_answer_and_ends_without_a_reset),
      HF_UNIT(close_without_flush_drops_what_is_queued_and_delivers_no_more_lines),
      HF_UNIT(a_ten_megabyte_line_ends_the_connection_at_the_bound),
      HF_UNIT(garbage_is_only_lines_and_bounds),
      HF_UNIT(a_peer_that_does_not_read_meets_the_queue_bound),
      HF_UNIT(close_with_flush_gives_up_on_a_peer_that_does_not_read),
      HF_UNIT(half_a_line_has_a_deadline_that_further_bytes_do_not_extend),
      HF_UNIT(whole_lines_and_silence_meet_no_deadline),
      HF_UNIT(a_paused_channel_keeps_lines_until_it_is_resumed),
      HF_UNIT(a_channel_may_be_destroyed_with_output_queued),
      HF_UNIT(connecting_to_nowhere_is_an_error_with_the_path),
  };
  return HF_RUN(tests);
}
