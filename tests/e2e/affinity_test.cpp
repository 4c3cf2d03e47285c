// Several servers behind one location: a session stays with the one it began at, in every era, on
// every worker, over reloads and crashes; a new one goes where the upstream block says.
#include <algorithm>
#include <map>
#include <set>

#include "tests/support/farm.h"
#include "tests/support/scripted_backend.h"

using namespace holdfast;
using namespace holdfast::test;

namespace {

// How often a server has been asked this.
int64_t asked(const DemoBackend &backend, const char *method) {
  const Json count = backend.state()["requests"][method];
  return count.present() ? count.integer() : 0;
}

}  // namespace

HF_TEST(streamable_sessions_stay_with_their_server) {
  Farm farm(3);
  const std::vector<StreamableClient> clients = open_clients(*farm.pair, 12);
  for (size_t i = 0; i < 3; ++i) HF_CHECK(farm.sessions_at(i) > 0);
  check_all_served(clients);
  // Streams and deletions as well.
  for (const StreamableClient &client : clients) HF_CHECK(client.get().streaming());
  for (const StreamableClient &client : clients) HF_EQ(client.remove().status / 100, 2);
  HF_EQ(farm.spread(), (std::vector<size_t>{0, 0, 0}));
}

HF_TEST(legacy_sessions_post_to_the_server_of_their_stream) {
  Farm farm(3);
  std::vector<std::unique_ptr<LegacyClient>> clients;
  for (int i = 0; i < 9; ++i) {
    clients.push_back(std::make_unique<LegacyClient>(farm.pair->proxy_port()));
    clients.back()->open();
  }
  for (size_t i = 0; i < 3; ++i) HF_CHECK(farm.sessions_at(i) > 0);
  for (int round = 0; round < 3; ++round) {
    for (const auto &client : clients) {
      HF_EQ(tool_text(client->call("echo", R"({"message":"mine"})")), "mine");
    }
  }
}

