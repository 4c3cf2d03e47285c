// Faults that must not be noticed: a link that stalls while thousands of events are due (F2), logs
// and run directory that can no longer be written (F7), a wall clock that jumps (S6).
#include <cstdlib>
#include <filesystem>

#include "tests/support/hf_test.h"
#include "tests/support/pair.h"

using namespace holdfast;
using namespace holdfast::test;

namespace {

constexpr size_t kSessions = 10;
constexpr size_t kEvents = 10'000;

void check_serves(const StreamableClient &client) {
  HF_EQ(tool_text(client.call("echo", R"({"message":"on"})")), "on");
}

// Lines of the proxy's log that somebody should look at.
size_t troubles_told(Pair &pair) {
  return pair.proxy().count_lines("-proxy warn ") + pair.proxy().count_lines("-proxy error ");
}

// A GET stream's life is two events on the link.
void open_and_close_stream(const StreamableClient &client) {
  SseClient stream = client.get();
  HF_CHECK(stream.streaming());
  stream.close();
}

#ifdef HF_FAKETIME
// Programs started while one lives see the wall clock this far away, as its file says; their
// monotonic clock is the machine's. Own: tests run one at a time.
class MovedClock {
 public:
  MovedClock() {
    move("+0");
    for (const auto &[name, value] : variables()) (void)::setenv(name, value.c_str(), 1);
  }
  ~MovedClock() {
    for (const auto &[name, value] : variables()) (void)::unsetenv(name);
  }
  MovedClock(const MovedClock &) = delete;
  MovedClock &operator=(const MovedClock &) = delete;

  void move(std::string_view by) const { (void)dir_.write("clock", std::string(by) + "\n"); }

 private:
  std::vector<std::pair<const char *, std::string>> variables() const {
    return {{"LD_PRELOAD", HF_FAKETIME},
            {"FAKETIME_TIMESTAMP_FILE", dir_.file("clock")},
            {"FAKETIME_NO_CACHE", "1"},
            {"FAKETIME_DONT_FAKE_MONOTONIC", "1"},
            {"DONT_FAKE_MONOTONIC", "1"}};
  }
  TempDir dir_;
};

std::string year_told_by(const Pair &pair) {
  const Response response = fetch(pair.proxy_port(), {"OPTIONS", "*", {}, {}});
  const std::string date = response.header("Date").value_or("");
  HF_CHECK(date.size() > 16);  // "Sun, 06 Nov 1994 08:49:37 GMT"
  return date.substr(12, 4);
}
#endif

}  // namespace

