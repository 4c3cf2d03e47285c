// Persistent sessions: they end by an admin's word, the client's DELETE, the backend's own end or
// orphan_timeout, and by nothing else.
#include "tests/support/hf_test.h"
#include "tests/support/pair.h"

using namespace holdfast;
using namespace holdfast::test;

namespace {

constexpr const char *kFast = "session_timeout 100ms; session_cleanup_interval 50ms;";

PairOptions with(std::string sessiond) {
  PairOptions options;
  options.sessiond = kFast + std::move(sessiond);
  return options;
}

// Waits until sessiond has looked at expiry `times` more times and skipped somebody.
void wait_for_sweeps(Pair &pair, size_t times) {
  const size_t before = pair.sessiond().count_lines("skipped persistent sessions");
  HF_CHECK(eventually([&] {
    return pair.sessiond().count_lines("skipped persistent sessions") >= before + times;
  }));
}

}  // namespace

HF_TEST(without_a_cap_sessions_are_persistent_and_outlive_their_timeout) {
  Pair pair(with(""));
  StreamableClient client(pair.proxy_port());
  client.open();
  (void)pair.sessiond().wait_for_line("[SessionManager] session created {\"sessionId\":\"" +
                                      client.session().substr(0, 8) +
                                      "\",\"userId\":\"-\",\"persistent\":true}");
  SseClient stream = client.get();
  wait_for_sweeps(pair, 5);  // at least 250 ms, more than twice the timeout
  (void)pair.sessiond().wait_for_line(
      "[SessionManager] skipped persistent sessions {\"persistent\":1}");
  HF_EQ(tool_text(client.call("echo", R"({"message":"still here"})")), "still here");
  HF_CHECK(stream.end() == BodyEnd::open);
}

HF_TEST(a_client_that_vanishes_ends_its_stream_and_not_its_session) {
  Pair pair(with(""));
  StreamableClient client(pair.proxy_port());
  client.open();
  SseClient stream = client.get();
  stream.connection().reset();
  wait_for_sweeps(pair, 4);
  HF_CHECK(eventually([&] { return pair.backend().state()["streams"].size() == 0; }));
  HF_EQ(tool_text(client.call("echo", R"({"message":"back"})")), "back");
  HF_CHECK(client.get().streaming());
}

HF_TEST(a_legacy_session_is_its_stream_even_when_persistent) {
  Pair pair(with(""));
  LegacyClient client(pair.proxy_port());
  client.open();
  wait_for_sweeps(pair, 4);
  HF_EQ(tool_text(client.call("echo", R"({"message":"on"})")), "on");
  client.stream().close();
  pair.wait_sessions(0);
}

HF_TEST(a_cap_makes_sessions_expire_unless_persistent_mode_says_otherwise) {
  Pair capped(with("max_sessions 5;"));
  StreamableClient client(capped.proxy_port());
  client.open();
  HF_CHECK(client.get().wait_end() == BodyEnd::framed);

  Pair both(with("max_sessions 5; persistent_mode on;"));
  StreamableClient kept(both.proxy_port());
  kept.open();
  wait_for_sweeps(both, 5);
  HF_EQ(kept.post(rpc("ping", "1")).status, 200);
  HF_CHECK(both.sessiond().err().find("warn ") != std::string::npos);
}

HF_TEST(a_persistent_session_ends_by_delete_and_by_the_backend) {
  Pair pair(with(""));
  StreamableClient a(pair.proxy_port());
  a.open();
  HF_EQ(a.remove().status / 100, 2);
  check_refusal(a.post(rpc("ping", "1")), 404, -32001, "1");
  StreamableClient b(pair.proxy_port());
  b.open();
  (void)pair.backend().tell("forget");
  HF_EQ(b.post(rpc("ping", "1")).status, 404);
  pair.wait_sessions(0);
}

HF_TEST(a_session_made_unpersistent_expires) {
  Pair pair(with(""));
  StreamableClient client(pair.proxy_port());
  client.open();
  SseClient stream = client.get();
  pair.wait_created();
  wait_for_sweeps(pair, 4);
  (void)pair.admin("set session " + client.session().substr(0, 8) + " persistent off");
  HF_CHECK(stream.wait_end() == BodyEnd::framed);
  check_refusal(client.post(rpc("ping", "1")), 404, -32001, "1");
}

int main() {
  const CMUnitTest tests[] = {
      HF_UNIT(without_a_cap_sessions_are_persistent_and_outlive_their_timeout),
      HF_UNIT(a_client_that_vanishes_ends_its_stream_and_not_its_session),
      HF_UNIT(a_legacy_session_is_its_stream_even_when_persistent),
      HF_UNIT(a_cap_makes_sessions_expire_unless_persistent_mode_says_otherwise),
      HF_UNIT(a_persistent_session_ends_by_delete_and_by_the_backend),
      HF_UNIT(a_session_made_unpersistent_expires),
  };
  return HF_RUN(tests);
}
