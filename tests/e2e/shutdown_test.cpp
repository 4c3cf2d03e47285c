// The end: both daemons leave cleanly when asked to, and nobody is left hanging.
#include <fstream>
#include <set>

#include "tests/support/hf_test.h"
#include "tests/support/pair.h"
#include "tests/support/scripted_backend.h"

using namespace holdfast;
using namespace holdfast::test;

namespace {

constexpr Exit kOk{false, 0};
// From the death of a serving process to the next one's first answer.
#ifdef HOLDFAST_SANITIZED
constexpr Millis kServesAgain{5000};
#else
constexpr Millis kServesAgain{1000};
#endif

bool refused(uint16_t port) {
  try {
    (void)Connection::tcp(port);
  } catch (const TestFailure &) {
    return true;
  }
  return false;
}

// The serving process below a master; 0 while there is none.
pid_t child_of(const Process &master) {
  const std::string pid = std::to_string(master.pid());
  std::ifstream children("/proc/" + pid + "/task/" + pid + "/children");
  pid_t child = 0;
  children >> child;
  return child;
}

constexpr const char *kListenParams =
    R"({"notifications":{"resourceSubscriptions":["demo://counter"]}})";

// The delay a stream's end told its client; fails the test when it told none.
int64_t retry_told(const SseClient &stream) {
  const size_t at = stream.body().rfind("retry: ");
  if (at == std::string::npos) HF_FAIL("no retry in: " + stream.body());
  return std::stoll(stream.body().substr(at + 7));
}

}  // namespace

HF_TEST(sigterm_and_sigint_end_both_at_once) {
  for (const int number : {SIGTERM, SIGINT}) {
    Pair pair;
    StreamableClient client(pair.proxy_port());
    client.open();
    SseClient stream = client.get();
    pair.proxy().signal(number);
    HF_EQ(pair.proxy().wait_exit(), kOk);
    (void)stream.wait_end();
    HF_CHECK(refused(pair.proxy_port()));
    pair.sessiond().signal(number);
    HF_EQ(pair.sessiond().wait_exit(), kOk);
    HF_CHECK(pair.dir().read("proxy.pid").empty());  // tidied away
    HF_CHECK(pair.dir().read("sessiond.pid").empty());
  }
}

// SIGTERM grants what runs a moment, SIGQUIT worker_shutdown_timeout.
HF_TEST(sigterm_and_sigquit_let_a_running_call_finish) {
  for (const int number : {SIGTERM, SIGQUIT}) {
    PairOptions options;
    options.backend_args = {"--answer", "json"};
    Pair pair(options);
    StreamableClient client(pair.proxy_port());
    client.open();
    Connection connection = Connection::tcp(pair.proxy_port());
    connection.send(to_text(mcp_post(
        "/mcp", tool_call("1", "slow", R"({"steps":1,"interval_ms":700})"), client.headers())));
    HF_CHECK(eventually([&] { return pair.backend().state()["exchanges"] == 1; }));
    pair.proxy().signal(number);
    HF_CHECK(eventually([&] { return refused(pair.proxy_port()); }));
    ResponseReader reader(connection);
    Response answer;
    static_cast<ResponseHead &>(answer) = reader.read_head().value();
    while (reader.read_some(answer.body)) {
    }
    HF_EQ(tool_text(answer_in(answer, "1")), "done after 1 steps");
    HF_EQ(pair.proxy().wait_exit(), kOk);
  }
}

HF_TEST(sigquit_ends_streams_with_a_time_to_come_back_that_differs) {
  Pair pair;
  std::vector<StreamableClient> clients;
  std::vector<SseClient> streams;
  for (int i = 0; i < 6; ++i) {
    clients.emplace_back(pair.proxy_port()).open();
    streams.push_back(clients.back().get());
  }
  SseClient listen(pair.proxy_port(), modern_request("subscriptions/listen", "9", kListenParams));
  HF_CHECK(listen.streaming());
  pair.proxy().signal(SIGQUIT);
  std::set<int64_t> delays;
  for (SseClient &stream : streams) {
    HF_CHECK(stream.wait_end() == BodyEnd::framed);
    const int64_t delay_ms = retry_told(stream);
    HF_CHECK(delay_ms >= 1000 && delay_ms < 5000);
    delays.insert(delay_ms);
  }
  HF_CHECK(delays.size() > 1);
  HF_CHECK(listen.wait_end() == BodyEnd::framed);
  HF_CHECK(listen.body().find(R"("id":9,"result":)") != std::string::npos);
  HF_EQ(pair.proxy().wait_exit(), kOk);
}

