// What Holdfast holds on to and how long it takes, measured from outside: memory and descriptors of
// both daemons after many sessions, memory per idle stream and connection and per peer that does
// not read, and the time events and requests take beside thousands of slow clients.
#include <sys/resource.h>

#include <algorithm>
#include <atomic>
#include <list>
#include <thread>

#include "tests/bench/tools/process_sample.h"
#include "tests/bench/yardstick.h"
#include "tests/support/connection.h"
#include "tests/support/gate.h"
#include "tests/support/hf_test.h"
#include "tests/support/scripted_backend.h"

using namespace holdfast::test;
using holdfast::Millis;
using holdfast::bench::ProcSample;

namespace {

constexpr double kBlockedKibMax = 64;  // per peer that does not read

PairOptions options_for(uint16_t backend_port) {
  PairOptions options;
  options.backend_port = backend_port;
  options.server = "client_max_body_size 64m; keepalive_timeout 1h;";
  return options;
}

ProcSample sample(Process &daemon) {
  return holdfast::bench::sample_processes({daemon.pid()}, true);
}
ProcSample sample(Pair &pair) { return sample(pair.proxy()); }

// Whole sessions, each on a connection of its own: initialize, two messages, DELETE. In portions
// that a run of the load generator ends in time.
void churn(Pair &pair, size_t sessions_count) {
  constexpr size_t kPortion = 100'000;
  for (size_t done = 0; done < sessions_count; done += kPortion) {
    const std::string portion = std::to_string(std::min(kPortion, sessions_count - done));
    const Json result = run_load(pair.proxy_port(), {"churn", "--conns", "16", "--sources", "8",
                                                     "--sessions", portion, "--warmup", "0.1"});
    HF_EQ(result["error_kinds"].text(), "none");
  }
}

// At most 20 descriptors and 1 MiB more than before, in either daemon.
void check_flat_over(Pair &pair, size_t sessions_count) {
  const std::pair<const char *, Process *> daemons[] = {{"holdfast-proxy", &pair.proxy()},
                                                        {"holdfast-sessiond", &pair.sessiond()}};
  std::vector<ProcSample> before;
  for (const auto &[name, daemon] : daemons) before.push_back(sample(*daemon));
  churn(pair, sessions_count);
  // But for those the load generator left in the middle.
  HF_CHECK(eventually([&] { return pair.sessions_count() < 1000; }));
  for (size_t i = 0; i < before.size(); ++i) {
    const char *const name = daemons[i].first;
    Process *const daemon = daemons[i].second;
    HF_CHECK(eventually([&] { return sample(*daemon).files <= before[i].files + 20; }));
    const double grown_kib = sample(*daemon).rss_kib - before[i].rss_kib;
    if (grown_kib > 1024)
      HF_FAIL(std::string(name) + " grew by " + std::to_string(grown_kib) + " KiB");
  }
}

void allow_many_descriptors() {
  rlimit limit{};
  HF_EQ(getrlimit(RLIMIT_NOFILE, &limit), 0);
  limit.rlim_cur = limit.rlim_max;
  HF_EQ(setrlimit(RLIMIT_NOFILE, &limit), 0);
}

// Clients that say nothing, stop inside a head or a body, or go on a byte at a time.
class SlowClients {
 public:
  SlowClients(uint16_t port, size_t count) {
    for (size_t i = 0; i < count; ++i) {
      clients_.push_back(Connection::tcp(port));
      clients_.back().send(kBegun[i % kBegun.size()]);
    }
    drip_ = std::thread([this] {
      while (!over_.wait(Millis{100})) {
        for (size_t i = 0; i < clients_.size(); ++i) {
          if (i % kBegun.size() >= kDrippingFrom) (void)clients_[i].send_some("x");
        }
      }
    });
  }
  ~SlowClients() {
    over_.open();
    drip_.join();
  }
  SlowClients(const SlowClients &) = delete;
  SlowClients &operator=(const SlowClients &) = delete;

  // Nobody was sent away.
  bool all_open() const {
    return std::none_of(clients_.begin(), clients_.end(),
                        [](const Connection &c) { return c.readable(Millis{0}); });
  }

 private:
  static constexpr std::string_view kHead = "GET / HTTP/1.1\r\nHost: localhost\r\nX: ";
  static constexpr std::string_view kBody =
      "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
      "Content-Length: 100000\r\n\r\n{\"jsonrpc\":\"2.0\",\"x\":\"";
  static constexpr std::array<std::string_view, 5> kBegun{"", kHead, kBody, kHead, kBody};
  static constexpr size_t kDrippingFrom = 3;