HF_TEST(the_sessionless_era_needs_no_affinity_and_its_streams_keep_theirs) {
  Farm farm(2);
  std::vector<std::unique_ptr<SseClient>> listens;
  for (int i = 0; i < 4; ++i) {
    listens.push_back(std::make_unique<SseClient>(
        farm.pair->proxy_port(),
        modern_request("subscriptions/listen", "1",
                       R"({"notifications":{"resourceSubscriptions":["demo://counter"]}})")));
    HF_CHECK(listens.back()->streaming());
    (void)listens.back()->next();
  }
  for (size_t i = 0; i < 2; ++i) {
    (void)farm.backend(i).tell(
        "emit", R"({"message":{"jsonrpc":"2.0","method":"notifications/resources/updated",)"
                R"("params":{"uri":"demo://counter"}}})");
  }
  for (const auto &listen : listens) {
    HF_CHECK(listen->next().data.find("resources/updated") != std::string::npos);
  }
  for (int i = 0; i < 6; ++i) {
    HF_EQ(fetch(farm.pair->proxy_port(), modern_request("tools/list", "2")).status, 200);
  }
  for (size_t i = 0; i < 2; ++i) {
    HF_CHECK(asked(farm.backend(i), "tools/list") > 0);
  }
}

HF_TEST(a_reload_that_reorders_the_list_moves_no_session) {
  Farm farm(3);
  const std::vector<StreamableClient> clients = open_clients(*farm.pair, 9);
  const std::vector<size_t> before = farm.spread();
  PairOptions turned;
  turned.upstream = server_line(farm.more[1], "weight=5") + server_line(farm.more[0]) +
                    "least_conn; keepalive 3;";
  farm.pair->rewrite_proxy_conf(turned);
  HF_EQ(farm.pair->ctl({"reload"}).exit, (Exit{false, 0}));
  check_all_served(clients);
  HF_EQ(farm.spread(), before);
}

HF_TEST(a_reload_that_takes_a_server_away_lets_its_sessions_finish) {
  Farm farm(2);
  const std::vector<StreamableClient> clients = open_clients(*farm.pair, 6);
  const std::vector<size_t> before = farm.spread();
  farm.pair->rewrite_proxy_conf({});
  HF_EQ(farm.pair->ctl({"reload"}).exit, (Exit{false, 0}));
  check_all_served(clients);
  const std::vector<StreamableClient> later = open_clients(*farm.pair, 4);
  check_all_served(later, 1);
  HF_EQ(farm.sessions_at(1), before[1]);
  HF_EQ(farm.sessions_at(0), before[0] + 4);
}

HF_TEST(sessions_handed_back_after_a_crash_of_the_proxy_find_their_servers) {
  Farm farm(3);
  const std::vector<StreamableClient> clients = open_clients(*farm.pair, 9);
  farm.pair->wait_created(9);
  const std::vector<size_t> before = farm.spread();
  farm.pair->kill_proxy();
  // It comes back with another order of servers.
  PairOptions turned;
  turned.upstream = server_line(farm.more[1]) + server_line(farm.more[0]);
  farm.pair->rewrite_proxy_conf(turned);
  farm.pair->start_proxy();
  farm.pair->wait_linked();
  check_all_served(clients);
  HF_EQ(farm.spread(), before);
}

HF_TEST(a_server_gone_from_the_conf_after_a_crash_ends_its_sessions_with_a_reason) {
  Farm farm(2);
  const std::vector<StreamableClient> clients = open_clients(*farm.pair, 6);
  farm.pair->wait_created(6);
  const size_t stayed = farm.sessions_at(0);
  farm.pair->kill_proxy();
  farm.pair->rewrite_proxy_conf({});
  farm.pair->start_proxy();
  farm.pair->wait_linked();
  farm.pair->wait_sessions(stayed);
  size_t served = 0;
  for (const StreamableClient &client : clients) {
    const Response answer = client.post(rpc("ping", "1"));
    served += answer.status == 200 ? 1U : 0U;
    if (answer.status != 200) check_refusal(answer, 404, -32001, "1");
  }
  HF_EQ(served, stayed);
}

HF_TEST(least_conn_evens_out_what_is_there_over_all_workers) {
  PairOptions options;
  options.upstream = "least_conn; ";
  Farm farm(2, options);
  std::vector<StreamableClient> clients = open_clients(*farm.pair, 8);
  HF_EQ(farm.spread(), (std::vector<size_t>{4, 4}));
  // Half of them go, all of one server: the next ones take their place.
  for (StreamableClient &client : clients) {
    const size_t at_first = farm.sessions_at(0);
    HF_EQ(client.remove().status / 100, 2);
    if (farm.sessions_at(0) == at_first) client.open();  // it was the other server's
    if (farm.sessions_at(0) == 0) break;
  }
  while (farm.spread()[0] + farm.spread()[1] < 8)
    clients.emplace_back(farm.pair->proxy_port()).open();
  HF_EQ(farm.spread(), (std::vector<size_t>{4, 4}));
}

HF_TEST(least_conn_counts_streams_as_well_as_sessions) {
  PairOptions options;
  options.upstream = "least_conn; ";
  options.backend_args = {"--no-sessions"};
  Farm farm(2, options);
  // Long calls of nobody's session: only they make the load.
  std::vector<std::unique_ptr<SseClient>> calls;
  const StreamableClient nobody(farm.pair->proxy_port());
  for (int i = 0; i < 6; ++i) {
    calls.push_back(std::make_unique<SseClient>(nobody.stream_post(
        tool_call("1", "slow", R"({"steps":100000,"interval_ms":20})", R"({"progressToken":1})"))));
    (void)calls.back()->next();
  }
  for (size_t i = 0; i < 2; ++i) HF_EQ(farm.backend(i).state()["exchanges"].integer(), 3);
}

HF_TEST(hash_brings_all_sessions_of_a_user_to_one_server) {
  PairOptions options;
  options.upstream = "hash $mcp_user consistent; ";
  options.location = "session_user header X-User;";
  Farm farm(3, options);
  std::set<size_t> used;
  for (int user = 0; user < 8; ++user) {
    const Headers who = {{"X-User", "user-" + std::to_string(user)}};
    std::vector<size_t> before = farm.spread();
    for (int i = 0; i < 3; ++i) StreamableClient(farm.pair->proxy_port(), "/mcp", who).open();
    std::vector<size_t> gained = farm.spread();
    for (size_t i = 0; i < 3; ++i) gained[i] -= before[i];
    std::sort(gained.begin(), gained.end());
    HF_EQ(gained, (std::vector<size_t>{0, 0, 3}));
    for (size_t i = 0; i < 3; ++i) {
      if (farm.sessions_at(i) > before[i]) used.insert(i);
    }
  }
  HF_CHECK(used.size() > 1);
}

HF_TEST(hash_by_a_header_holds_in_every_era) {
  PairOptions options;
  options.upstream = "hash $http_X_Tenant; ";
  Farm farm(2, options);
  std::map<std::string, size_t> home;
  for (const std::string tenant : {"a", "b", "c", "d", "e", "f"}) {
    const Headers who = {{"X-Tenant", tenant}};
    const int64_t before = asked(farm.backend(0), "tools/list");
    HF_EQ(
        fetch(farm.pair->proxy_port(), modern_request("tools/list", "1", "{}", "/mcp", who)).status,
        200);
    home[tenant] = asked(farm.backend(0), "tools/list") > before ? 0 : 1;
    const size_t streamable = farm.sessions_at(home[tenant]);
    StreamableClient(farm.pair->proxy_port(), "/mcp", who).open();
    HF_EQ(farm.sessions_at(home[tenant]), streamable + 1);
    LegacyClient legacy(farm.pair->proxy_port(), "/sse", who);
    legacy.open();
    HF_EQ(farm.sessions_at(home[tenant]), streamable + 2);
    legacy.stream().close();
    HF_CHECK(eventually([&] { return farm.sessions_at(home[tenant]) == streamable + 1; }));
  }
}

HF_TEST(a_server_that_fails_once_is_left_out_by_every_worker) {
  ScriptedBackend broken([](Peer &peer) {
    (void)peer.read_request();
    peer.close();
  });
  PairOptions options;
  options.upstream = "server 127.0.0.1:" + std::to_string(broken.port()) + " fail_timeout=60s;";
  const Pair pair(options);
  int failed = 0;
  for (int i = 0; i < 12; ++i) {
    const Response answer = StreamableClient(pair.proxy_port()).initialize();
    failed += answer.status == 502 ? 1 : 0;
    if (answer.status != 502) HF_EQ(answer.status, 200);
  }
  HF_EQ(failed, 1);
  HF_EQ(broken.connections_count(), 1U);
  HF_EQ(broken.failure(), "");
}

int main() {
  const CMUnitTest tests[] = {
      HF_UNIT(streamable_sessions_stay_with_their_server),
      HF_UNIT(legacy_sessions_post_to_the_server_of_their_stream),
      HF_UNIT(the_sessionless_era_needs_no_affinity_and_its_streams_keep_theirs),
      HF_UNIT(a_reload_that_reorders_the_list_moves_no_session),
      HF_UNIT(a_reload_that_takes_a_server_away_lets_its_sessions_finish),
      HF_UNIT(sessions_handed_back_after_a_crash_of_the_proxy_find_their_servers),
      HF_UNIT(a_server_gone_from_the_conf_after_a_crash_ends_its_sessions_with_a_reason),
      HF_UNIT(least_conn_evens_out_what_is_there_over_all_workers),
      HF_UNIT(least_conn_counts_streams_as_well_as_sessions),
      HF_UNIT(hash_brings_all_sessions_of_a_user_to_one_server),
      HF_UNIT(hash_by_a_header_holds_in_every_era),
      HF_UNIT(a_server_that_fails_once_is_left_out_by_every_worker),
  };
  return HF_RUN(tests);
}
