// Caps: a slot is reserved before the backend hears of the session and given back when it comes to
// nothing; who comes too many is refused clearly and harms nobody.
#include "tests/support/hf_test.h"
#include "tests/support/pair.h"
#include "tests/support/scripted_backend.h"

using namespace holdfast;
using namespace holdfast::test;

namespace {

PairOptions with(std::string sessiond) {
  PairOptions options;
  options.sessiond = std::move(sessiond);
  options.location = "session_user header X-User;";
  return options;
}

void check_full(const Response &response, std::string_view id) {
  check_refusal(response, 503, -32000, id);
  HF_EQ(response.count("Retry-After"), 1U);
  HF_CHECK(!response.header("Mcp-Session-Id"));
}

StreamableClient user(const Pair &pair, const char *name) {
  return StreamableClient(pair.proxy_port(), "/mcp", {{"X-User", name}});
}

}  // namespace

HF_TEST(the_session_over_the_cap_is_refused_and_the_others_stay) {
  Pair pair(with("max_sessions 2;"));
  StreamableClient a = user(pair, "a");
  StreamableClient b = user(pair, "b");
  StreamableClient c = user(pair, "c");
  a.open();
  b.open();
  check_full(c.initialize("\"third\""), "\"third\"");
  check_full(c.initialize("3"), "3");
  HF_EQ(pair.backend().state()["sessions"].size(), 2U);  // it never heard of the third
  HF_EQ(a.post(rpc("ping", "1")).status, 200);
  HF_EQ(b.post(rpc("ping", "1")).status, 200);
  HF_EQ(a.remove().status / 100, 2);
  c.open();
}

// Of a stream that waits for its initialize the POST is refused: legacy_unopened_test.
HF_TEST(a_legacy_stream_over_the_cap_is_refused_with_503) {
  PairOptions options = with("max_sessions 1;");
  options.location = "legacy_sse off;";
  Pair pair(options);
  LegacyClient first(pair.proxy_port());
  const Response second =
      fetch(pair.proxy_port(), {"GET", "/sse", {{"Accept", "text/event-stream"}}, {}});
  HF_EQ(second.status, 503);
  HF_EQ(second.count("Retry-After"), 1U);
  HF_EQ(pair.backend().state()["sessions"].size(), 1U);
  first.stream().close();
  pair.wait_sessions(0);
  LegacyClient again(pair.proxy_port());
  again.open();
}

HF_TEST(listen_streams_count) {
  Pair pair(with("max_sessions 1;"));
  SseClient first(pair.proxy_port(), modern_request("subscriptions/listen", "1"));
  HF_CHECK(first.streaming());
  (void)first.next();
  check_full(fetch(pair.proxy_port(), modern_request("subscriptions/listen", "\"2\"")), "\"2\"");
  // Calls of this era hold no slot and need none.
  HF_EQ(fetch(pair.proxy_port(), modern_request("tools/list", "3")).status, 200);
}

HF_TEST(listen_streams_count_for_their_user) {
  Pair pair(with("max_sessions_per_user 2;"));
  const auto listen = [&pair](const char *name, std::string_view id) {
    return SseClient(pair.proxy_port(),
                     modern_request("subscriptions/listen", id, "{}", "/mcp", {{"X-User", name}}));
  };
  StreamableClient session = user(pair, "a");
  session.open();
  SseClient first = listen("a", "1");
  HF_CHECK(first.streaming());
  HF_EQ(listen("a", "2").head().status, 503);
  HF_CHECK(listen("b", "3").streaming());
  HF_CHECK(listen("b", "4").streaming());
  first.close();
  // Its slot is free once sessiond has heard of the end.
  HF_CHECK(eventually([&] { return listen("a", "5").streaming(); }));
}

HF_TEST(a_slot_is_released_when_the_backend_refuses) {
  int answers = 0;
  ScriptedBackend backend([&answers](Peer &peer) {
    while (!peer.read_request().empty()) {
      if (++answers <= 3) {
        peer.answer(400, "application/json",
                    R"({"jsonrpc":"2.0","id":0,"error":{"code":-32000,"message":"no"}})");
      } else {
        peer.answer(200, "application/json", R"({"jsonrpc":"2.0","id":0,"result":{}})",
                    "Mcp-Session-Id: from-the-backend\r\n");
      }
    }
  });
  PairOptions options = with("max_sessions 1;");
  options.backend_port = backend.port();
  Pair pair(options);
  StreamableClient client(pair.proxy_port());
  for (int i = 0; i < 3; ++i) HF_EQ(client.initialize().status, 400);
  HF_EQ(client.initialize().status, 200);
  pair.wait_sessions(1);
  StreamableClient second(pair.proxy_port());
  check_full(second.initialize("7"), "7");
  HF_EQ(backend.failure(), "");
}

