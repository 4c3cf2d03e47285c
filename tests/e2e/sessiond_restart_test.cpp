// sessiond dies, hangs and comes back: no stream notices, new sessions follow when_sessiond_down,
// and afterwards the table is right and expiry works.
#include "tests/support/hf_test.h"
#include "tests/support/pair.h"

using namespace holdfast;
using namespace holdfast::test;

namespace {

PairOptions with(std::string sessiond, std::string location = {}) {
  PairOptions options;
  options.sessiond = std::move(sessiond);
  options.location = std::move(location);
  return options;
}

void wait_degraded(const Pair &pair) {
  HF_CHECK(eventually([&] { return pair.health()["status"] == "degraded"; }));
}

// What sessiond's absence may cost a request, and how soon after its return its table is right.
constexpr Millis kDelayMax{1000};
constexpr Millis kRightWithin{2000};

void check_alive(Pair &pair, const StreamableClient &client, SseClient &stream) {
  const MonoTime start = SystemClock().now();
  HF_EQ(tool_text(client.call("echo", R"({"message":"on"})")), "on");
  (void)pair.backend().tell(
      "emit", R"({"message":{"jsonrpc":"2.0","method":"notifications/x","params":{}}})");
  HF_EQ(Json{stream.next().data}["method"].text(), "notifications/x");
  HF_CHECK(SystemClock().now() - start < kDelayMax);
}

}  // namespace

HF_TEST(streams_and_sessions_go_on_without_sessiond) {
  Pair pair(with(""));
  StreamableClient client(pair.proxy_port());
  client.open();
  SseClient stream = client.get();
  pair.kill_sessiond();
  check_alive(pair, client, stream);
  wait_degraded(pair);
  check_alive(pair, client, stream);
  pair.start_sessiond();
  pair.wait_linked();
  check_alive(pair, client, stream);
  pair.wait_sessions(1);
  const Json sessions = pair.admin_json("show sess json");
  HF_EQ(sessions[size_t{0}]["persistent"].boolean(), true);
}

HF_TEST(by_default_new_sessions_are_served_when_there_was_no_cap) {
  Pair pair(with(""));
  pair.kill_sessiond();
  wait_degraded(pair);
  StreamableClient client(pair.proxy_port());
  client.open();
  pair.start_sessiond();
  pair.wait_linked();
  pair.wait_sessions(1);
}

HF_TEST(by_default_new_sessions_are_refused_when_there_was_a_cap) {
  Pair pair(with("max_sessions 10;"));
  StreamableClient old(pair.proxy_port());
  old.open();
  pair.kill_sessiond();
  wait_degraded(pair);
  StreamableClient client(pair.proxy_port());
  const Response refused = client.initialize("5");
  check_refusal(refused, 503, -32000, "5");
  HF_EQ(refused.header("Retry-After").value_or(""), "1");
  HF_EQ(old.post(rpc("ping", "1")).status, 200);
  pair.start_sessiond();
  pair.wait_linked();
  client.open();
}

HF_TEST(serve_and_refuse_are_believed_whatever_the_cap) {
  Pair serving(with("max_sessions 10;", "when_sessiond_down serve;"));
  serving.kill_sessiond();
  wait_degraded(serving);
  StreamableClient served(serving.proxy_port());
  served.open();

  // Without a cap the door is open until the proxy has noticed: that is what its log says, and not
  // /health, which a worker finds out by itself.
  Pair refusing(with("", "when_sessiond_down refuse;"));
  const size_t lines = refusing.proxy().lines_count();
  refusing.kill_sessiond();
  (void)refusing.proxy().wait_for_line("event=sessiond_away", kSoon, lines);
  StreamableClient refused(refusing.proxy_port());
  HF_EQ(refused.initialize().status, 503);
}

HF_TEST(with_no_policy_ever_known_new_sessions_are_refused) {
  PairOptions options;
  options.start_sessiond = false;
  Pair pair(options);
  StreamableClient client(pair.proxy_port());
  const Response refused = client.initialize("1");
  check_refusal(refused, 503, -32000, "1");
  pair.start_sessiond();
  pair.wait_linked();
  client.open();
}

HF_TEST(a_sessiond_that_comes_back_overshot_evicts_nobody) {
  Pair pair(with("max_sessions 1;", "when_sessiond_down serve;"));
  StreamableClient a(pair.proxy_port());
  StreamableClient b(pair.proxy_port());
  a.open();
  pair.kill_sessiond();
  wait_degraded(pair);
  b.open();
  pair.start_sessiond();
  pair.wait_linked();
  pair.wait_sessions(2);
  HF_EQ(a.post(rpc("ping", "1")).status, 200);
  HF_EQ(b.post(rpc("ping", "1")).status, 200);
  StreamableClient c(pair.proxy_port());
  HF_EQ(c.initialize().status, 503);
}

