// Sessions nobody will come back to: orphan_timeout ends persistent ones without any sign of life,
// unused_timeout those that never asked for anything.
#include "tests/support/hf_test.h"
#include "tests/support/pair.h"

using namespace holdfast;
using namespace holdfast::test;

namespace {

constexpr Millis kLimit{600};

PairOptions with(std::string sessiond) {
  PairOptions options;
  options.sessiond = "session_cleanup_interval 50ms;" + std::move(sessiond);
  return options;
}

std::string deleted_line(const StreamableClient &client, const char *reason) {
  return "[SessionManager] session deleted {\"sessionId\":\"" + client.session().substr(0, 8) +
         "\",\"reason\":\"" + reason + "\"}";
}

MonoTime now() { return SystemClock().now(); }

}  // namespace

HF_TEST(an_orphan_ends_after_its_own_timeout_and_one_with_a_stream_does_not) {
  Pair pair(with("orphan_timeout 600ms;"));
  StreamableClient orphan(pair.proxy_port());
  StreamableClient held(pair.proxy_port());
  held.open();
  SseClient stream = held.get();
  const MonoTime before = now();
  orphan.open();
  (void)pair.sessiond().wait_for_line(deleted_line(orphan, "orphan_timeout"));
  HF_CHECK(now() - before >= kLimit);
  check_refusal(orphan.post(rpc("ping", "1")), 404, -32001, "1");
  HF_CHECK(!stream.poll(2 * kLimit));
  HF_CHECK(stream.end() == BodyEnd::open);
  stream.close();
  (void)pair.sessiond().wait_for_line(deleted_line(held, "orphan_timeout"));
}

HF_TEST(any_request_even_a_ping_says_that_a_session_is_no_orphan) {
  Pair pair(with("orphan_timeout 600ms;"));
  StreamableClient client(pair.proxy_port());
  StreamableClient other(pair.proxy_port());
  other.open();
  SseClient timer = other.get();
  client.open();
  const MonoTime start = now();
  while (now() - start < 4 * kLimit) {
    HF_EQ(client.post(rpc("ping", "1")).status, 200);
    HF_CHECK(!timer.poll(Millis{50}));
  }
}

HF_TEST(a_session_that_never_asked_for_anything_ends_early) {
  Pair pair(with("persistent_mode off; unused_timeout 600ms;"));
  StreamableClient unused(pair.proxy_port());
  StreamableClient used(pair.proxy_port());
  used.open();
  SseClient timer = used.get();
  HF_EQ(used.post(rpc("tools/list", "1")).status, 200);
  const MonoTime before = now();
  unused.open();
  SseClient stream = unused.get();
  HF_CHECK(stream.wait_end() == BodyEnd::framed);
  HF_CHECK(now() - before >= kLimit);
  (void)pair.sessiond().wait_for_line(deleted_line(unused, "unused_timeout"));
  HF_CHECK(!timer.poll(2 * kLimit));
  HF_EQ(used.post(rpc("ping", "2")).status, 200);
}

int main() {
  const CMUnitTest tests[] = {
      HF_UNIT(an_orphan_ends_after_its_own_timeout_and_one_with_a_stream_does_not),
      HF_UNIT(any_request_even_a_ping_says_that_a_session_is_no_orphan),
      HF_UNIT(a_session_that_never_asked_for_anything_ends_early),
  };
  return HF_RUN(tests);
}
