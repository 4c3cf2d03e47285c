// Steering single servers: drain, maint, ready and weight move no session and admit no new one, on
// every worker, over reloads and restarts of either daemon; a server that is lost ends its sessions
// with a reason, never in silence on another one.
#include "tests/support/farm.h"
#include "tests/support/scripted_backend.h"

using namespace holdfast;
using namespace holdfast::test;

namespace {

constexpr Exit kOk{false, 0};

std::string status_of(const Pair &pair, const std::string &name) {
  const Json servers = pair.admin_json("show servers state json");
  for (size_t i = 0; i < servers.size(); ++i) {
    if (servers[i]["upstream"].text() + "/" + servers[i]["server"].text() == name)
      return servers[i]["status"].text();
  }
  return "unknown";
}

// Until sessiond knows the server and has it in this state.
void wait_status(const Pair &pair, const std::string &name, const std::string &status) {
  if (eventually([&] { return status_of(pair, name) == status; })) return;
  HF_EQ(status_of(pair, name), status);
}

void wait_known(Farm &farm) {
  for (size_t i = 0; i < farm.size(); ++i) wait_status(*farm.pair, farm.name(i), "up");
}

void set_state(Farm &farm, size_t i, const std::string &verb, const std::string &status) {
  HF_EQ(farm.pair->ctl({verb, farm.name(i)}).exit, kOk);
  wait_status(*farm.pair, farm.name(i), status);
}

// New sessions go to the other one of two servers.
void check_all_new_go_to(Farm &farm, size_t i, size_t count = 6) {
  const std::vector<size_t> before = farm.spread();
  (void)open_clients(*farm.pair, count);
  const std::vector<size_t> after = farm.spread();
  HF_EQ(after[i], before[i] + count);
  HF_EQ(after[1 - i], before[1 - i]);
}

}  // namespace

HF_TEST(a_drained_server_keeps_its_sessions_and_gets_no_new_ones) {
  Farm farm(2);
  wait_known(farm);
  const std::vector<StreamableClient> clients = open_clients(*farm.pair, 6);
  LegacyClient legacy(farm.pair->proxy_port());
  legacy.open();
  LegacyClient legacy2(farm.pair->proxy_port());
  legacy2.open();
  const size_t drained = farm.sessions_at(1);
  HF_CHECK(drained > 0);
  set_state(farm, 1, "drain-backend", "drain");
  check_all_new_go_to(farm, 0);
  check_all_served(clients);
  HF_EQ(tool_text(legacy.call("echo", R"({"message":"on"})")), "on");
  HF_EQ(tool_text(legacy2.call("echo", R"({"message":"on"})")), "on");
  for (const StreamableClient &client : clients) HF_CHECK(client.get().streaming());
  HF_EQ(farm.sessions_at(1), drained);
  // The sessionless era has nothing that would stay.
  for (int i = 0; i < 4; ++i) {
    HF_EQ(fetch(farm.pair->proxy_port(), modern_request("tools/list", "1")).status, 200);
  }
  HF_CHECK(!farm.backend(1).state()["requests"]["tools/list"].present());
  set_state(farm, 1, "enable-backend", "up");
  (void)open_clients(*farm.pair, 4);
  HF_CHECK(farm.sessions_at(1) > drained);
}

HF_TEST(maintenance_holds_over_reloads_and_restarts_of_both_daemons) {
  Farm farm(2);
  wait_known(farm);
  const std::vector<StreamableClient> clients = open_clients(*farm.pair, 4);
  farm.pair->wait_created(4);
  set_state(farm, 1, "disable-backend", "maint");
  check_all_new_go_to(farm, 0);

  HF_EQ(farm.pair->ctl({"reload"}).exit, kOk);
  check_all_new_go_to(farm, 0);

  farm.pair->kill_sessiond();
  farm.pair->start_sessiond();
  farm.pair->wait_linked();
  wait_status(*farm.pair, farm.name(1), "maint");  // learned from the proxy
  check_all_new_go_to(farm, 0);

  farm.pair->kill_proxy();
  farm.pair->rewrite_proxy_conf(farm.options);  // for the port
  farm.pair->start_proxy();
  farm.pair->wait_linked();
  check_all_new_go_to(farm, 0);  // told by sessiond
  check_all_served(clients);
  set_state(farm, 1, "enable-backend", "up");
}

HF_TEST(where_every_server_is_drained_a_new_session_is_refused_and_old_ones_go_on) {
  PairOptions options;
  options.locations = "location = /ready { holdfast_health; }";
  Farm farm(2, options);
  wait_known(farm);
  const std::vector<StreamableClient> clients = open_clients(*farm.pair, 4);
  HF_EQ(fetch(farm.pair->proxy_port(), {"GET", "/ready", {}, {}}).status, 200);
  set_state(farm, 0, "drain-backend", "drain");
  set_state(farm, 1, "drain-backend", "drain");
  StreamableClient late(farm.pair->proxy_port());
  const Response refused = late.initialize("7");
  check_refusal(refused, 503, -32000, "7");
  HF_EQ(refused.count("Retry-After"), 1U);
  check_all_served(clients, 2);
  HF_EQ(fetch(farm.pair->proxy_port(), {"GET", "/ready", {}, {}}).status, 503);
  HF_EQ(farm.pair->health()["status"].text(), "degraded");
  farm.pair->wait_sessions(4);  // the refused one holds no slot
}

