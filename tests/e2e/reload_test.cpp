// Reload: the configuration is swapped in place or not at all, no stream notices, and the caller
// learns the outcome.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "tests/support/hf_test.h"
#include "tests/support/pair.h"

using namespace holdfast;
using namespace holdfast::test;

namespace {

// 413 or 200: which body limit is in force.
int status_of_big_call(const StreamableClient &client) {
  const std::string big(3000, 'x');
  return client.post(tool_call("1", "echo", R"({"message":")" + big + "\"}")).status;
}

Finished order(Pair &pair, const char *name, const std::string &conf, const char *what) {
  return run({program(name), {"-c", conf, "-s", what}, {}, pair.dir().path()});
}

PairOptions limited() {
  PairOptions options;
  options.location = "client_max_body_size 2k;";
  return options;
}

void check_stream_alive(Pair &pair, SseClient &stream) {
  (void)pair.backend().tell(
      "emit", R"({"message":{"jsonrpc":"2.0","method":"notifications/x","params":{}}})");
  HF_EQ(Json{stream.next().data}["method"].text(), "notifications/x");
}

bool connects(const char *host, uint16_t port) {
  const UniqueFd fd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  HF_EQ(inet_pton(AF_INET, host, &address.sin_addr), 1);
  const auto *generic = static_cast<const sockaddr *>(static_cast<const void *>(&address));
  return connect(fd.get(), generic, sizeof address) == 0;
}

}  // namespace

HF_TEST(sighup_applies_a_new_proxy_conf_and_keeps_streams) {
  Pair pair;
  StreamableClient client(pair.proxy_port());
  client.open();
  SseClient stream = client.get();
  HF_EQ(status_of_big_call(client), 200);
  pair.rewrite_proxy_conf(limited());
  pair.proxy().signal(SIGHUP);
  HF_CHECK(eventually([&] { return status_of_big_call(client) == 413; }));
  check_stream_alive(pair, stream);
  HF_EQ(tool_text(client.call("echo", R"({"message":"small"})")), "small");
}

HF_TEST(a_changed_error_log_is_written_from_the_reload_on_by_master_and_serving_process) {
  Pair pair;
  const auto log = [&pair] { return pair.dir().read("other.log"); };
  PairOptions options;
  options.proxy_main = "error_log other.log debug;";
  pair.rewrite_proxy_conf(options);
  HF_EQ(order(pair, "holdfast-proxy", pair.proxy_conf_path(), "reload").exit, (Exit{false, 0}));
  HF_CHECK(eventually([&] { return log().find("event=reloaded") != std::string::npos; }));
  const pid_t serving = serving_pid(pair.proxy());
  HF_EQ(kill(serving, SIGKILL), 0);  // the next one inherits it
  HF_CHECK(eventually([&] { return log().find("event=serving pid=") != std::string::npos; }));

  options.proxy_main = "error_log missing/other.log debug;";
  pair.rewrite_proxy_conf(options);
  const Finished refused = order(pair, "holdfast-proxy", pair.proxy_conf_path(), "reload");
  HF_EQ(refused.exit, (Exit{false, 1}));
  HF_CHECK(refused.err.find("cannot open log ") != std::string::npos);
  HF_CHECK(eventually([&] { return log().find("event=reload_refused") != std::string::npos; }));

  pair.rewrite_proxy_conf({});
  HF_EQ(order(pair, "holdfast-proxy", pair.proxy_conf_path(), "reload").exit, (Exit{false, 0}));
  const size_t before = log().size();
  HF_EQ(order(pair, "holdfast-proxy", pair.proxy_conf_path(), "reload").exit, (Exit{false, 0}));
  HF_EQ(log().size(), before);  // stderr has it again
}

HF_TEST(s_reload_waits_until_the_new_conf_serves) {
  Pair pair;
  StreamableClient client(pair.proxy_port());
  client.open();
  SseClient stream = client.get();
  pair.rewrite_proxy_conf(limited());
  const Finished reload = order(pair, "holdfast-proxy", pair.proxy_conf_path(), "reload");
  HF_EQ(reload.exit, (Exit{false, 0}));
  HF_EQ(status_of_big_call(client), 413);
  check_stream_alive(pair, stream);
}

HF_TEST(a_bad_conf_is_refused_with_its_place_and_changes_nothing) {
  Pair pair;
  StreamableClient client(pair.proxy_port());
  client.open();
  SseClient stream = client.get();
  PairOptions bad = limited();
  bad.location += " sse_hartbeat 5s;";
  pair.rewrite_proxy_conf(bad);
  const Finished reload = order(pair, "holdfast-proxy", pair.proxy_conf_path(), "reload");
  HF_EQ(reload.exit, (Exit{false, 1}));
  HF_CHECK(reload.err.find("did you mean \"sse_heartbeat\"") != std::string::npos);
  HF_CHECK(reload.err.find("proxy.conf:") != std::string::npos);
  const size_t seen = pair.proxy().lines_count();
  pair.proxy().signal(SIGHUP);
  (void)pair.proxy().wait_for_line("sse_hartbeat", kSoon, seen);
  HF_EQ(status_of_big_call(client), 200);
  check_stream_alive(pair, stream);
}

