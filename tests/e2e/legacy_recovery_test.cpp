// session_recovery for HTTP+SSE: while the client's stream stands, a lost backend is opened again
// for the next request; the client keeps stream and endpoint, and sees nothing of it.
#include <atomic>
#include <set>
#include <thread>
#include <vector>

#include "tests/support/gate.h"
#include "tests/support/hf_test.h"
#include "tests/support/pair.h"
#include "tests/support/restartable.h"
#include "tests/support/scripted_backend.h"

using namespace holdfast;
using namespace holdfast::test;

namespace {

const std::string kCounter = R"({"uri":"demo://counter"})";
const std::string kAsk = R"({"prompt":"?"})";

PairOptions options_for(uint16_t port, const std::string &more = {}) {
  PairOptions options;
  options.backend_port = port;
  options.location = "session_recovery on; " + more;
  return options;
}

std::string echo(std::string_view id, const std::string &text = "hi") {
  return tool_call(id, "echo", R"({"message":")" + text + "\"}");
}

// The next message of the stream answers this call, and nothing has come before it.
void check_echo(LegacyClient &client, std::string_view id) {
  const Json answer = client.receive();
  HF_EQ(answer["id"].dump(), Json{id}.dump());
  HF_EQ(tool_text(answer), "hi");
}

// The proxy has seen that the backend is gone.
void wait_lost(Pair &pair, size_t count = 1) {
  HF_CHECK(
      eventually([&] { return pair.proxy().count_lines("event=legacy_backend_lost") >= count; },
                 Millis{10'000}));
}

}  // namespace

HF_TEST(a_backend_that_was_restarted_is_opened_again_for_the_next_call) {
  for (const char *when : {"legacy_sse auto;", "legacy_sse on;", "legacy_sse off;"}) {
    Restartable backend;
    Pair pair(options_for(backend.port(), when));
    LegacyClient client(pair.proxy_port());
    client.open();
    const std::string body = backend.now().state()["last"]["initialize"]["body"].text();
    const std::string mine = client.session();
    backend.restart();
    wait_lost(pair);
    HF_EQ(client.post(echo("5")).status, 202);
    check_echo(client, "5");
    HF_EQ(backend.seen("initialize"), 1);
    HF_EQ(backend.now().state()["last"]["initialize"]["body"].text(), body);
    HF_EQ(backend.seen("notifications/initialized"), 1);
    HF_EQ(backend.seen("tools/call"), 1);
    HF_EQ(tool_text(client.call("echo", R"({"message":"again"})")), "again");
    HF_EQ(backend.seen("initialize"), 1);
    const std::string line = pair.proxy().wait_for_line("event=session_recovered");
    HF_CHECK(line.find(mine.substr(0, 8)) != std::string::npos);
    HF_CHECK(pair.proxy().err().find(mine) == std::string::npos);
    // It lives as any other, and as often as it takes.
    backend.restart();
    wait_lost(pair, 2);
    HF_EQ(client.post(echo("7")).status, 202);
    check_echo(client, "7");
    pair.wait_sessions(1);
    client.stream().close();
    pair.wait_sessions(0);
    HF_CHECK(eventually([&] { return backend.now().state()["streams"].size() == 0; }));
  }
}

HF_TEST(the_stream_is_kept_alive_while_the_backend_is_away) {
  Restartable backend;
  Pair pair(options_for(backend.port(), "sse_heartbeat 20ms;"));
  LegacyClient client(pair.proxy_port());
  client.open();
  backend.kill();
  wait_lost(pair);
  for (int beats = 0; beats < 3; ++beats) HF_CHECK(client.stream().next_frame().comment);
  backend.start();
  HF_EQ(client.post(echo("5")).status, 202);
  check_echo(client, "5");
}

HF_TEST(calls_in_flight_at_the_crash_get_their_errors_at_once) {
  Restartable backend;
  Pair pair(options_for(backend.port()));
  LegacyClient client(pair.proxy_port());
  client.open();
  HF_EQ(client.post(tool_call("5", "slow", R"({"steps":1,"interval_ms":60000})")).status, 202);
  HF_EQ(client.post(tool_call("\"b\"", "slow", R"({"steps":1,"interval_ms":60000})")).status, 202);
  pair.wait_sessions(1);
  backend.kill();
  std::set<std::string> ids;  // each came by a connection of its own: in any order
  for (int i = 0; i < 2; ++i) {
    const Json told = client.receive();
    HF_EQ(told["error"]["code"].integer(), -32000);
    HF_EQ(told["error"]["data"]["reason"].text(), "backend_lost");
    ids.insert(told["id"].dump());
  }
  HF_CHECK((ids == std::set<std::string>{"5", "\"b\""}));
  // They are over: nothing holds the session any more, and nobody is told twice.
  HF_CHECK(eventually(
      [&] { return pair.admin_json("show sess json")[size_t{0}]["in_flight"].integer() == 0; }));
  backend.start();
  HF_EQ(client.post(echo("6")).status, 202);
  check_echo(client, "6");
}

HF_TEST(a_backend_that_ended_the_stream_itself_is_opened_again) {
  for (const char *how : {R"({"how":"end"})", R"({"how":"cut"})"}) {
    Restartable backend;
    Pair pair(options_for(backend.port()));
    LegacyClient client(pair.proxy_port());
    client.open();
    (void)backend.now().tell("close-streams", how);
    wait_lost(pair);
    HF_EQ(client.post(echo("5")).status, 202);
    check_echo(client, "5");
    HF_EQ(backend.seen("initialize"), 2);
  }
}

// Its stream stands; what it answers a POST tells.
HF_TEST(a_backend_that_forgot_the_session_is_opened_again) {
  Restartable backend;
  Pair pair(options_for(backend.port()));
  LegacyClient client(pair.proxy_port());
  client.open();
  HF_EQ(client.post(tool_call("4", "slow", R"({"steps":1,"interval_ms":60000})")).status, 202);
  (void)backend.now().tell("forget");
  HF_EQ(client.post(echo("5")).status, 202);
  HF_EQ(client.receive()["id"].dump(), "4");  // its answer cannot come any more
  check_echo(client, "5");
  HF_EQ(backend.seen("initialize"), 2);
  HF_CHECK(eventually([&] { return backend.now().state()["streams"].size() == 1; }));
}

HF_TEST(many_requests_at_once_open_it_once) {
  Restartable backend;
  Pair pair(options_for(backend.port()));
  LegacyClient client(pair.proxy_port());
  client.open();
  backend.restart();
  wait_lost(pair);
  constexpr int kRequests = 20;
  std::vector<std::thread> threads;
  std::vector<int> statuses(kRequests, 0);
  for (int i = 0; i < kRequests; ++i) {
    threads.emplace_back(
        [&, i] { statuses[static_cast<size_t>(i)] = client.post(echo(std::to_string(i))).status; });
  }
  for (std::thread &thread : threads) thread.join();
  for (const int status : statuses) HF_EQ(status, 202);
  for (int i = 0; i < kRequests; ++i) HF_EQ(tool_text(client.receive()), "hi");
  HF_EQ(backend.seen("initialize"), 1);
  HF_EQ(backend.now().state()["sessions"].size(), 1U);
}

HF_TEST(a_long_request_waits_for_it_as_well) {
  Restartable backend;
  Pair pair(options_for(backend.port()));
  LegacyClient client(pair.proxy_port());
  client.open();
  backend.restart();
  wait_lost(pair);
  const std::string text(size_t{300} * 1024, 'x');
  HF_EQ(client.post(echo("5", text)).status, 202);
  HF_EQ(tool_text(client.receive()), text);
}

HF_TEST(a_backend_that_promises_something_else_ends_the_session_honestly) {
  Restartable backend;
  Pair pair(options_for(backend.port()));
  LegacyClient client(pair.proxy_port());
  client.open();
  backend.restart({"--version", "2"});
  wait_lost(pair);
  const Response answer = client.post(echo("5"));
  check_refusal(answer, 404, -32001, "5");
  HF_EQ(Json{answer.body}["error"]["data"]["reason"].text(), "backend_lost");
  HF_CHECK(client.stream().wait_end() == BodyEnd::framed);
  pair.wait_sessions(0);
  HF_CHECK(eventually([&] { return backend.now().state()["streams"].size() == 0; }));
  HF_EQ(backend.seen("tools/call"), 0);
}

HF_TEST(while_the_backend_is_away_requests_are_told_so_and_the_session_waits) {
  Restartable backend;
  Pair pair(options_for(backend.port()));
  LegacyClient client(pair.proxy_port());
  client.open();
  backend.kill();
  wait_lost(pair);
  check_refusal(client.post(echo("5")), 502, -32000, "5");
  // The tries are spaced: at once there is none.
  const Response resting = client.post(echo("6"));
  check_refusal(resting, 503, -32000, "6");
  HF_CHECK(resting.header("Retry-After").has_value());
  pair.wait_sessions(1);
  backend.start();
  HF_CHECK(eventually([&] { return client.post(echo("7")).status == 202; }));
  check_echo(client, "7");
  HF_EQ(backend.seen("initialize"), 1);
}

HF_TEST(a_backend_that_refuses_the_client_says_so_itself) {
  Restartable backend;
  Pair pair(options_for(backend.port()));
  LegacyClient client(pair.proxy_port());
  client.open();
  backend.restart({"--refuse-initialize", "401"});
  wait_lost(pair);
  check_refusal(client.post(echo("5")), 401, -32000, "5");
  pair.wait_sessions(1);
  backend.restart({"--refuse-initialize", "405"});
  HF_CHECK(eventually([&] { return client.post(echo("6")).status == 404; }));
  HF_CHECK(client.stream().wait_end() == BodyEnd::framed);
  pair.wait_sessions(0);
}

HF_TEST(subscriptions_and_the_log_level_are_told_again_and_their_answers_kept_back) {
  Restartable backend;
  Pair pair(options_for(backend.port()));
  LegacyClient client(pair.proxy_port());
  client.open();
  HF_EQ(client.post(rpc("resources/subscribe", "2", kCounter)).status, 202);
  HF_EQ(client.receive()["id"].dump(), "2");
  HF_EQ(client.post(rpc("logging/setLevel", "3", R"({"level":"error"})")).status, 202);
  HF_EQ(client.receive()["id"].dump(), "3");
  backend.restart();
  wait_lost(pair);
  HF_EQ(client.post(echo("5")).status, 202);
  check_echo(client, "5");
  const Json session = backend.now().state()["sessions"][size_t{0}];
  HF_EQ(session["subscriptions"].size(), 1U);
  HF_EQ(session["log_level"].text(), "error");
  HF_EQ(client.post(tool_call("6", "bump")).status, 202);
  bool updated = false;
  for (int i = 0; i < 2; ++i)
    updated = client.receive()["method"].present() || updated;  // in whatever order
  HF_CHECK(updated);
}

HF_TEST(the_request_s_own_credentials_open_it_again) {
  Restartable backend;
  Pair pair(options_for(backend.port(), "proxy_set_header X-Tenant t-1;"));
  LegacyClient client(pair.proxy_port(), "/sse", {{"Authorization", "Bearer old"}});
  client.open();
  backend.restart();
  wait_lost(pair);
  const Response answer = fetch(
      pair.proxy_port(), mcp_post(client.endpoint(), echo("5"), {{"Authorization", "Bearer new"}}));
  HF_EQ(answer.status, 202);
  check_echo(client, "5");
  for (const char *kind : {"GET /sse", "initialize", "notifications/initialized"}) {
    HF_EQ(backend.last_header(kind, "authorization"), "Bearer new");
    HF_EQ(backend.last_header(kind, "x-tenant"), "t-1");
  }
}

HF_TEST(an_answer_to_a_lost_question_reaches_nobody) {
  Restartable backend;
  Pair pair(options_for(backend.port()));
  LegacyClient client(pair.proxy_port());
  client.open();
  HF_EQ(client.post(tool_call("5", "ask", kAsk)).status, 202);
  const std::string id = client.receive()["id"].dump();
  const auto answer = [&](const char *word) {
    return R"({"jsonrpc":"2.0","id":)" + id + R"(,"result":{"action":")" + word + "\"}}";
  };
  backend.restart();
  wait_lost(pair);
  HF_EQ(client.receive()["error"]["code"].integer(), -32000);
  // Nobody is there who could have asked, and nobody is opened for it.
  HF_EQ(client.post(answer("early")).status, 202);
  HF_EQ(backend.seen("initialize"), 0);
  HF_EQ(client.post(tool_call("6", "ask", kAsk)).status, 202);
  HF_EQ(client.receive()["id"].dump(), id);  // the same number, another question
  HF_EQ(client.post(answer("right")).status, 202);
  HF_EQ(tool_text(client.receive()), R"(answer: {"action":"right"})");
  // And one that comes after the next has asked.
  HF_EQ(client.post(tool_call("7", "ask", kAsk)).status, 202);
  const std::string lost = client.receive()["id"].dump();
  backend.restart();
  wait_lost(pair, 2);
  HF_EQ(client.receive()["error"]["code"].integer(), -32000);
  HF_EQ(client.post(echo("8")).status, 202);
  check_echo(client, "8");
  HF_EQ(client.post(R"({"jsonrpc":"2.0","id":)" + lost + R"(,"result":{}})").status, 202);
  HF_EQ(backend.seen("(response)"), 0);
}

HF_TEST(another_server_of_the_upstream_takes_the_session_over) {
  for (const bool noticed : {true, false}) {
    Restartable one;
    Restartable two;
    PairOptions options = options_for(one.port());
    options.upstream = "server 127.0.0.1:" + std::to_string(two.port()) + ";";
    Pair pair(options);
    LegacyClient client(pair.proxy_port());
    client.open();
    const bool on_one = one.seen("initialize") == 1;
    (on_one ? one : two).kill();
    if (noticed) wait_lost(pair);
    HF_EQ(client.post(echo("5")).status, 202);
    check_echo(client, "5");
    HF_EQ((on_one ? two : one).seen("initialize"), 1);
  }
}

HF_TEST(a_client_that_leaves_meanwhile_ends_its_session) {
  Restartable backend;
  Pair pair(options_for(backend.port()));
  LegacyClient client(pair.proxy_port());
  client.open();
  backend.kill();
  wait_lost(pair);
  client.stream().close();
  pair.wait_sessions(0);
}

HF_TEST(a_session_that_was_not_initialized_ends_with_its_backend) {
  Restartable backend;
  Pair pair(options_for(backend.port(), "legacy_sse off;"));
  LegacyClient client(pair.proxy_port());
  backend.kill();
  (void)client.stream().wait_end();
  pair.wait_sessions(0);
}

namespace {

constexpr std::string_view kStreamHead =
    "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n";
std::string framed(std::string_view data) {
  return "event: message\ndata: " + std::string(data) + "\n\n";
}
constexpr std::string_view kResult =
    R"({"jsonrpc":"2.0","id":0,"result":{"protocolVersion":"2025-11-25","capabilities":{}}})";
constexpr std::string_view kNotice = R"({"jsonrpc":"2.0","method":"notifications/x"})";

}  // namespace

// What the new backend says before it is ready reaches the client, whole and in order; comments and
// the answers to what the client did not ask again do not.
HF_TEST(what_a_new_backend_says_of_its_own_accord_is_not_lost) {
  std::atomic<int> initialized = 0;
  std::atomic<int> streams = 0;
  std::atomic<bool> cut = false;
  ScriptedBackend backend([&](Peer &peer) {
    const std::string request = peer.read_request();
    if (!request.starts_with("GET ")) {
      peer.answer(202, "text/plain", "Accepted", "Connection: close\r\n");
      if (request.find("\"initialize\"") != std::string::npos) ++initialized;
      return;
    }
    const int number = streams++;
    peer.send(std::string(kStreamHead) + ": hello\r\n\r\nevent: endpoint\r\ndata: /m?s=" +
              std::to_string(number) + "\r\n\r\n");
    HF_CHECK(eventually([&] { return initialized > number; }));
    if (number == 0) {
      peer.send(framed(kResult));
      HF_CHECK(eventually([&] { return cut.load(); }));
      return;
    }
    peer.send(framed(kNotice) + ": a comment\n\n" + framed(kResult) +
              "event: message\ndata: {\"y\"");
    HF_CHECK(eventually(
        [&] { return backend.requests().back().find("tools/call") != std::string::npos; }));
    peer.send(":1}\n\n");
    (void)peer.wait_closed(std::chrono::seconds{30});
  });
  Pair pair(options_for(backend.port()));
  LegacyClient client(pair.proxy_port());
  client.open();
  const size_t before = client.stream().body().size();
  cut = true;
  wait_lost(pair);
  HF_EQ(client.post(echo("5")).status, 202);
  HF_CHECK(backend.requests().back().starts_with("POST /m?s=1 "));
  HF_EQ(client.stream().next().data, kNotice);
  HF_EQ(client.stream().next().data, "{\"y\":1}");
  HF_EQ(client.stream().body().substr(before), framed(kNotice) + framed("{\"y\":1}"));
  HF_EQ(backend.failure(), "");
}

HF_TEST(a_new_backend_that_says_too_much_before_it_is_opened_is_given_up) {
  std::atomic<int> streams = 0;
  std::atomic<int> initialized = 0;
  std::atomic<bool> cut = false;
  ScriptedBackend backend([&](Peer &peer) {
    const std::string request = peer.read_request();
    if (!request.starts_with("GET ")) {
      peer.answer(202, "text/plain", "Accepted", "Connection: close\r\n");
      if (request.find("\"initialize\"") != std::string::npos) ++initialized;
      return;
    }
    peer.send(std::string(kStreamHead) + "event: endpoint\ndata: /m\n\n");
    if (streams++ == 0) {
      HF_CHECK(eventually([&] { return initialized == 1; }));
      peer.send(framed(kResult));
      HF_CHECK(eventually([&] { return cut.load(); }));
    } else {
      for (int i = 0; i < 20; ++i) peer.send(framed(std::string(size_t{20} * 1024, 'x')));
      HF_CHECK(peer.wait_closed());
    }
  });
  Pair pair(options_for(backend.port()));
  LegacyClient client(pair.proxy_port());
  client.open();
  cut = true;
  wait_lost(pair);
  const size_t before = client.stream().body().size();
  check_refusal(client.post(echo("5")), 502, -32000, "5");
  HF_EQ(client.stream().body().size(), before);
  pair.wait_sessions(1);
  HF_EQ(backend.failure(), "");
}

// Half an event has gone out: nothing can complete it, and nothing may follow it.
HF_TEST(a_stream_that_was_lost_inside_an_event_breaks) {
  Gate begun;
  Gate initialized;
  ScriptedBackend backend([&](Peer &peer) {
    const std::string request = peer.read_request();
    if (!request.starts_with("GET ")) {
      peer.answer(202, "text/plain", "Accepted", "Connection: close\r\n");
      if (request.find("\"initialize\"") != std::string::npos) initialized.open();
      return;
    }
    peer.send(std::string(kStreamHead) + "event: endpoint\ndata: /m\n\n");
    HF_CHECK(initialized.wait());
    peer.send(framed(kResult) + "event: message\nda");
    HF_CHECK(begun.wait());
  });
  Pair pair(options_for(backend.port()));
  LegacyClient client(pair.proxy_port());
  client.open();
  HF_CHECK(eventually([&] {
    (void)client.stream().poll(Millis{10});  // ignoring: no event comes
    return client.stream().body().ends_with("\nda");
  }));
  begun.open();
  (void)client.stream().wait_end();
  pair.wait_sessions(0);
  HF_EQ(backend.failure(), "");
}

int main() {
  const CMUnitTest tests[] = {
      HF_UNIT(a_backend_that_was_restarted_is_opened_again_for_the_next_call),
      HF_UNIT(the_stream_is_kept_alive_while_the_backend_is_away),
      HF_UNIT(calls_in_flight_at_the_crash_get_their_errors_at_once),
      HF_UNIT(a_backend_that_ended_the_stream_itself_is_opened_again),
      HF_UNIT(a_backend_that_forgot_the_session_is_opened_again),
      HF_UNIT(many_requests_at_once_open_it_once),
      HF_UNIT(a_long_request_waits_for_it_as_well),
      HF_UNIT(a_backend_that_promises_something_else_ends_the_session_honestly),
      HF_UNIT(while_the_backend_is_away_requests_are_told_so_and_the_session_waits),
      HF_UNIT(a_backend_that_refuses_the_client_says_so_itself),
      HF_UNIT(subscriptions_and_the_log_level_are_told_again_and_their_answers_kept_back),
      HF_UNIT(the_request_s_own_credentials_open_it_again),
      HF_UNIT(an_answer_to_a_lost_question_reaches_nobody),
      HF_UNIT(another_server_of_the_upstream_takes_the_session_over),
      HF_UNIT(a_client_that_leaves_meanwhile_ends_its_session),
      HF_UNIT(a_session_that_was_not_initialized_ends_with_its_backend),
      HF_UNIT(what_a_new_backend_says_of_its_own_accord_is_not_lost),
      HF_UNIT(a_new_backend_that_says_too_much_before_it_is_opened_is_given_up),
      HF_UNIT(a_stream_that_was_lost_inside_an_event_breaks),
  };
  return HF_RUN(tests);
}
