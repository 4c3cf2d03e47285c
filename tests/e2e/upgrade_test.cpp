// Upgrade in place: another process takes over the listeners, and no client notices. Nothing is
// refused, reset or lost; sessions, caps, pid file and paths are the new one's; the old one
// finishes what it has begun and ends.
#include <fcntl.h>

#include <atomic>
#include <functional>
#include <thread>

#include "tests/e2e/upgrade_fixture.h"

using namespace holdfast;
using namespace holdfast::test;

namespace {

constexpr Exit kOk{false, 0};

// A client in a thread of its own that repeats one thing, until told to stop or it fails.
class Load {
 public:
  explicit Load(std::function<void(int)> once)
      : thread_([this, once = std::move(once)] {
          try {
            while (!stop_) once(++done_);
          } catch (const TestFailure &failure) {
            failure_ =
                failure.what + " (" + failure.file + ":" + std::to_string(failure.line) + ")";
            failed_ = true;
          }
        }) {}
  ~Load() { end(); }
  Load(const Load &) = delete;
  Load &operator=(const Load &) = delete;

  // Until it has gone round `count` times more.
  void wait_rounds(int count) const {
    const int from = done_;
    HF_CHECK(eventually([&] { return failed_ || done_ >= from + count; }));
  }
  // What went wrong; empty for nothing.
  std::string end() {
    stop_ = true;
    if (thread_.joinable()) thread_.join();
    return failure_;
  }

 private:
  std::atomic<int> done_{0};
  std::atomic<bool> stop_{false};
  std::atomic<bool> failed_{false};
  std::string failure_;
  std::thread thread_;
};

void check_echo(const Response &answer, const std::string &text) {
  HF_EQ(answer.status, 200);
  HF_EQ(tool_text(answer_in(answer, "1")), text);
}

// One connection for as long as the proxy lets it, which it tells before it closes.
class KeptConnection {
 public:
  explicit KeptConnection(uint16_t port) : port_(port) {}
  void call(const StreamableClient &client, int number) {
    if (!connection_) connection_ = std::make_unique<Connection>(Connection::tcp(port_));
    const std::string text = "kept " + std::to_string(number);
    const Response answer = exchange(
        *connection_, mcp_post("/mcp", tool_call("1", "echo", R"({"message":")" + text + "\"}"),
                               client.headers()));
    check_echo(answer, text);
    if (answer.header("Connection") == "close") connection_.reset();
  }

 private:
  uint16_t port_;
  std::unique_ptr<Connection> connection_;
};

void emit(Pair &pair) {
  (void)pair.backend().tell(
      "emit", R"({"message":{"jsonrpc":"2.0","method":"notifications/x","params":{}}})");
}

}  // namespace

HF_TEST(under_load_nothing_is_refused_reset_or_lost_and_the_old_one_ends) {
  Pair pair;
  const uint16_t port = pair.proxy_port();
  StreamableClient client(port);
  client.open();
  SseClient slow = client.stream_post(
      tool_call("9", "slow", R"({"steps":12,"interval_ms":60})", R"({"progressToken":"p"})"));
  KeptConnection connection(port);
  Load kept([&](int n) { connection.call(client, n); });
  Load fresh([&](int n) { HF_EQ(echo(client, std::to_string(n)), std::to_string(n)); });
  Load sessions([&](int) {
    StreamableClient own(port);
    own.open();
    HF_EQ(echo(own), "mine");
    HF_CHECK(own.remove().status < 300);
  });
  const auto run_on = [&] {
    for (const Load *load : {&kept, &fresh, &sessions}) load->wait_rounds(10);
  };
  run_on();
  const pid_t first_serving = first_child(pair.proxy().pid());
  const pid_t second = upgraded(pair);
  run_on();
  const pid_t third = upgraded(pair);
  run_on();
  HF_EQ(kept.end(), "");
  HF_EQ(fresh.end(), "");
  HF_EQ(sessions.end(), "");
  HF_CHECK(slow.wait_end() == BodyEnd::framed);  // through the first one, to its end
  size_t progress = 0;
  for (size_t at = 0; (at = slow.body().find("notifications/progress", at)) != std::string::npos;
       ++at) {
    ++progress;
  }
  HF_EQ(progress, 12U);
  HF_CHECK(slow.body().find("done after 12 steps") != std::string::npos);
  slow.close();  // it was told that it may keep its connection
  HF_CHECK(eventually([&] { return !pair.proxy().running() && gone(second); }));
  HF_CHECK(gone(first_serving) && !gone(third));
  HF_EQ(echo(client), "mine");
  pair.wait_sessions(1);
}

