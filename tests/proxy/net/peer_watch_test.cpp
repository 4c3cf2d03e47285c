// When a peer counts as gone: only after waiting for an acknowledgement for so long, and never for
// being silent, slow or unwilling to read.
#include "proxy/net/peer_watch.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "common/unique_fd.h"
#include "tests/support/hf_test.h"

using namespace holdfast;
using namespace holdfast::proxy;
using std::chrono::seconds;

namespace {

constexpr Millis kLimit{120'000};

struct Watched {
  FakeClock clock;
  PeerWatch watch;
  bool gone(const TcpState &state) { return watch.gone(state, clock.now(), kLimit); }
};

// Something was sent a second ago and is not acknowledged.
TcpState unacked(Millis since_ack) { return {1, 0, seconds{1}, since_ack}; }

}  // namespace

HF_TEST(a_host_that_acknowledges_nothing_for_so_long_is_gone) {
  Watched t;
  HF_CHECK(!t.gone(unacked(seconds{15})));
  for (int i = 1; i < 4; ++i) {
    t.clock.advance(seconds{30});
    HF_CHECK(!t.gone(unacked(seconds{15 + 30 * i})));
  }
  t.clock.advance(seconds{30});
  HF_CHECK(t.gone(unacked(seconds{135})));
}

HF_TEST(a_long_silence_says_nothing_about_what_was_just_sent) {
  Watched t;
  HF_CHECK(!t.gone(unacked(seconds{3600})));
  t.clock.advance(seconds{30});
  HF_CHECK(!t.gone({0, 0, seconds{30}, seconds{30}}));
  t.clock.advance(seconds{3600});
  HF_CHECK(!t.gone(unacked(seconds{3600})));  // another one just sent
}

HF_TEST(any_acknowledgement_begins_the_time_anew) {
  Watched t;
  HF_CHECK(!t.gone(unacked(seconds{9})));
  t.clock.advance(seconds{119});
  HF_CHECK(!t.gone(unacked(seconds{5})));  // something is always on its way: a busy stream
  t.clock.advance(seconds{119});
  HF_CHECK(!t.gone(unacked(seconds{124})));
  t.clock.advance(seconds{1});
  HF_CHECK(t.gone(unacked(seconds{125})));
}

HF_TEST(a_client_that_does_not_read_answers_probes_and_stays) {
  Watched t;
  for (int i = 0; i < 20; ++i) {  // probes come as rarely as every two minutes
    HF_CHECK(!t.gone({0, i % 2 == 0 ? 0U : 1U, seconds{600}, seconds{120}}));
    t.clock.advance(seconds{120});
  }
}

// Sent before the window closed and dropped there for want of room: unacknowledged for ever, sent
// again every two minutes, and each time the other kernel says that there is still no room.
HF_TEST(nor_is_one_gone_that_has_no_room_for_what_it_was_sent) {
  Watched t;
  for (int i = 0; i < 20; ++i) {
    HF_CHECK(!t.gone({1, 0, seconds{119}, seconds{119} - Millis{3}}));
    t.clock.advance(seconds{30});
    if (i % 4 == 0) HF_CHECK(!t.gone({1, 0, Millis{1}, seconds{120}}));  // the answer is on its way
    t.clock.advance(seconds{90});
  }
}

HF_TEST(one_that_stopped_reading_and_then_vanished_is_gone_as_well) {
  Watched t;
  HF_CHECK(!t.gone({0, 2, seconds{130}, seconds{130}}));
  t.clock.advance(seconds{120});
  HF_CHECK(t.gone({0, 3, seconds{250}, seconds{250}}));
}

HF_TEST(the_kernel_tells_what_a_peer_has_acknowledged) {
  const UniqueFd listener(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t bytes = sizeof address;
  auto *generic = static_cast<sockaddr *>(static_cast<void *>(&address));
  HF_EQ(::bind(listener.get(), generic, bytes), 0);
  HF_EQ(::listen(listener.get(), 1), 0);
  HF_EQ(::getsockname(listener.get(), generic, &bytes), 0);
  const UniqueFd client(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  HF_EQ(::connect(client.get(), generic, bytes), 0);
  const UniqueFd accepted(::accept(listener.get(), nullptr, nullptr));
  HF_EQ(::send(accepted.get(), "x", 1, 0), 1);
  char byte = 0;
  HF_EQ(::recv(client.get(), &byte, 1, 0), 1);
  const auto state = tcp_state(accepted.get());
  HF_CHECK(state && state->unacked == 0 && state->unanswered == 0);
  HF_CHECK(state->since_ack < seconds{60});
  int pair[2];
  HF_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
  const UniqueFd one(pair[0]);
  const UniqueFd other(pair[1]);
  HF_CHECK(!tcp_state(one.get()));
}

int main() {
  const CMUnitTest tests[] = {
      HF_UNIT(a_host_that_acknowledges_nothing_for_so_long_is_gone),
      HF_UNIT(a_long_silence_says_nothing_about_what_was_just_sent),
      HF_UNIT(any_acknowledgement_begins_the_time_anew),
      HF_UNIT(a_client_that_does_not_read_answers_probes_and_stays),
      HF_UNIT(nor_is_one_gone_that_has_no_room_for_what_it_was_sent),
      HF_UNIT(one_that_stopped_reading_and_then_vanished_is_gone_as_well),
      HF_UNIT(the_kernel_tells_what_a_peer_has_acknowledged),
  };
  return HF_RUN(tests);
}
