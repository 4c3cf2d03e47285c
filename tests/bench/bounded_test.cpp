// What Holdfast holds on to, measured from outside: memory and descriptors of the proxy's processes
// after many connections, per idle stream and connection, and per peer that does not read.
#include <algorithm>
#include <atomic>
#include <list>

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

ProcSample sample(Pair &pair) {
  return holdfast::bench::sample_processes({pair.proxy().pid()}, true);
}

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

HF_TEST(memory_and_descriptors_stay_flat_over_100000_connections) {
  const Mock quick;
  Pair pair(options_for(quick.port()));
  const auto churn = [&](const char *sessions) {
    return run_load(pair.proxy_port(), {"churn", "--conns", "16", "--sources", "8", "--sessions",
                                        sessions, "--warmup", "0.1"});
  };
  HF_EQ(churn("20000")["error_kinds"].text(), "none");  // warm: pools and free lists have grown
  const ProcSample before = sample(pair);
  HF_EQ(churn("100000")["error_kinds"].text(), "none");
  HF_CHECK(eventually([&] { return sample(pair).files <= before.files + 20; }));
  const double grown_kib = sample(pair).rss_kib - before.rss_kib;
  if (grown_kib > 1024) HF_FAIL("grew by " + std::to_string(grown_kib) + " KiB");
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

int main() {
  const CMUnitTest tests[] = {
      HF_UNIT(memory_and_descriptors_stay_flat_over_100000_connections),
      HF_UNIT(an_idle_stream_with_its_session_costs_at_most_2100_bytes),
      HF_UNIT(an_idle_connection_costs_at_most_560_bytes),
      HF_UNIT(a_client_that_does_not_read_its_stream_costs_at_most_64_kib_and_disturbs_nobody),
      HF_UNIT(a_client_that_does_not_read_a_big_answer_costs_at_most_64_kib_and_disturbs_nobody),
      HF_UNIT(a_backend_that_does_not_read_an_upload_costs_at_most_64_kib_and_disturbs_nobody),
  };
  return HF_RUN(tests);
}