HF_TEST(a_link_that_stalls_under_ten_thousand_events_ends_up_right) {
  PairOptions options;
  options.sessiond = "max_sessions 100; persistent_mode on;";  // a cap has to be asked about
  options.location = "when_sessiond_down serve;";
  Pair pair(options);
  std::vector<StreamableClient> clients;
  for (size_t i = 0; i < kSessions; ++i) clients.emplace_back(pair.proxy_port()).open();
  pair.wait_created(kSessions);
  pair.sessiond().signal(SIGSTOP);
  for (size_t i = 0; i < kEvents / 2; ++i) open_and_close_stream(clients[i % kSessions]);
  HF_EQ(clients.back().remove().status / 100, 2);
  clients.pop_back();
  // Who begins a session has its answer without it: nothing waits for the link to be written.
  StreamableClient late(pair.proxy_port());
  late.open();
  HF_EQ(late.remove().status / 100, 2);
  std::vector<SseClient> streams;
  for (const StreamableClient &client : clients) {
    check_serves(client);
    streams.push_back(client.get());
  }
  pair.sessiond().signal(SIGCONT);
  pair.wait_linked();
  // The table equals reality, and stays so.
  const auto right = [&] {
    const Json sessions = pair.admin_json("show sess json");
    if (sessions.size() != kSessions - 1) return false;
    for (size_t i = 0; i < sessions.size(); ++i) {
      if (sessions[i]["streams"].integer() != 1) return false;
    }
    return true;
  };
  HF_CHECK(eventually(right, Millis{10'000}));
  HF_CHECK(!eventually([&] { return !right(); }, Millis{2000}));
  for (const StreamableClient &client : clients) check_serves(client);
}

HF_TEST(full_logs_stop_nothing) {
  PairOptions options;
  options.sessiond = "sandbox off;";  // a confined one keeps its log in the folder it began in
  options.location = "access_log /dev/full json;";
  Pair pair(options);
  StreamableClient client(pair.proxy_port());
  client.open();
  // More than the access log's buffer holds: it is written, in vain, again and again.
  for (int i = 0; i < 300; ++i) check_serves(client);
  HF_CHECK(troubles_told(pair) <= 1);
  // Both daemons' own logs fill up while they run: a reload changes where they go.
  const std::string full = "\nerror_log /dev/full debug;\n";
  (void)pair.dir().write("sessiond.conf", pair.dir().read("sessiond.conf") + full);
  options.proxy_main = full;
  pair.rewrite_proxy_conf(options);
  HF_EQ(pair.ctl({"reload"}).exit, (Exit{false, 0}));
  for (int i = 0; i < 100; ++i) check_serves(client);
  StreamableClient another(pair.proxy_port());
  another.open();
  pair.wait_sessions(2);
  HF_CHECK(pair.proxy().running() && pair.sessiond().running());
}

HF_TEST(a_run_directory_that_is_gone_stops_nothing) {
  Pair pair;
  StreamableClient client(pair.proxy_port());
  client.open();
  pair.wait_created();
  SseClient stream = client.get();
  const std::string away = pair.dir().path() + "-away";
  std::filesystem::rename(pair.dir().path(), away);
  const size_t lines = pair.proxy().lines_count();
  pair.kill_sessiond();
  HF_CHECK(eventually([&] { return pair.health()["status"] == "degraded"; }));
  pair.proxy().signal(SIGHUP);   // its configuration cannot be read any more
  pair.proxy().signal(SIGUSR1);  // nor its logs be opened
  for (int i = 0; i < 50; ++i) check_serves(client);
  HF_CHECK(!stream.poll(Millis{1500}).has_value());  // sessiond is dialled again and again
  HF_CHECK(stream.end() == BodyEnd::open);
  HF_EQ(pair.proxy().count_lines("sessiond.sock: No such file"), 1U);
  HF_CHECK(pair.proxy().lines_count() - lines < 20);
  std::filesystem::rename(away, pair.dir().path());
  pair.start_sessiond();
  pair.wait_linked();
  pair.wait_sessions(1);
  check_serves(client);
}

#ifdef HF_FAKETIME
HF_TEST(a_wall_clock_that_jumps_changes_nothing) {
  const MovedClock clock;
  PairOptions options;
  options.sessiond = "persistent_mode off; session_timeout 2s; session_cleanup_interval 100ms;";
  // The library reads its file at every look at the clock.
  options.proxy_main = "sandbox off;";
  options.sessiond += " sandbox off;";
  options.location = "sse_heartbeat 200ms;";
  Pair pair(options);
  StreamableClient client(pair.proxy_port());
  client.open();
  SseClient stream = client.get();
  const std::string year = year_told_by(pair);
  for (const std::string_view by : {"+4000d", "-4000d", "+0"}) {
    clock.move(by);
    // The jump has happened: the proxy's own answers are of another year.
    HF_CHECK(eventually([&] { return (year_told_by(pair) == year) == (by == "+0"); }));
    check_serves(client);
    pair.wait_sessions(1);
    const size_t beats = stream.comments_count();
    HF_CHECK(!stream.poll(Millis{700}).has_value());
    HF_CHECK(stream.comments_count() > beats);
  }
  clock.move("-4000d");
  const MonoTime idle_from = SystemClock().now();
  check_serves(client);
  HF_CHECK(stream.wait_end() == BodyEnd::framed);
  const Millis idle = SystemClock().now() - idle_from;
  HF_CHECK(idle >= Millis{2000} && idle < Millis{2000 + 100 + 1500});
  check_refusal(client.post(rpc("ping", "1")), 404, -32001, "1");
}
#endif

int main() {
  const CMUnitTest tests[] = {
      HF_UNIT(a_link_that_stalls_under_ten_thousand_events_ends_up_right),
      HF_UNIT(full_logs_stop_nothing),
      HF_UNIT(a_run_directory_that_is_gone_stops_nothing),
#ifdef HF_FAKETIME
      HF_UNIT(a_wall_clock_that_jumps_changes_nothing),
#endif
  };
  return HF_RUN(tests);
}