HF_TEST(a_reloaded_sessiond_applies_its_policy_to_present_sessions) {
  Pair pair;
  StreamableClient client(pair.proxy_port());
  client.open();
  SseClient stream = client.get();
  const std::string conf = pair.dir().read("sessiond.conf");
  (void)pair.dir().write(
      "sessiond.conf",
      conf + "session_timeout 100ms; session_cleanup_interval 50ms; persistent_mode off;\n");
  const Finished reload = order(pair, "holdfast-sessiond", pair.sessiond_conf_path(), "reload");
  HF_EQ(reload.exit, (Exit{false, 0}));
  StreamableClient next(pair.proxy_port());
  next.open();
  SseClient expiring = next.get();
  HF_CHECK(expiring.wait_end() == BodyEnd::framed);
}

HF_TEST(a_bad_sessiond_conf_changes_nothing) {
  Pair pair;
  StreamableClient client(pair.proxy_port());
  client.open();
  (void)pair.dir().write("sessiond.conf",
                         pair.dir().read("sessiond.conf") + "max_sessions none_at_all;\n");
  const Finished reload = order(pair, "holdfast-sessiond", pair.sessiond_conf_path(), "reload");
  HF_EQ(reload.exit, (Exit{false, 1}));
  HF_CHECK(reload.err.find("sessiond.conf:") != std::string::npos);
  pair.sessiond().signal(SIGHUP);
  (void)pair.sessiond().wait_for_line("none_at_all");
  pair.wait_sessions(1);
  StreamableClient more(pair.proxy_port());
  more.open();
}

HF_TEST(holdfastctl_reload_reaches_both_daemons) {
  Pair pair;
  StreamableClient client(pair.proxy_port());
  client.open();
  pair.rewrite_proxy_conf(limited());
  const Finished reload = pair.ctl({"reload"});
  HF_EQ(reload.exit, (Exit{false, 0}));
  HF_EQ(status_of_big_call(client), 413);
  PairOptions bad;
  bad.location = "nonsense on;";
  pair.rewrite_proxy_conf(bad);
  HF_EQ(pair.ctl({"reload"}).exit, (Exit{false, 1}));
  HF_EQ(status_of_big_call(client), 413);
}

HF_TEST(no_request_fails_while_it_is_reloaded_again_and_again) {
  Pair pair;
  StreamableClient client(pair.proxy_port());
  client.open();
  SseClient stream = client.get();
  for (int i = 0; i < 10; ++i) {
    pair.rewrite_proxy_conf(i % 2 == 0 ? limited() : PairOptions{});
    pair.proxy().signal(SIGHUP);
    for (int call = 0; call < 10; ++call) {
      HF_EQ(tool_text(client.call("echo", R"({"message":"steady"})")), "steady");
    }
  }
  check_stream_alive(pair, stream);
}

HF_TEST(a_port_that_is_dropped_refuses_and_the_others_go_on) {
  PairOptions two;
  two.server = "listen 127.0.0.2:0;";
  Pair pair(two);
  constexpr std::string_view kBefore = "address=127.0.0.2:";
  const std::string line = pair.proxy().wait_for_line(kBefore);
  const auto port =
      static_cast<uint16_t>(std::stoi(line.substr(line.find(kBefore) + kBefore.size())));
  StreamableClient client(pair.proxy_port());
  client.open();
  SseClient stream = client.get();
  { const Connection open = Connection::tcp(port, "127.0.0.2"); }
  pair.rewrite_proxy_conf({});
  HF_EQ(order(pair, "holdfast-proxy", pair.proxy_conf_path(), "reload").exit, (Exit{false, 0}));
  HF_CHECK(eventually([&] { return !connects("127.0.0.2", port); }));
  check_stream_alive(pair, stream);
}

HF_TEST(t_tests_a_conf_and_says_so) {
  const Pair pair;
  const Finished good =
      run({program("holdfast-proxy"), {"-t", "-c", pair.proxy_conf_path()}, {}, {}});
  HF_EQ(good.exit, (Exit{false, 0}));
  HF_CHECK(good.err.find("syntax is ok") != std::string::npos);
  HF_CHECK(good.err.find("test is successful") != std::string::npos);
  const std::string path = pair.dir().write("bad.conf", "sevrer { }\n");
  const Finished bad = run({program("holdfast-proxy"), {"-t", "-c", path}, {}, {}});
  HF_EQ(bad.exit, (Exit{false, 1}));
  HF_CHECK(bad.err.find("did you mean \"server\"") != std::string::npos);
  HF_CHECK(bad.err.find("bad.conf:1:1") != std::string::npos);
}

int main() {
  const CMUnitTest tests[] = {
      HF_UNIT(sighup_applies_a_new_proxy_conf_and_keeps_streams),
      HF_UNIT(a_changed_error_log_is_written_from_the_reload_on_by_master_and_serving_process),
      HF_UNIT(s_reload_waits_until_the_new_conf_serves),
      HF_UNIT(a_bad_conf_is_refused_with_its_place_and_changes_nothing),
      HF_UNIT(a_reloaded_sessiond_applies_its_policy_to_present_sessions),
      HF_UNIT(a_bad_sessiond_conf_changes_nothing),
      HF_UNIT(holdfastctl_reload_reaches_both_daemons),
      HF_UNIT(no_request_fails_while_it_is_reloaded_again_and_again),
      HF_UNIT(a_port_that_is_dropped_refuses_and_the_others_go_on),
      HF_UNIT(t_tests_a_conf_and_says_so),
  };
  return HF_RUN(tests);
}
