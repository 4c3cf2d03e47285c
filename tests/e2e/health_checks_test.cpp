// Active health checks: a server goes down and up by what it answers, for every worker at once; it
// is asked once per process, politely, and its flips are logged, nothing else.
#include <atomic>

#include "tests/support/farm.h"
#include "tests/support/scripted_backend.h"

using namespace holdfast;
using namespace holdfast::test;

namespace {

// A server that answers checks as it is told, and remembers what it was asked.
struct Patient {
  std::atomic<int> status{200};
  std::atomic<bool> silent{false};
  ScriptedBackend backend{[this](Peer &peer) {
    if (peer.read_request().empty()) return;
    if (silent) {
      (void)peer.wait_closed();
    } else {
      peer.answer(status, "text/plain", "hm");
    }
  }};

  std::string line() const { return "server 127.0.0.1:" + std::to_string(backend.port()) + "; "; }
  std::string name() const { return "backend/127.0.0.1:" + std::to_string(backend.port()); }
};

PairOptions checked(const Patient &patient, const std::string &params) {
  PairOptions options;
  options.upstream = patient.line() + "health_check interval=100ms jitter=0 " + params + ";";
  return options;
}

void wait_down(Pair &pair, const Patient &patient, const std::string &check, size_t from = 0) {
  const std::string line = pair.proxy().wait_for_line(
      "event=backend_down backend=" + patient.name() + " by=health_check", kSoon, from);
  if (line.find("check=" + check) == std::string::npos) HF_FAIL(line);
}

void wait_up(Pair &pair, const Patient &patient, size_t from = 0) {
  (void)pair.proxy().wait_for_line("event=backend_up backend=" + patient.name(), kSoon, from);
}

}  // namespace

HF_TEST(a_server_goes_down_and_up_with_its_answers_and_new_sessions_follow) {
  Patient patient;
  patient.status = 503;
  Pair pair(checked(patient, ""));
  wait_down(pair, patient, "bad_status");
  for (int i = 0; i < 6; ++i) StreamableClient(pair.proxy_port()).open();
  HF_CHECK(eventually([&] {
    return pair.ctl({"backend-status", patient.name()}).out.find("State: down") !=
           std::string::npos;
  }));
  HF_CHECK(pair.ctl({"backend-status", patient.name()}).out.find("Last check: bad_status") !=
           std::string::npos);
  size_t seen = pair.proxy().lines_count();
  patient.status = 404;  // any answer of a server that is there
  wait_up(pair, patient, seen);
  HF_CHECK(eventually([&] {
    return pair.ctl({"backend-status", patient.name()}).out.find("State: up") != std::string::npos;
  }));
  // What it was asked opens nothing anywhere.
  for (const std::string &request : patient.backend.requests()) {
    if (request.starts_with("POST")) continue;  // a client's
    HF_CHECK(request.starts_with("OPTIONS / HTTP/1.1\r\nHost: 127.0.0.1:"));
    HF_CHECK(request.find("Mcp-Session-Id") == std::string::npos);
  }
  HF_EQ(patient.backend.failure(), "");
}

HF_TEST(metrics_and_readiness_tell_what_checks_found) {
  Patient patient;
  patient.status = 204;
  PairOptions options;
  options.backend_port = patient.backend.port();
  options.upstream = "health_check interval=100ms uri=/health;";
  options.locations =
      "location = /metrics { holdfast_metrics; } location = /ready { holdfast_health; }";
  Pair pair(options);
  const std::string up = "holdfast_upstream_up{upstream=\"backend\",peer=\"127.0.0.1:" +
                         std::to_string(patient.backend.port()) + "\"} ";
  const auto metrics = [&] { return fetch(pair.proxy_port(), {"GET", "/metrics", {}, {}}).body; };
  const auto ready = [&] { return fetch(pair.proxy_port(), {"GET", "/ready", {}, {}}).status; };
  HF_CHECK(eventually([&] { return ready() == 200; }));
  patient.status = 500;
  HF_CHECK(eventually([&] { return metrics().find(up + "0") != std::string::npos; }));
  HF_CHECK(eventually([&] { return ready() == 503; }));
  // A lone server that is down by its checks gets nothing, and the client a plain word.
  check_refusal(StreamableClient(pair.proxy_port()).initialize("1"), 503, -32000, "1");
  patient.status = 204;
  HF_CHECK(eventually([&] { return metrics().find(up + "1") != std::string::npos; }));
  HF_CHECK(eventually([&] { return ready() == 200; }));
}

HF_TEST(a_uri_must_be_answered_with_2xx_or_3xx) {
  Patient patient;
  patient.status = 404;
  Pair pair(checked(patient, "uri=/health?deep"));
  wait_down(pair, patient, "bad_status");
  HF_CHECK(patient.backend.requests().at(0).starts_with("GET /health?deep HTTP/1.1\r\n"));
  const size_t seen = pair.proxy().lines_count();
  patient.status = 302;
  wait_up(pair, patient, seen);
}

HF_TEST(fails_and_passes_are_counted_in_a_row) {
  Patient patient;
  patient.status = 503;
  Pair pair(checked(patient, "fails=3 passes=2"));
  const std::string down = pair.proxy().wait_for_line("event=backend_down");
  HF_CHECK(down.find("fails=3") != std::string::npos);
  const size_t seen = pair.proxy().lines_count();
  patient.status = 200;
  const std::string up = pair.proxy().wait_for_line("event=backend_up", kSoon, seen);
  HF_CHECK(up.find("passes=2") != std::string::npos);
  HF_EQ(pair.proxy().count_lines("by=health_check"), 2U);  // changes alone are told
}