HF_TEST(a_stream_goes_on_through_the_old_one_until_worker_shutdown_timeout_ends_it_properly) {
  PairOptions options;
  options.proxy_main = "worker_shutdown_timeout 1500ms;";
  Pair pair(options);
  StreamableClient client(pair.proxy_port());
  client.open();
  SseClient stream = client.get();
  (void)upgraded(pair);
  for (int i = 0; i < 3; ++i) {
    emit(pair);
    HF_EQ(Json{stream.next().data}["method"].text(), "notifications/x");
    HF_EQ(echo(client), "mine");  // at the new one
  }
  HF_CHECK(stream.wait_end() == BodyEnd::framed);
  HF_CHECK(stream.body().find("retry: ") != std::string::npos);
  stream.close();
  HF_CHECK(eventually([&] { return !pair.proxy().running(); }));
  HF_EQ(echo(client), "mine");
  pair.wait_sessions(1);
}

HF_TEST(a_connection_that_waits_in_the_queue_is_served_by_the_new_one) {
  Pair pair;
  StreamableClient client(pair.proxy_port());
  client.open();
  pair.wait_created();
  const pid_t serving = first_child(pair.proxy().pid());
  freeze(serving);
  std::vector<Connection> queued;
  for (int i = 0; i < 8; ++i) queued.push_back(Connection::tcp(pair.proxy_port()));
  (void)upgraded(pair);
  for (Connection &connection : queued) {
    check_echo(exchange(connection, mcp_post("/mcp", tool_call("1", "echo", R"({"message":"q"})"),
                                             client.headers())),
               "q");
  }
  HF_EQ(::kill(serving, SIGCONT), 0);
  HF_CHECK(eventually([&] { return !pair.proxy().running(); }));
}

HF_TEST(sessions_and_caps_are_the_same_throughout) {
  PairOptions options;
  options.sessiond = "max_sessions 3; persistent_mode off;";
  Pair pair(options);
  std::vector<StreamableClient> clients;
  for (int i = 0; i < 3; ++i) clients.emplace_back(pair.proxy_port()).open();
  SseClient stream = clients[2].get();  // keeps the old one alive: both hold the sessions
  pair.wait_sessions(3);
  HF_EQ(pair.ctl({"terminate-session", clients[0].session().substr(0, 8)}).exit, kOk);
  (void)upgraded(pair);
  check_refusal(clients[0].post(tool_call("5", "clock")), 404, -32001, "5");
  HF_EQ(echo(clients[1]), "mine");
  HF_EQ(echo(clients[2]), "mine");
  HF_EQ(pair.ctl({"reload"}).exit, kOk);  // the old one has nothing against it
  StreamableClient third(pair.proxy_port());
  third.open();
  HF_EQ(StreamableClient(pair.proxy_port()).initialize().status, 503);
  HF_EQ(pair.sessions_count(), 3U);
  HF_CHECK(clients[2].remove().status < 300);  // through the new one, ends the old one's stream
  HF_CHECK(stream.wait_end() == BodyEnd::framed);
  stream.close();  // it was told that it may keep its connection
  HF_CHECK(eventually([&] { return !pair.proxy().running(); }));
  pair.wait_sessions(2);
  StreamableClient(pair.proxy_port()).open();
  HF_EQ(StreamableClient(pair.proxy_port()).initialize().status, 503);
  check_refusal(clients[2].post(tool_call("6", "clock")), 404, -32001, "6");
  HF_EQ(pair.sessiond().count_lines("session deleted"), 2U);  // what was ended, and nothing else
  HF_EQ(pair.admin_json("show sess json").size(), 3U);
}

HF_TEST(a_client_of_http_sse_keeps_its_stream_and_is_answered_by_way_of_it) {
  Pair pair;
  auto client = std::make_unique<LegacyClient>(pair.proxy_port());
  client->open();
  pair.wait_created();
  const std::string endpoint = client->endpoint();
  for (int round = 0; round < 2; ++round) {  // the second time its stream is two processes away
    (void)upgraded(pair);
    for (int i = 0; i < 3; ++i)
      HF_EQ(tool_text(client->call("echo", R"({"message":"by the old one"})")), "by the old one");
  }
  pair.wait_sessions(1);
  client.reset();
  pair.wait_sessions(0);
  HF_CHECK(eventually([&] { return !pair.proxy().running(); }));
  HF_CHECK(eventually([&] {
    return fetch(pair.proxy_port(), mcp_post(endpoint, rpc("ping", "1"))).status == 404;
  }));
}