HF_TEST(expiry_works_after_a_restart_and_idle_time_is_not_reset) {
  constexpr Millis kTimeout{3000};
  Pair pair(with("session_timeout 3s; session_cleanup_interval 50ms; persistent_mode off;"));
  StreamableClient client(pair.proxy_port());
  client.open();
  const MonoTime opened = SystemClock().now();
  SseClient stream = client.get();
  HF_CHECK(!stream.poll(Millis{2000}));
  pair.kill_sessiond();
  wait_degraded(pair);
  pair.start_sessiond();
  pair.wait_linked();
  HF_CHECK(stream.wait_end() == BodyEnd::framed);
  const Millis lived = SystemClock().now() - opened;
  HF_CHECK(lived >= kTimeout - Millis{100});  // it had been open for a moment
  // Counted anew it would live for two seconds more.
  HF_CHECK(lived <= kTimeout + Millis{50 + 1000});
  check_refusal(client.post(rpc("ping", "1")), 404, -32001, "1");
  HF_CHECK(eventually([&] { return pair.backend().state()["ended"].size() == 1; }));
}

HF_TEST(what_ended_meanwhile_is_gone_and_stays_gone) {
  Pair pair(with(""));
  StreamableClient a(pair.proxy_port());
  StreamableClient b(pair.proxy_port());
  a.open();
  b.open();
  pair.kill_sessiond();
  HF_EQ(a.remove().status / 100, 2);
  pair.start_sessiond();
  pair.wait_sessions(1, kRightWithin);
  check_refusal(a.post(rpc("ping", "1")), 404, -32001, "1");
  HF_EQ(b.post(rpc("ping", "1")).status, 200);
}

HF_TEST(a_hanging_sessiond_delays_nothing_but_admission_and_that_for_a_second) {
  // With a cap it has to be asked.
  Pair pair(with("max_sessions 10;", "when_sessiond_down serve;"));
  StreamableClient client(pair.proxy_port());
  client.open();
  SseClient stream = client.get();
  pair.sessiond().signal(SIGSTOP);
  check_alive(pair, client, stream);
  const MonoTime start = SystemClock().now();
  StreamableClient late(pair.proxy_port());
  HF_EQ(late.initialize().status, 200);
  const Millis delay = SystemClock().now() - start;
  HF_CHECK(delay > kDelayMax / 2);  // it was waited for
  HF_CHECK(delay < kDelayMax + Millis{500});
  pair.sessiond().signal(SIGCONT);
  pair.wait_sessions(2, kRightWithin);
}

HF_TEST(a_deleted_id_is_gone_for_good) {
  Pair pair(with("tombstone_lifetime 50ms;"));
  StreamableClient client(pair.proxy_port());
  client.open();
  StreamableClient other(pair.proxy_port());
  other.open();
  pair.wait_created(2);
  const auto check_gone = [&] { check_refusal(client.post(rpc("ping", "1")), 404, -32001, "1"); };
  HF_EQ(client.remove().status / 100, 2);
  check_gone();
  HF_CHECK(eventually([&] {  // nobody remembers why
    const Json error = Json{client.post(rpc("ping", "1")).body}["error"];
    return error["data"]["reason"].text() == "unknown";
  }));
  pair.kill_sessiond();
  pair.start_sessiond();
  pair.wait_sessions(1);
  check_gone();
  pair.kill_proxy();
  pair.rewrite_proxy_conf(with(""));
  pair.start_proxy();
  pair.wait_linked();
  HF_EQ(other.post(rpc("ping", "1")).status, 200);
  check_gone();
  pair.wait_sessions(1);
}

HF_TEST(a_restarted_proxy_serves_its_old_sessions) {
  Pair pair(with(""));
  StreamableClient client(pair.proxy_port());
  client.open();
  LegacyClient legacy(pair.proxy_port());
  legacy.open();
  pair.wait_created(2);
  pair.kill_proxy();
  // The port stays: clients know no other.
  pair.rewrite_proxy_conf(with(""));
  pair.wait_sessions(1);  // the legacy one was its stream
  pair.start_proxy();
  pair.wait_linked();
  HF_EQ(tool_text(client.call("echo", R"({"message":"again"})")), "again");
  HF_CHECK(client.get().streaming());
  pair.wait_sessions(1);
}

int main() {
  const CMUnitTest tests[] = {
      HF_UNIT(streams_and_sessions_go_on_without_sessiond),
      HF_UNIT(by_default_new_sessions_are_served_when_there_was_no_cap),
      HF_UNIT(by_default_new_sessions_are_refused_when_there_was_a_cap),
      HF_UNIT(serve_and_refuse_are_believed_whatever_the_cap),
      HF_UNIT(with_no_policy_ever_known_new_sessions_are_refused),
      HF_UNIT(a_sessiond_that_comes_back_overshot_evicts_nobody),
      HF_UNIT(expiry_works_after_a_restart_and_idle_time_is_not_reset),
      HF_UNIT(what_ended_meanwhile_is_gone_and_stays_gone),
      HF_UNIT(a_hanging_sessiond_delays_nothing_but_admission_and_that_for_a_second),
      HF_UNIT(a_deleted_id_is_gone_for_good),
      HF_UNIT(a_restarted_proxy_serves_its_old_sessions),
  };
  return HF_RUN(tests);
}