HF_TEST(weight_steers_new_sessions_at_once) {
  Farm farm(2);
  wait_known(farm);
  HF_CHECK(!farm.pair->admin("set server " + farm.name(1) + " weight 0").starts_with("error"));
  HF_CHECK(eventually([&] {
    return farm.pair->ctl({"backend-status", farm.name(1)}).out.find("Weight: 0") !=
           std::string::npos;
  }));
  check_all_new_go_to(farm, 0);
}

HF_TEST(a_wrong_name_is_told_and_changes_nothing) {
  Farm farm(2);
  wait_known(farm);
  HF_EQ(farm.pair->ctl({"drain-backend", "backend/127.0.0.1:1"}).exit, (Exit{false, 4}));
  HF_EQ(farm.pair->ctl({"backend-status", "nope"}).exit, (Exit{false, 4}));
  const Finished list = farm.pair->ctl({"list-backends"});
  HF_EQ(list.exit, kOk);
  HF_CHECK(list.out.find("2 backends listed.") != std::string::npos);
  HF_EQ(farm.pair->ctl({"backend-status", farm.name(0)}).exit, kOk);
}

HF_TEST(sessions_are_counted_at_their_servers) {
  Farm farm(2);
  const std::vector<StreamableClient> clients = open_clients(*farm.pair, 5);
  const std::vector<size_t> spread = farm.spread();
  const auto told = [&](size_t i) {
    const Json servers = farm.pair->admin_json("show servers state json");
    for (size_t j = 0; j < servers.size(); ++j) {
      if ("backend/" + servers[j]["server"].text() == farm.name(i))
        return servers[j]["sessions"].integer();
    }
    return int64_t{-1};
  };
  for (size_t i = 0; i < 2; ++i) {
    HF_CHECK(eventually([&] { return told(i) == static_cast<int64_t>(spread[i]); }, kSoon * 2));
  }
}

// ---- lost servers ----

HF_TEST(a_server_that_died_ends_its_sessions_with_404_and_a_reason_while_another_serves) {
  Farm farm(2);
  std::vector<StreamableClient> clients = open_clients(*farm.pair, 6);
  farm.pair->wait_created(6);
  const size_t stayed = farm.sessions_at(0);
  farm.more[0].process().kill();
  size_t served = 0;
  for (StreamableClient &client : clients) {
    const Response answer = client.post(rpc("ping", "\"p\""));
    if (answer.status == 200) {
      ++served;
      continue;
    }
    check_refusal(answer, 404, -32001, "\"p\"");
    HF_EQ(Json{answer.body}["error"]["data"]["reason"].text(), "backend_lost");
    // It stays so, and a new initialize is served by the other server.
    const Response again = client.post(rpc("ping", "2"));
    check_refusal(again, 404, -32001, "2");
    HF_EQ(Json{again.body}["error"]["data"]["reason"].text(), "backend_lost");
    client.open();
  }
  HF_EQ(served, stayed);
  HF_EQ(farm.sessions_at(0), 6U);
  (void)farm.pair->sessiond().wait_for_line("\"reason\":\"backend_lost\"");
  check_all_served(clients, 1);
}

HF_TEST(a_session_waits_for_a_server_that_has_no_other_beside_it) {
  Farm farm(1);
  const StreamableClient client = open_clients(*farm.pair, 1)[0];
  farm.backend(0).process().kill();
  HF_EQ(client.post(rpc("ping", "1")).status, 502);
  HF_EQ(client.post(rpc("ping", "2")).status, 502);
  farm.pair->wait_sessions(1);
}

// It took the connection, so it is there; whether it has run the request nobody knows.
HF_TEST(a_server_that_breaks_off_is_not_taken_for_lost) {
  const DemoBackend other;
  ScriptedBackend backend([](Peer &peer) {
    if (peer.read_request().find("\"initialize\"") == std::string::npos) return peer.reset();
    peer.answer(200, "application/json", R"({"jsonrpc":"2.0","id":0,"result":{}})",
                "Mcp-Session-Id: it\r\nConnection: close\r\n");
  });
  PairOptions options;
  options.upstream = server_line(other);
  options.backend_port = backend.port();
  const Pair pair(options);
  StreamableClient client(pair.proxy_port());
  while (backend.requests().empty()) {
    client.set_session({});
    HF_EQ(client.initialize().status, 200);
  }
  for (int i = 0; i < 3; ++i) HF_EQ(client.post(rpc("ping", "1")).status, 502);
  HF_EQ(backend.failure(), "");
}

int main() {
  const CMUnitTest tests[] = {
      HF_UNIT(a_drained_server_keeps_its_sessions_and_gets_no_new_ones),
      HF_UNIT(maintenance_holds_over_reloads_and_restarts_of_both_daemons),
      HF_UNIT(where_every_server_is_drained_a_new_session_is_refused_and_old_ones_go_on),
      HF_UNIT(weight_steers_new_sessions_at_once),
      HF_UNIT(a_wrong_name_is_told_and_changes_nothing),
      HF_UNIT(sessions_are_counted_at_their_servers),
      HF_UNIT(a_server_that_died_ends_its_sessions_with_404_and_a_reason_while_another_serves),
      HF_UNIT(a_session_waits_for_a_server_that_has_no_other_beside_it),
      HF_UNIT(a_server_that_breaks_off_is_not_taken_for_lost),
  };
  return HF_RUN(tests);
}