HF_TEST(drain_lets_requests_finish_and_the_proxy_leave_its_sessions_behind) {
  PairOptions options;
  options.backend_args = {"--answer", "json"};
  Pair pair(options);
  StreamableClient client(pair.proxy_port());
  client.open();
  pair.wait_created();
  SseClient stream = client.get();
  SseClient listen(pair.proxy_port(), modern_request("subscriptions/listen", "9", kListenParams));
  HF_CHECK(listen.streaming());
  Connection connection = Connection::tcp(pair.proxy_port());
  connection.send(to_text(mcp_post(
      "/mcp", tool_call("1", "slow", R"({"steps":1,"interval_ms":500})"), client.headers())));
  HF_CHECK(eventually([&] { return pair.backend().state()["exchanges"] == 1; }));
  HF_EQ(pair.ctl({"drain", "--wait", "10s"}).exit, kOk);
  HF_CHECK(stream.wait_end() == BodyEnd::framed);
  HF_CHECK(retry_told(stream) >= 1000);
  HF_CHECK(listen.wait_end() == BodyEnd::framed);
  HF_CHECK(listen.body().find(R"("id":9,"result":)") != std::string::npos);
  ResponseReader reader(connection);
  Response answer;
  static_cast<ResponseHead &>(answer) = *reader.read_head();
  while (reader.read_some(answer.body)) {
  }
  HF_EQ(tool_text(answer_in(answer, "1")), "done after 1 steps");
  HF_EQ(pair.proxy().wait_exit(), kOk);
  // sessiond keeps the session for the proxy that comes next, which admits again.
  HF_EQ(pair.sessions_count(), 1U);
  pair.start_proxy();
  pair.wait_linked();
  StreamableClient again(pair.proxy_port());
  again.set_session(client.session());
  HF_EQ(again.post(rpc("ping", "1")).status, 200);
  StreamableClient(pair.proxy_port()).open();
}

HF_TEST(sigquit_is_bounded_by_worker_shutdown_timeout) {
  PairOptions options;
  options.proxy_main = "worker_shutdown_timeout 300ms;";
  Pair pair(options);
  StreamableClient client(pair.proxy_port());
  client.open();
  SseClient stream = client.get();
  SseClient call = client.stream_post(tool_call("1", "slow", R"({"steps":10000})"));
  HF_CHECK(eventually([&] { return pair.backend().state()["exchanges"] == 1; }));
  pair.proxy().signal(SIGQUIT);
  HF_EQ(pair.proxy().wait_exit(), kOk);
  (void)stream.wait_end();
  (void)call.wait_end();
}

HF_TEST(drain_exits_within_worker_shutdown_timeout_whatever_still_runs) {
  PairOptions options;
  options.proxy_main = "worker_shutdown_timeout 300ms;";
  Pair pair(options);
  StreamableClient client(pair.proxy_port());
  client.open();
  SseClient call = client.stream_post(tool_call("1", "slow", R"({"steps":10000})"));
  HF_CHECK(eventually([&] { return pair.backend().state()["exchanges"] == 1; }));
  HF_EQ(pair.ctl({"drain", "--wait", "10s"}).exit, kOk);
  HF_EQ(pair.proxy().wait_exit(), kOk);
  (void)call.wait_end();
}

// A client of HTTP/1.0 knows a whole answer by the connection's end alone.
HF_TEST(an_answer_that_the_end_of_the_grace_cuts_does_not_look_whole) {
  ScriptedBackend backend([](Peer &peer) {
    (void)peer.read_request();
    (void)peer.send("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\nthe first half");
    (void)peer.wait_closed();
  });
  PairOptions options;
  options.backend_port = backend.port();
  options.start_sessiond = false;
  options.proxy_main = "worker_shutdown_timeout 300ms;";
  Pair pair(options);
  Connection client = Connection::tcp(pair.proxy_port());
  client.send("GET /half HTTP/1.0\r\nHost: localhost\r\nAccept: text/plain\r\n\r\n");
  ResponseReader reader(client);
  HF_EQ(reader.read_head()->status, 200);
  std::string body;
  HF_CHECK(reader.read_some(body));
  HF_EQ(body, "the first half");
  pair.proxy().signal(SIGQUIT);
  HF_EQ(pair.proxy().wait_exit(), kOk);
  HF_CHECK(!reader.read_some(body));
  HF_CHECK(reader.end() == BodyEnd::reset);
}