HF_TEST(a_client_of_http_sse_that_is_answered_by_way_of_the_old_one_is_not_idle) {
  PairOptions options;
  options.sessiond = "persistent_mode off; session_timeout 1s; session_cleanup_interval 1s;";
  Pair pair(options);
  LegacyClient client(pair.proxy_port());
  client.open();
  pair.wait_created();
  (void)upgraded(pair);
  const SystemClock clock;
  for (const MonoTime end = clock.now() + Millis{2200}; clock.now() < end;) {
    HF_EQ(tool_text(client.call("echo", R"({"message":"here"})")), "here");
    HF_CHECK(!client.stream().poll(Millis{100}));
  }
  HF_CHECK(client.stream().wait_end() == BodyEnd::framed);
  (void)pair.sessiond().wait_for_line("\"reason\":\"idle_timeout\"");
}

HF_TEST(while_sessiond_is_away_the_old_one_tells_the_sessions) {
  Pair pair;
  StreamableClient client(pair.proxy_port());
  client.open();
  pair.kill_sessiond();
  (void)pair.proxy().wait_for_line("event=sessiond_away");
  (void)upgraded(pair);
  HF_EQ(echo(client), "mine");
  HF_CHECK(eventually([&] { return !pair.proxy().running(); }));
  HF_EQ(echo(client), "mine");
  pair.start_sessiond();
  pair.wait_linked();
  pair.wait_sessions(1);
  HF_EQ(echo(client), "mine");
}

HF_TEST(without_sessiond_the_sessions_go_over_too) {
  const DemoBackend backend;
  const TempDir dir;
  const std::string conf = dir.write(
      "proxy.conf",
      "worker_processes 2; pid proxy.pid;\nupstream backend { server 127.0.0.1:" +
          std::to_string(backend.port()) +
          "; }\nserver { listen 127.0.0.1:0; location / { proxy_pass http://backend; } }\n");
  Process proxy({program("holdfast-proxy"), {"-c", conf}, {}, dir.path()});
  const std::string line = proxy.wait_for_line("event=listening");
  const auto port = static_cast<uint16_t>(std::stoi(line.substr(line.rfind(':') + 1)));
  StreamableClient before(port);
  before.open();
  KeptConnection connection(port);
  Load sessions([&](int n) {  // some are being opened at that moment, at either process
    StreamableClient own(port);
    own.open();
    HF_EQ(echo(own), "mine");
    connection.call(own, n);
    HF_CHECK(own.remove().status < 300);
  });
  sessions.wait_rounds(10);
  for (int round = 0; round < 3; ++round) {
    HF_EQ(run({program("holdfast-proxy"), {"-c", conf, "-s", "upgrade"}, {}, {}}).exit, kOk);
    sessions.wait_rounds(10);
    HF_EQ(echo(before), "mine");
  }
  HF_EQ(sessions.end(), "");
  HF_CHECK(eventually([&] { return !proxy.running(); }));
  HF_EQ(echo(before), "mine");
  StreamableClient invented(port);
  invented.set_session(std::string(32, 'x'));
  check_refusal(invented.post(rpc("ping", "1")), 404, -32001, "1");
}

HF_TEST(orders_reach_the_new_one_and_a_third_proxy_is_refused) {
  Pair pair;
  const pid_t master = upgraded(pair);
  const size_t seen = pair.proxy().lines_count();
  HF_EQ(order(pair, "reload").exit, kOk);
  (void)pair.proxy().wait_for_line("event=reloaded", kSoon, seen);
  const Finished another = run({program("holdfast-proxy"), {"-c", pair.proxy_conf_path()}, {}, {}});
  HF_EQ(another.exit.code, 1);
  HF_CHECK(another.err.find("already running") != std::string::npos);
  HF_EQ(::kill(master, SIGUSR2), 0);
  HF_CHECK(eventually([&] { return gone(master) && !gone(master_pid(pair)); }));
  const pid_t last = master_pid(pair);
  HF_EQ(order(pair, "quit").exit, kOk);
  HF_CHECK(eventually([&] { return gone(last); }));
  HF_EQ(pair.dir().read("proxy.pid"), "");
  HF_CHECK(!std::filesystem::exists(pair.dir().file("proxy.pid.ctl")));
}