HF_TEST(a_backend_that_keeps_no_session_takes_no_slot) {
  PairOptions options = with("max_sessions 1;");
  options.backend_args = {"--no-sessions"};
  const Pair pair(options);
  for (int i = 0; i < 3; ++i) {
    StreamableClient client(pair.proxy_port());
    HF_EQ(client.initialize().status, 200);
    // What is given back is heard by sessiond a moment after the client has its answer.
    pair.wait_sessions(0);
  }
}

HF_TEST(a_users_own_cap_binds_that_user_only) {
  Pair pair(with("max_sessions_per_user 1;"));
  StreamableClient a1 = user(pair, "alice");
  StreamableClient a2 = user(pair, "alice");
  StreamableClient b = user(pair, "bob");
  a1.open();
  check_full(a2.initialize("2"), "2");
  b.open();
  HF_EQ(a1.remove().status / 100, 2);
  a2.open();
}

HF_TEST(an_addresss_own_cap_binds_all_its_users_and_is_counted) {
  Pair pair(with("max_sessions_per_address 2;"));
  StreamableClient a = user(pair, "a");
  StreamableClient b = user(pair, "b");
  StreamableClient c = user(pair, "c");
  a.open();
  b.open();
  check_full(c.initialize("3"), "3");
  const Json info = pair.admin_json("show info json");
  HF_EQ(info["MaxSessionsPerAddress"].integer(), 2);
  HF_EQ(info["Addresses"].integer(), 1);
  HF_EQ(info["Refused_max_sessions_per_address"].integer(), 1);
  HF_EQ(a.remove().status / 100, 2);
  c.open();
}

HF_TEST(limits_and_refusals_are_metrics_with_their_reasons) {
  PairOptions options = with("max_sessions 2; max_sessions_per_user 1;");
  options.locations = "location = /metrics { holdfast_metrics; }";
  const Pair pair(options);
  user(pair, "a").open();
  check_full(user(pair, "a").initialize("1"), "1");
  user(pair, "b").open();
  check_full(user(pair, "c").initialize("2"), "2");
  const std::string metrics = fetch(pair.proxy_port(), {"GET", "/metrics", {}, {}}).body;
  for (const char *line :
       {"holdfast_sessions_limit 2", "holdfast_sessions_per_user_limit 1",
        "holdfast_sessions_rejected_total{reason=\"max_sessions\"} 1",
        "holdfast_sessions_rejected_total{reason=\"max_sessions_per_user\"} 1"}) {
    if (metrics.find(line) == std::string::npos)
      HF_FAIL(std::string(line) + " is not in " + metrics);
  }
}

// Whatever the backend makes of it.
HF_TEST(a_batched_initialize_begins_no_session) {
  ScriptedBackend backend([](Peer &peer) {
    for (std::string request = peer.read_request(); !request.empty();
         request = peer.read_request()) {
      peer.answer(200, "application/json", R"({"jsonrpc":"2.0","id":0,"result":{}})",
                  "Mcp-Session-Id: from-the-backend\r\n");
    }
  });
  PairOptions options = with("max_sessions 1;");
  options.backend_port = backend.port();
  Pair pair(options);
  for (int i = 0; i < 3; ++i) {
    const Response response =
        fetch(pair.proxy_port(), mcp_post("/mcp", "[" + rpc("initialize", "0", "{}") + "]"));
    HF_EQ(response.status, 200);
    HF_CHECK(!response.header("Mcp-Session-Id"));
  }
  HF_EQ(pair.sessions_count(), 0U);
  HF_EQ(user(pair, "a").initialize().status, 200);
  HF_EQ(backend.failure(), "");
}