HF_TEST(s_stop_and_s_quit_work_as_the_signals_do) {
  for (const char *what : {"stop", "quit"}) {
    Pair pair;
    HF_EQ(run({program("holdfast-proxy"), {"-c", pair.proxy_conf_path(), "-s", what}, {}, {}}).exit,
          kOk);
    HF_EQ(pair.proxy().wait_exit(), kOk);
    HF_EQ(run({program("holdfast-sessiond"),
               {"-c", pair.sessiond_conf_path(), "-s", what},
               {},
               pair.dir().path()})
              .exit,
          kOk);
    HF_EQ(pair.sessiond().wait_exit(), kOk);
  }
}

HF_TEST(a_second_sessiond_on_the_same_sockets_leaves_the_first_alone) {
  Pair pair;
  StreamableClient client(pair.proxy_port());
  client.open();
  const Finished second =
      run({program("holdfast-sessiond"), {"-c", pair.sessiond_conf_path()}, {}, pair.dir().path()});
  HF_EQ(second.exit, (Exit{false, 1}));
  pair.wait_sessions(1);
  HF_CHECK(pair.sessiond().running());
}

HF_TEST(a_killed_serving_process_is_replaced_and_sessions_go_on) {
  Pair pair;
  StreamableClient client(pair.proxy_port());
  client.open();
  pair.wait_created();
  const pid_t child = child_of(pair.proxy());
  HF_CHECK(child > 0);
  const MonoTime killed = SystemClock().now();
  HF_EQ(::kill(child, SIGKILL), 0);
  (void)pair.proxy().wait_for_line("event=child_died");
  // The master listens on: who comes now waits for the next process, and is not refused.
  HF_EQ(tool_text(client.call("echo", R"({"message":"respawned"})")), "respawned");
  HF_CHECK(SystemClock().now() - killed < kServesAgain);
  pair.wait_linked();
  pair.wait_sessions(1);
  pair.proxy().signal(SIGTERM);
  HF_EQ(pair.proxy().wait_exit(), kOk);
}

HF_TEST(one_that_dies_again_and_again_is_started_ever_later_and_serves_when_it_lives) {
  Pair pair;
  pid_t last = 0;
  size_t deaths = 0;
  HF_CHECK(!eventually(
      [&] {
        const pid_t child = child_of(pair.proxy());
        if (child <= 0 || child == last || ::kill(child, SIGKILL) != 0) return false;
        last = child;
        return ++deaths > 8;  // at 0, 100, 300, 700 and 1500 ms, where the first lived long enough
      },
      Millis{1500}));
  HF_CHECK(deaths >= 3);
  pair.wait_linked();
  StreamableClient(pair.proxy_port()).open();
}

int main() {
  const CMUnitTest tests[] = {
      HF_UNIT(sigterm_and_sigint_end_both_at_once),
      HF_UNIT(sigterm_and_sigquit_let_a_running_call_finish),
      HF_UNIT(sigquit_ends_streams_with_a_time_to_come_back_that_differs),
      HF_UNIT(drain_lets_requests_finish_and_the_proxy_leave_its_sessions_behind),
      HF_UNIT(sigquit_is_bounded_by_worker_shutdown_timeout),
      HF_UNIT(drain_exits_within_worker_shutdown_timeout_whatever_still_runs),
      HF_UNIT(an_answer_that_the_end_of_the_grace_cuts_does_not_look_whole),
      HF_UNIT(s_stop_and_s_quit_work_as_the_signals_do),
      HF_UNIT(a_second_sessiond_on_the_same_sockets_leaves_the_first_alone),
      HF_UNIT(a_killed_serving_process_is_replaced_and_sessions_go_on),
      HF_UNIT(one_that_dies_again_and_again_is_started_ever_later_and_serves_when_it_lives),
  };
  return HF_RUN(tests);
}