HF_TEST(killed_the_new_one_takes_its_serving_process_with_it_and_a_fresh_start_works) {
  Pair pair;
  StreamableClient client(pair.proxy_port());
  client.open();
  pair.wait_created();
  SseClient stream = client.get();  // the old one drains meanwhile
  const pid_t master = upgraded(pair);
  const pid_t serving = first_child(master);
  HF_EQ(echo(client), "mine");
  HF_EQ(::kill(master, SIGKILL), 0);
  HF_CHECK(eventually([&] { return gone(serving); }));
  HF_CHECK(pair.proxy().running());
  pair.rewrite_proxy_conf({});  // the same, with the port written out
  pair.start_proxy();
  pair.wait_linked();
  HF_EQ(echo(client), "mine");
}

HF_TEST(listeners_are_kept_added_and_removed_and_a_unix_path_survives) {
  PairOptions options;
  options.server = "listen unix:web.sock; listen unix:old.sock;";
  Pair pair(options);  // and port 0
  StreamableClient client(pair.proxy_port());
  client.open();
  const auto health = [&](const char *path) {
    return fetch_unix(pair.dir().file(path), {"GET", "/health", {}, {}}).status;
  };
  HF_EQ(health("web.sock"), 200);
  options.server = "listen unix:web.sock; listen unix:new.sock;";
  pair.rewrite_proxy_conf(options);
  (void)upgraded(pair);
  HF_CHECK(eventually([&] { return !pair.proxy().running(); }));
  HF_EQ(health("web.sock"), 200);
  HF_EQ(health("new.sock"), 200);
  HF_CHECK(!std::filesystem::exists(pair.dir().file("old.sock")));
  HF_EQ(echo(client), "mine");
  (void)upgraded(pair);
  HF_EQ(health("new.sock"), 200);
  HF_EQ(echo(client), "mine");
}

HF_TEST(the_new_master_has_no_descriptor_but_its_own) {
  // One that a careless parent leaves open.
  const TempDir elsewhere;
  const std::string stray_path = elsewhere.write("stray", "");
  const UniqueFd stray(::open(stray_path.c_str(), O_RDONLY));  // NOLINT: not close-on-exec
  Pair pair;
  const std::map<std::string, int> first = descriptors(pair.proxy().pid());
  HF_EQ(first.count(stray_path), 1U);
  std::map<std::string, int> second;
  HF_CHECK(eventually([&, master = upgraded(pair)] {  // the connection that asked has to go
    second = descriptors(master);
    return second.at("socket") == first.at("socket");
  }));
  HF_EQ(second.count(stray_path), 0U);
  for (const auto &[kind, count] : second) HF_CHECK(count <= first.at(kind));
  const pid_t third = upgraded(pair);
  HF_CHECK(eventually([&] { return descriptors(third) == second; }));
  // Nor may a serving process keep what belongs to its master: it would outlive it.
  const std::map<std::string, int> serving = descriptors(first_child(third));
  HF_EQ(serving.count(pair.dir().file("proxy.pid")), 0U);
  HF_EQ(serving.count(pair.dir().file("proxy.pid.ctl.lock")), 0U);
}

int main() {
  const CMUnitTest tests[] = {
      HF_UNIT(under_load_nothing_is_refused_reset_or_lost_and_the_old_one_ends),
      HF_UNIT(a_stream_goes_on_through_the_old_one_until_worker_shutdown_timeout_ends_it_properly),
      HF_UNIT(a_connection_that_waits_in_the_queue_is_served_by_the_new_one),
      HF_UNIT(sessions_and_caps_are_the_same_throughout),
      HF_UNIT(a_client_of_http_sse_keeps_its_stream_and_is_answered_by_way_of_it),
      HF_UNIT(a_client_of_http_sse_that_is_answered_by_way_of_the_old_one_is_not_idle),
      HF_UNIT(while_sessiond_is_away_the_old_one_tells_the_sessions),
      HF_UNIT(without_sessiond_the_sessions_go_over_too),
      HF_UNIT(orders_reach_the_new_one_and_a_third_proxy_is_refused),
      HF_UNIT(killed_the_new_one_takes_its_serving_process_with_it_and_a_fresh_start_works),
      HF_UNIT(listeners_are_kept_added_and_removed_and_a_unix_path_survives),
      HF_UNIT(the_new_master_has_no_descriptor_but_its_own),
  };
  return HF_RUN(tests);
}
