// The proxies' connections over a real socket and loop: messages both ways, pings, and every way a
// connection can misbehave without hurting another.
#include "sessiond/proxy_link.h"

#include <deque>
#include <string>
#include <vector>

#include "common/limits.h"
#include "tests/support/event_loop.h"
#include "tests/support/hf_test.h"
#include "tests/support/temp_dir.h"

using namespace holdfast;
using namespace holdfast::sessiond;
using namespace holdfast::test;

namespace {

// What the core would hear.
struct Heard final : ProxyLinks::Handler {
  void on_link_up(LinkId link) override { up.push_back(link); }
  void on_link_message(LinkId link, link::ToSessiond message) override {
    from.push_back(link);
    messages.push_back(std::move(message));
  }
  void on_link_drained(LinkId) override { ++drained_count; }
  void on_link_down(LinkId link) override { down.push_back(link); }

  std::vector<LinkId> up;
  std::vector<LinkId> down;
  std::vector<LinkId> from;
  std::vector<link::ToSessiond> messages;
  int drained_count = 0;
};

// A proxy's end of the socket.
class Peer final : public UnixChannel::Handler {
 public:
  Peer(event_base *base, const std::string &path) {
    auto fd = unix_connect(path);
    HF_CHECK(fd);
    ChannelLimits limits;
    limits.line_bytes_max = kLinkLineBytesMax;
    limits.queue_bytes_max = 64u << 20;
    channel = std::make_unique<UnixChannel>(base, *std::move(fd), limits, *this);
  }
  void on_line(UnixChannel &, std::string_view line) override { lines.emplace_back(line); }
  void on_closed(UnixChannel &, const Error &) override { closed = true; }

  void say(const link::ToSessiond &message) { (void)channel->send(link::encode(message)); }
  bool heard(std::string_view text) const {
    for (const std::string &line : lines) {
      if (line.find(text) != std::string::npos) return true;
    }
    return false;
  }

  std::unique_ptr<UnixChannel> channel;
  std::vector<std::string> lines;
  bool closed = false;
};

struct Bench {
  Bench() : socket(UnixSocket::bind({dir.file("link.sock"), 0600, {}})) {
    HF_CHECK(socket);
    links = std::make_unique<ProxyLinks>(loop.base(), **socket, clock, heard);
  }
  void wait_up(size_t count) {
    HF_CHECK(loop.run_until([&] { return heard.up.size() == count; }));
  }

  TempDir dir;
  EventLoop loop;
  FakeClock clock;
  Heard heard;
  Result<std::unique_ptr<UnixSocket>> socket;
  std::unique_ptr<ProxyLinks> links;
};

link::Hello hello() {
  link::Hello message;
  message.node = "n";
  message.instance = "i";
  message.version = "t";
  return message;
}

}  // namespace

HF_TEST(messages_travel_both_ways_and_draining_is_told) {
  Bench bench;
  Peer peer(bench.loop.base(), bench.dir.file("link.sock"));
  peer.say(hello());
  HF_CHECK(bench.loop.run_until([&] { return bench.heard.messages.size() == 1; }));
  HF_CHECK(bench.heard.from[0] == bench.heard.up[0]);
  HF_EQ(std::get<link::Hello>(bench.heard.messages[0]).instance, "i");

  bench.links->send(bench.heard.up[0], link::Acknowledged{"abc"});
  HF_CHECK(bench.loop.run_until([&] { return peer.heard(R"("session":"abc")"); }));
  HF_CHECK(bench.loop.run_until([&] { return bench.heard.drained_count > 0; }));
}

HF_TEST(an_unknown_type_is_answered_and_otherwise_ignored) {
  Bench bench;
  Peer peer(bench.loop.base(), bench.dir.file("link.sock"));
  (void)peer.channel->send(R"({"t":"levitate","height_ms":3})");
  peer.say(link::Pong{7});
  HF_CHECK(bench.loop.run_until([&] { return peer.heard(R"("type":"levitate")"); }));
  HF_CHECK(bench.loop.run_until([&] { return bench.heard.messages.size() == 1; }));
  HF_CHECK(!peer.closed);
}

HF_TEST(a_malformed_line_costs_that_connection_only_and_says_why) {
  Bench bench;
  Peer good(bench.loop.base(), bench.dir.file("link.sock"));
  bench.wait_up(1);
  Peer bad(bench.loop.base(), bench.dir.file("link.sock"));
  bench.wait_up(2);
  (void)bad.channel->send(R"({"t":"admit"})");
  (void)bad.channel->send(R"({"t":"pong","n":1})");  // after the fault nothing is read
  HF_CHECK(bench.loop.run_until([&] { return bad.closed; }));
  HF_CHECK(bad.heard(R"("t":"bye")"));
  HF_CHECK(bench.heard.messages.empty());
  HF_CHECK(bench.loop.run_until([&] { return bench.heard.down.size() == 1; }));
  HF_CHECK(bench.heard.down[0] == bench.heard.up[1]);
  good.say(link::Pong{1});
  HF_CHECK(bench.loop.run_until([&] { return bench.heard.messages.size() == 1; }));
}

HF_TEST(a_line_without_end_is_cut_off_at_its_bound) {
  Bench bench;
  Peer peer(bench.loop.base(), bench.dir.file("link.sock"));
  bench.wait_up(1);
  (void)peer.channel->send_raw(std::string(kLinkLineBytesMax + 1, 'x'));
  HF_CHECK(bench.loop.run_until([&] { return bench.heard.down.size() == 1; }));
  HF_CHECK(bench.heard.messages.empty());
}