HF_TEST(a_server_that_does_not_answer_is_down_after_the_timeout) {
  Patient patient;
  patient.silent = true;
  Pair pair(checked(patient, "timeout=200ms"));
  wait_down(pair, patient, "no_answer");
  const size_t seen = pair.proxy().lines_count();
  patient.silent = false;
  wait_up(pair, patient, seen);
}

HF_TEST(a_dead_server_is_down_before_any_client_meets_it) {
  PairOptions options;
  options.upstream = "health_check interval=100ms;";
  Farm farm(2, options);
  Pair &pair = *farm.pair;
  const std::string name = farm.name(1);
  farm.more[0].process().kill();
  const std::string line = pair.proxy().wait_for_line("event=backend_down backend=" + name);
  HF_CHECK(line.find("check=refused") != std::string::npos);
  for (int i = 0; i < 6; ++i) StreamableClient(pair.proxy_port()).open();
  HF_EQ(farm.sessions_at(0), 6U);
  HF_EQ(pair.proxy().count_lines("event=backend_fault"), 0U);
}

HF_TEST(type_tcp_only_connects_and_a_port_of_its_own_may_be_asked) {
  Patient health;  // beside the server, as some have it
  Patient patient;
  PairOptions options;
  options.upstream = patient.line() +
                     "health_check interval=100ms port=" + std::to_string(health.backend.port()) +
                     ";";
  Pair pair(options);
  HF_CHECK(eventually([&] { return health.backend.connections_count() > 2; }));
  HF_EQ(patient.backend.connections_count(), 0U);
  const std::string servers = pair.admin("show servers state");
  HF_CHECK(servers.find("check") == std::string::npos);  // what is only checked is no server

  Patient tcp;
  tcp.silent = true;  // it need not say anything
  Pair plain(checked(tcp, "type=tcp"));
  HF_CHECK(eventually([&] { return tcp.backend.connections_count() > 3; }));
  HF_EQ(plain.proxy().count_lines("event=backend_down"), 0U);
  HF_EQ(tcp.backend.requests().size(), 0U);
}

// Whoever does not answer is asked by nobody else meanwhile; there are two workers.
HF_TEST(one_process_asks_once_whatever_its_workers) {
  Patient patient;
  Patient other;
  patient.silent = true;
  PairOptions options = checked(patient, "timeout=60s");
  options.upstream += other.line();
  const Pair pair(options);
  HF_CHECK(eventually([&] { return other.backend.connections_count() >= 10; }));
  HF_EQ(patient.backend.connections_count(), 1U);
}

HF_TEST(a_reload_goes_on_where_the_checks_were) {
  Patient patient;
  patient.status = 503;
  PairOptions options;
  options.upstream = patient.line() + "health_check interval=300ms jitter=0 fails=2;";
  Pair pair(options);
  wait_down(pair, patient, "bad_status");
  pair.rewrite_proxy_conf(options);
  HF_EQ(pair.ctl({"reload"}).exit, (Exit{false, 0}));
  const size_t before = patient.backend.connections_count();
  HF_CHECK(eventually([&] { return patient.backend.connections_count() >= before + 2; }));
  // Known to be down, it is not tried as if nothing had been.
  StreamableClient(pair.proxy_port()).open();
  HF_EQ(pair.proxy().count_lines("event=backend_down"), 1U);
  // Without the line nothing is held against it any more.
  PairOptions unchecked;
  unchecked.upstream = patient.line();
  pair.rewrite_proxy_conf(unchecked);
  HF_EQ(pair.ctl({"reload"}).exit, (Exit{false, 0}));
  HF_CHECK(eventually([&] {
    return pair.ctl({"backend-status", patient.name()}).out.find("State: up") != std::string::npos;
  }));
}

HF_TEST(under_maintenance_nobody_is_asked) {
  Patient patient;
  Patient other;
  PairOptions options = checked(patient, "");
  options.upstream += other.line();
  Pair pair(options);
  HF_CHECK(eventually([&] { return patient.backend.connections_count() > 0; }));
  HF_CHECK(eventually([&] {
    return pair.ctl({"disable-backend", patient.name()}).exit == Exit{false, 0};
  }));
  HF_CHECK(eventually([&] {
    return pair.ctl({"backend-status", patient.name()}).out.find("State: maint") !=
           std::string::npos;
  }));
  patient.status = 503;
  const size_t asked = patient.backend.connections_count();
  const size_t others = other.backend.connections_count();
  HF_CHECK(eventually([&] { return other.backend.connections_count() >= others + 4; }));
  HF_CHECK(patient.backend.connections_count() <= asked + 1);  // one may have been under way
  HF_EQ(pair.ctl({"enable-backend", patient.name()}).exit, (Exit{false, 0}));
  wait_down(pair, patient, "bad_status");
  HF_CHECK(patient.backend.connections_count() > asked);
}

int main() {
  const CMUnitTest tests[] = {
      HF_UNIT(a_server_goes_down_and_up_with_its_answers_and_new_sessions_follow),
      HF_UNIT(metrics_and_readiness_tell_what_checks_found),
      HF_UNIT(a_uri_must_be_answered_with_2xx_or_3xx),
      HF_UNIT(fails_and_passes_are_counted_in_a_row),
      HF_UNIT(a_server_that_does_not_answer_is_down_after_the_timeout),
      HF_UNIT(a_dead_server_is_down_before_any_client_meets_it),
      HF_UNIT(type_tcp_only_connects_and_a_port_of_its_own_may_be_asked),
      HF_UNIT(one_process_asks_once_whatever_its_workers),
      HF_UNIT(a_reload_goes_on_where_the_checks_were),
      HF_UNIT(under_maintenance_nobody_is_asked),
  };
  return HF_RUN(tests);
}
