// Two proxies of one node, with one sessiond and the same server: a client finds its session at
// whichever it meets, and it ends for both or for none.
#include <csignal>

#include "tests/support/hf_test.h"
#include "tests/support/pair.h"

using namespace holdfast;
using namespace holdfast::test;

namespace {

// The pair, and a second proxy beside its own.
struct Siblings {
  Pair pair;
  std::unique_ptr<Process> second;
  uint16_t port = 0;

  explicit Siblings(std::string sessiond = {}) : pair(options(std::move(sessiond))) {
    (void)pair.dir().write(
        "second.conf",
        "node web; pid second.pid; sessiond unix:sessiond.sock;\n"
        "upstream backend { server 127.0.0.1:" +
            std::to_string(pair.backend_port()) +
            "; }\nserver { listen 127.0.0.1:0; location / { proxy_pass http://backend; } }\n");
    start();
  }
  static PairOptions options(std::string sessiond) {
    PairOptions options;
    options.proxy_main = "node web;";
    options.sessiond = std::move(sessiond);
    return options;
  }
  void start() {
    second = std::make_unique<Process>(
        Command{program("holdfast-proxy"), {"-c", pair.dir().file("second.conf")}, {}, {}});
    const std::string line = second->wait_for_line("event=listening");
    port = static_cast<uint16_t>(std::stoi(line.substr(line.rfind(':') + 1)));
    (void)second->wait_for_line("event=siblings count=1");
    (void)pair.proxy().wait_for_line("event=siblings count=1");
  }
  // The same client at the other proxy.
  StreamableClient elsewhere(const StreamableClient &client) const {
    StreamableClient same(port);
    same.set_session(client.session());
    return same;
  }
};

std::string echo(const StreamableClient &client) {
  return tool_text(client.call("echo", R"({"message":"mine"})"));
}

}  // namespace

HF_TEST(a_session_opened_at_one_proxy_is_served_by_the_other_at_once) {
  const Siblings node;
  for (int i = 0; i < 8; ++i) {
    StreamableClient client(i % 2 == 0 ? node.pair.proxy_port() : node.port);
    client.open();
    const StreamableClient other(i % 2 == 0 ? node.port : node.pair.proxy_port());
    StreamableClient same = other;
    same.set_session(client.session());
    HF_EQ(echo(same), "mine");
    HF_EQ(echo(client), "mine");
  }
  node.pair.wait_sessions(8);  // each once
}

HF_TEST(activity_at_either_proxy_keeps_the_session_and_idleness_at_both_ends_it_once) {
  Siblings node("session_timeout 1200ms; session_cleanup_interval 50ms; persistent_mode off;");
  StreamableClient client(node.pair.proxy_port());
  client.open();
  SseClient stream = client.get();
  const StreamableClient other = node.elsewhere(client);
  const MonoTime begun = SystemClock().now();
  while (SystemClock().now() - begun < Millis{2000}) {
    HF_EQ(echo(other), "mine");  // the proxy the session began at hears nothing of it
    HF_CHECK(!stream.poll(Millis{100}));
  }
  const MonoTime last = SystemClock().now();
  HF_CHECK(stream.wait_end() == BodyEnd::framed);
  HF_CHECK(SystemClock().now() - last >= Millis{1000});
  check_refusal(client.post(tool_call("5", "clock")), 404, -32001, "5");
  check_refusal(other.post(tool_call("6", "clock")), 404, -32001, "6");
  HF_CHECK(eventually([&] { return node.pair.backend().state()["ended"].size() == 1; }));
  (void)node.pair.sessiond().wait_for_line("\"reason\":\"idle_timeout\"");
  node.pair.wait_sessions(0);
}

HF_TEST(a_call_in_flight_at_one_proxy_holds_the_session_at_both) {
  Siblings node("session_timeout 500ms; session_cleanup_interval 50ms; persistent_mode off;");
  StreamableClient client(node.pair.proxy_port());
  client.open();
  const StreamableClient other = node.elsewhere(client);
  (void)other.call("slow", R"({"steps":3,"interval_ms":400})");
  HF_EQ(echo(client), "mine");
}

HF_TEST(delete_at_one_proxy_ends_the_session_at_both) {
  const Siblings node;
  StreamableClient client(node.pair.proxy_port());
  client.open();
  const StreamableClient other = node.elsewhere(client);
  SseClient stream = other.get();
  HF_CHECK(client.remove().status < 300);
  HF_CHECK(stream.wait_end() == BodyEnd::framed);
  HF_EQ(other.post(tool_call("1", "clock")).status, 404);  // the server says so already
  check_refusal(client.post(tool_call("1", "clock")), 404, -32001, "1");
}

HF_TEST(an_admins_word_ends_it_at_both) {
  const Siblings node;
  StreamableClient client(node.pair.proxy_port());
  client.open();
  const StreamableClient other = node.elsewhere(client);
  HF_EQ(echo(other), "mine");
  SseClient stream = other.get();
  HF_EQ(node.pair.ctl({"terminate-session", client.session().substr(0, 8)}).exit.code, 0);
  HF_CHECK(stream.wait_end() == BodyEnd::framed);
  check_refusal(client.post(tool_call("1", "clock")), 404, -32001, "1");
}

HF_TEST(when_one_proxy_dies_its_sessions_go_on_at_the_other) {
  Siblings node;
  StreamableClient client(node.port);
  client.open();
  StreamableClient left(node.pair.proxy_port());
  left.set_session(client.session());
  HF_EQ(echo(left), "mine");
  node.second->signal(SIGKILL);
  (void)node.pair.proxy().wait_for_line("event=siblings count=0");
  HF_EQ(echo(left), "mine");
  node.start();
  HF_EQ(echo(node.elsewhere(left)), "mine");
}

HF_TEST(an_unknown_id_waits_for_a_moment_and_is_404_with_the_requests_id) {
  const Siblings node;
  StreamableClient stranger(node.port);
  stranger.set_session(std::string(32, 'x'));
  check_refusal(stranger.post(tool_call("7", "clock")), 404, -32001, "7");
}

int main() {
  const CMUnitTest tests[] = {
      HF_UNIT(a_session_opened_at_one_proxy_is_served_by_the_other_at_once),
      HF_UNIT(activity_at_either_proxy_keeps_the_session_and_idleness_at_both_ends_it_once),
      HF_UNIT(a_call_in_flight_at_one_proxy_holds_the_session_at_both),
      HF_UNIT(delete_at_one_proxy_ends_the_session_at_both),
      HF_UNIT(an_admins_word_ends_it_at_both),
      HF_UNIT(when_one_proxy_dies_its_sessions_go_on_at_the_other),
      HF_UNIT(an_unknown_id_waits_for_a_moment_and_is_404_with_the_requests_id),
  };
  return HF_RUN(tests);
}