HF_TEST(the_end_of_a_connection_is_told_once_and_sending_to_it_is_harmless) {
  Bench bench;
  auto peer = std::make_unique<Peer>(bench.loop.base(), bench.dir.file("link.sock"));
  bench.wait_up(1);
  peer.reset();
  HF_CHECK(bench.loop.run_until([&] { return bench.heard.down.size() == 1; }));
  bench.links->send(bench.heard.up[0], link::Drain{true});
  bench.links->close(bench.heard.up[0], "late");
  bench.loop.turn();
  HF_EQ(bench.heard.down.size(), 1u);
  HF_EQ(bench.links->size(), 0u);
}

HF_TEST(a_living_proxy_is_pinged_and_a_silent_one_is_closed) {
  Bench bench;
  Peer talker(bench.loop.base(), bench.dir.file("link.sock"));
  bench.wait_up(1);
  Peer mute(bench.loop.base(), bench.dir.file("link.sock"));
  bench.wait_up(2);
  for (int second = 1; second <= 6; ++second) {
    bench.clock.advance(Millis{1000});
    bench.links->tend();
    const size_t before = bench.heard.messages.size();
    talker.say(link::Pong{second});
    HF_CHECK(bench.loop.run_until([&] { return bench.heard.messages.size() > before; }));
    HF_EQ(bench.heard.down.size(), second < 5 ? 0u : 1u);
  }
  HF_CHECK(bench.heard.down[0] == bench.heard.up[1]);
  HF_CHECK(talker.heard(R"("t":"ping","n":1)"));
  HF_CHECK(bench.loop.run_until([&] { return mute.closed; }));
}

HF_TEST(after_a_freeze_of_our_own_nobody_is_blamed_for_the_silence) {
  Bench bench;
  Peer peer(bench.loop.base(), bench.dir.file("link.sock"));
  bench.wait_up(1);
  bench.clock.advance(std::chrono::minutes{5});
  bench.links->tend();
  bench.loop.turn();
  HF_CHECK(bench.heard.down.empty());
  for (int second = 0; second < 5; ++second) {
    bench.clock.advance(Millis{1000});
    bench.links->tend();
  }
  HF_CHECK(bench.loop.run_until([&] { return bench.heard.down.size() == 1; }));
}

HF_TEST(a_proxy_that_does_not_read_is_closed_when_its_queue_is_full) {
  Bench bench;
  Peer peer(bench.loop.base(), bench.dir.file("link.sock"));
  bench.wait_up(1);
  peer.channel->pause_reading(true);
  const link::ToProxy message{link::Bye{std::string(100, 'x')}};
  const size_t enough = kLinkQueueBytesMax / link::encode(message).size() + 1;
  for (size_t i = 0; i < enough; ++i) bench.links->send(bench.heard.up[0], message);
  HF_CHECK(bench.loop.run_until([&] { return bench.heard.down.size() == 1; }));
}

HF_TEST(shutting_down_says_bye_and_takes_nobody_new) {
  Bench bench;
  Peer peer(bench.loop.base(), bench.dir.file("link.sock"));
  bench.wait_up(1);
  bench.links->shut_down("shutdown");
  HF_CHECK(bench.loop.run_until([&] { return peer.closed; }));
  HF_CHECK(peer.heard(R"({"t":"bye","reason":"shutdown"})"));
  HF_CHECK(bench.loop.run_until([&] { return bench.links->size() == 0; }));
  Peer late(bench.loop.base(), bench.dir.file("link.sock"));  // lands in the backlog
  bench.loop.turn();
  HF_EQ(bench.heard.up.size(), 1u);
}

HF_TEST(more_connections_than_the_bound_are_closed_at_once) {
  Bench bench;
  std::deque<Peer> peers;
  for (size_t i = 0; i < kProxyLinksMax; ++i) {
    peers.emplace_back(bench.loop.base(), bench.dir.file("link.sock"));
    bench.wait_up(i + 1);
  }
  Peer surplus(bench.loop.base(), bench.dir.file("link.sock"));
  HF_CHECK(bench.loop.run_until([&] { return surplus.closed; }));
  HF_EQ(bench.links->size(), kProxyLinksMax);
}

int main() {
  const CMUnitTest tests[] = {
      HF_UNIT(messages_travel_both_ways_and_draining_is_told),
      HF_UNIT(an_unknown_type_is_answered_and_otherwise_ignored),
      HF_UNIT(a_malformed_line_costs_that_connection_only_and_says_why),
      HF_UNIT(a_line_without_end_is_cut_off_at_its_bound),
      HF_UNIT(the_end_of_a_connection_is_told_once_and_sending_to_it_is_harmless),
      HF_UNIT(a_living_proxy_is_pinged_and_a_silent_one_is_closed),
      HF_UNIT(after_a_freeze_of_our_own_nobody_is_blamed_for_the_silence),
      HF_UNIT(a_proxy_that_does_not_read_is_closed_when_its_queue_is_full),
      HF_UNIT(shutting_down_says_bye_and_takes_nobody_new),
      HF_UNIT(more_connections_than_the_bound_are_closed_at_once),
  };
  return HF_RUN(tests);
}