HF_TEST(a_policys_cap_counts_its_own_in_addition) {
  PairOptions options = with("max_sessions 2; policy small { max_sessions 1; }");
  options.locations = "location /small/ { proxy_pass http://backend; session_policy small; }";
  Pair pair(options);
  StreamableClient small(pair.proxy_port(), "/small/mcp");
  StreamableClient small2(pair.proxy_port(), "/small/mcp");
  StreamableClient other(pair.proxy_port());
  StreamableClient over(pair.proxy_port());
  small.open();
  check_full(small2.initialize("1"), "1");
  other.open();
  check_full(over.initialize("2"), "2");
}

HF_TEST(evict_idle_takes_the_longest_idle_and_never_one_at_work) {
  Pair pair(with("max_sessions 2; at_capacity evict_idle; evict_grace 50ms;"));
  StreamableClient busy = user(pair, "a");
  StreamableClient idle = user(pair, "b");
  StreamableClient next = user(pair, "c");
  busy.open();
  idle.open();
  SseClient work = busy.stream_post(
      tool_call("1", "slow", R"({"steps":100000,"interval_ms":20})", R"({"progressToken":1})"));
  for (int i = 0; i < 5; ++i) (void)work.next();  // longer than the grace
  SseClient stream = idle.get();
  next.open();
  HF_CHECK(stream.wait_end() == BodyEnd::framed);
  check_refusal(idle.post(rpc("ping", "1")), 404, -32001, "1");
  HF_CHECK(!work.next().data.empty());
  pair.wait_sessions(2);
  (void)pair.sessiond().wait_for_line("[SessionManager] session deleted {\"sessionId\":\"" +
                                      idle.session().substr(0, 8) + "\",\"reason\":\"capacity\"}");
}

HF_TEST(evict_idle_takes_the_callers_own_session_before_anybody_elses) {
  Pair pair(with("max_sessions 2; at_capacity evict_idle; evict_grace 200ms;"));
  StreamableClient other = user(pair, "a");
  StreamableClient own = user(pair, "b");
  StreamableClient next = user(pair, "b");
  other.open();
  own.open();
  SseClient stream = own.get();
  HF_CHECK(!stream.poll(Millis{400}));  // both may go, and the other's has been idle for longer
  next.open();
  HF_CHECK(stream.wait_end() == BodyEnd::framed);
  HF_EQ(other.post(rpc("ping", "1")).status, 200);
}

HF_TEST(evict_idle_refuses_within_the_grace) {
  Pair pair(with("max_sessions 1; at_capacity evict_idle; evict_grace 1h;"));
  StreamableClient first = user(pair, "a");
  StreamableClient second = user(pair, "b");
  first.open();
  check_full(second.initialize("2"), "2");
  HF_EQ(first.post(rpc("ping", "1")).status, 200);
}

HF_TEST(refused_and_forged_requests_leave_nothing_behind) {
  Pair pair(with("max_sessions 1;"));
  StreamableClient first = user(pair, "a");
  first.open();
  for (int i = 0; i < 20; ++i) {
    StreamableClient more = user(pair, "z");
    check_full(more.initialize(), "0");
    more.set_session("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA" + std::to_string(i % 10));
    HF_EQ(more.post(rpc("ping", "1")).status, 404);
  }
  pair.wait_sessions(1);
  HF_EQ(pair.health()["sessions"]["total"].integer(), 1);
}

int main() {
  const CMUnitTest tests[] = {
      HF_UNIT(the_session_over_the_cap_is_refused_and_the_others_stay),
      HF_UNIT(a_legacy_stream_over_the_cap_is_refused_with_503),
      HF_UNIT(listen_streams_count),
      HF_UNIT(listen_streams_count_for_their_user),
      HF_UNIT(a_slot_is_released_when_the_backend_refuses),
      HF_UNIT(a_backend_that_keeps_no_session_takes_no_slot),
      HF_UNIT(a_users_own_cap_binds_that_user_only),
      HF_UNIT(an_addresss_own_cap_binds_all_its_users_and_is_counted),
      HF_UNIT(limits_and_refusals_are_metrics_with_their_reasons),
      HF_UNIT(a_batched_initialize_begins_no_session),
      HF_UNIT(a_policys_cap_counts_its_own_in_addition),
      HF_UNIT(evict_idle_takes_the_longest_idle_and_never_one_at_work),
      HF_UNIT(evict_idle_takes_the_callers_own_session_before_anybody_elses),
      HF_UNIT(evict_idle_refuses_within_the_grace),
      HF_UNIT(refused_and_forged_requests_leave_nothing_behind),
  };
  return HF_RUN(tests);
}