  std::vector<Connection> clients_;
  Gate over_;
  std::thread drip_;
};

std::vector<std::string> with_pid(Pair &pair, std::vector<std::string> args) {
  args.insert(args.end(), {"--pid", std::to_string(pair.proxy().pid())});
  return args;
}

void check_undisturbed(const Json &result) {
  HF_EQ(result["error_kinds"].text(), "none");
  HF_CHECK(figure(result, "requests") > 1000);
  HF_CHECK(figure(result, "p99_us") < 100'000);
}

// Growth of the proxy per blocked peer, in KiB.
double growth_kib(const ProcSample &before, const ProcSample &after, size_t count) {
  return (after.rss_kib - before.rss_kib) / static_cast<double>(count);
}

void check_blocked(double kib) {
  if (kib > kBlockedKibMax) HF_FAIL(std::to_string(kib) + " KiB for each blocked peer");
}

// Sends until the peer has taken nothing for a while: everything between us and it is full.
void fill_up(std::list<Connection> &clients, size_t bytes_max) {
  const std::string block(256 * 1024, 'x');
  std::vector<size_t> sent(clients.size());
  size_t quiet_rounds = 0;
  while (quiet_rounds < 100) {
    size_t taken = 0;
    size_t i = 0;
    for (Connection &client : clients) {
      const size_t left = bytes_max - std::min(bytes_max, sent[i]);
      const size_t bytes = client.send_some(std::string_view(block).substr(0, left));
      sent[i++] += bytes;
      taken += bytes;
    }
    quiet_rounds = taken > 0 ? 0 : quiet_rounds + 1;
    (void)::poll(nullptr, 0, 5);  // ignoring: a pause in which the proxy may take more
  }
}

}  // namespace

HF_TEST(memory_and_descriptors_stay_flat_over_100000_sessions) {
  const Mock quick;
  Pair pair(options_for(quick.port()));
  churn(pair, 80'000);  // warm: pools have grown, and sessiond remembers as many ends as it may
  check_flat_over(pair, 100'000);
}

// What 100,000 sessions may leave behind, ten times as many may not leave ten times.
HF_TEST(nor_do_they_grow_over_a_million) {
  const Mock quick;
  Pair pair(options_for(quick.port()));
  churn(pair, 100'000);
  check_flat_over(pair, 1'000'000);
}

HF_TEST(an_idle_stream_with_its_session_costs_at_most_2100_bytes) {
  const Mock quick;
  Pair pair(options_for(quick.port()));
  const Json result =
      run_load(pair.proxy_port(),
               with_pid(pair, {"idle", "--streams", "4000", "--sources", "4", "--seconds", "0.5"}));
  HF_EQ(result["error_kinds"].text(), "none");
  HF_EQ(static_cast<int>(figure(result, "open_at_end")), 4000);
  if (figure(result, "rss_each") > 2100) HF_FAIL(result["rss_each"].dump() + " bytes");
}

HF_TEST(an_idle_connection_costs_at_most_560_bytes) {
  const Mock quick;
  Pair pair(options_for(quick.port()));
  const Json result =
      run_load(pair.proxy_port(),
               with_pid(pair, {"conns", "--conns", "4000", "--sources", "4", "--seconds", "0.5"}));
  HF_EQ(result["error_kinds"].text(), "none");
  if (figure(result, "rss_each") > 560) HF_FAIL(result["rss_each"].dump() + " bytes");
}

HF_TEST(a_client_that_does_not_read_its_stream_costs_at_most_64_kib_and_disturbs_nobody) {
  const Mock quick({"--rate", "100", "--event-bytes", "50000"});
  Pair pair(options_for(quick.port()));
  const Json result =
      run_load(pair.proxy_port(),
               with_pid(pair, {"slow", "--streams", "5", "--slow", "20", "--seconds", "5"}));
  HF_EQ(result["error_kinds"].text(), "none");  // what was held back came out whole and in order
  HF_CHECK(figure(result, "slow_resumed_events") > 0);
  HF_CHECK(figure(result, "events_per_s") > 0.95 * 500);
  check_blocked(figure(result, "kib_per_slow"));
}

HF_TEST(a_client_that_does_not_read_a_big_answer_costs_at_most_64_kib_and_disturbs_nobody) {
  constexpr size_t kClients = 20;
  const std::string body(16 * 1024 * 1024, 'x');
  Gate over;
  std::atomic<size_t> begun = 0;
  ScriptedBackend backend([&](Peer &peer) {
    if (peer.read_request().empty()) return;
    ++begun;
    (void)peer.send("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: " +
                    std::to_string(body.size()) + "\r\n\r\n" + body);
    (void)over.wait(Millis{60'000});
  });
  const Mock quick;
  PairOptions options = options_for(quick.port());
  options.proxy_main = "upstream big { server 127.0.0.1:" + std::to_string(backend.port()) + "; }";
  options.locations = "location /big { proxy_pass http://big; }";
  Pair pair(options);
  (void)run_load(pair.proxy_port(), {"call", "--seconds", "1"});  // warm
  const ProcSample before = sample(pair);
  std::list<Connection> clients;
  for (size_t i = 0; i < kClients; ++i) {
    clients.push_back(Connection::tcp(pair.proxy_port()));
    clients.back().set_receive_window(64 * 1024);
    clients.back().send("GET /big HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n");
  }
  HF_CHECK(eventually([&] { return begun == kClients; }));
  check_undisturbed(run_load(pair.proxy_port(), {"call", "--seconds", "3"}));
  check_blocked(growth_kib(before, sample(pair), kClients));
  over.open();
}

HF_TEST(a_backend_that_does_not_read_an_upload_costs_at_most_64_kib_and_disturbs_nobody) {
  constexpr size_t kClients = 20;
  constexpr size_t kBodyBytes = 60'000'000;
  Gate over;
  ScriptedBackend backend([&](Peer &) { (void)over.wait(Millis{60'000}); });
  const Mock quick;
  PairOptions options = options_for(quick.port());
  options.proxy_main = "upstream deaf { server 127.0.0.1:" + std::to_string(backend.port()) + "; }";
  options.locations = "location /deaf { proxy_pass http://deaf; }";
  Pair pair(options);
  (void)run_load(pair.proxy_port(), {"call", "--seconds", "1"});  // warm
  const ProcSample before = sample(pair);
  std::list<Connection> clients;
  for (size_t i = 0; i < kClients; ++i) {
    clients.push_back(Connection::tcp(pair.proxy_port()));
    clients.back().send(
        "POST /deaf HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: text/plain\r\nContent-Length: " +
        std::to_string(kBodyBytes) + "\r\n\r\n");
  }
  fill_up(clients, kBodyBytes);
  check_undisturbed(run_load(pair.proxy_port(), {"call", "--seconds", "3"}));
  check_blocked(growth_kib(before, sample(pair), kClients));
  over.open();
}

HF_TEST(an_event_leaves_within_5_ms_at_the_99th_percentile) {
  const Mock quick({"--rate", "10"});
  Pair pair(options_for(quick.port()));
  const Json result = run_load(pair.proxy_port(), {"events", "--streams", "100", "--seconds", "5"});
  HF_EQ(result["error_kinds"].text(), "none");
  HF_CHECK(figure(result, "events") > 4000);
  if (figure(result, "p99_us") > 5000) HF_FAIL(result["p99_us"].dump() + " us");
}

HF_TEST(two_thousand_slow_clients_delay_nobody) {
  allow_many_descriptors();
  const Mock quick;
  PairOptions options = options_for(quick.port());
  options.server +=
      "client_header_timeout 1h; client_body_timeout 1h; client_body_total_timeout 1h;";
  Pair pair(options);
  const SlowClients slow(pair.proxy_port(), 2000);
  check_undisturbed(run_load(pair.proxy_port(), {"call", "--conns", "4", "--seconds", "3"}));
  HF_CHECK(slow.all_open());
}

int main() {
  const CMUnitTest tests[] = {
      HF_UNIT(memory_and_descriptors_stay_flat_over_100000_sessions),
      HF_UNIT(nor_do_they_grow_over_a_million),
      HF_UNIT(an_idle_stream_with_its_session_costs_at_most_2100_bytes),
      HF_UNIT(an_idle_connection_costs_at_most_560_bytes),
      HF_UNIT(a_client_that_does_not_read_its_stream_costs_at_most_64_kib_and_disturbs_nobody),
      HF_UNIT(a_client_that_does_not_read_a_big_answer_costs_at_most_64_kib_and_disturbs_nobody),
      HF_UNIT(a_backend_that_does_not_read_an_upload_costs_at_most_64_kib_and_disturbs_nobody),
      HF_UNIT(an_event_leaves_within_5_ms_at_the_99th_percentile),
      HF_UNIT(two_thousand_slow_clients_delay_nobody),
  };
  return HF_RUN(tests);
}
