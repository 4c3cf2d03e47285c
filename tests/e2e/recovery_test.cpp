// session_recovery: a backend that restarts or forgets its sessions is opened again behind the
// client's back; what it may have run is never sent again, and what belongs to the lost backend
// session stays with it.
#include <thread>
#include <vector>

#include "tests/support/hf_test.h"
#include "tests/support/pair.h"
#include "tests/support/restartable.h"
#include "tests/support/scripted_backend.h"

using namespace holdfast;
using namespace holdfast::test;

namespace {

const std::string kCounter = R"({"uri":"demo://counter"})";

PairOptions options_for(uint16_t port, const std::string &location = "session_recovery on;") {
  PairOptions options;
  options.backend_port = port;
  options.location = location;
  return options;
}

std::string echo(std::string_view id) { return tool_call(id, "echo", R"({"message":"hi"})"); }

}  // namespace

HF_TEST(a_backend_that_was_restarted_is_opened_again_for_the_next_call) {
  Restartable backend;
  Pair pair(options_for(backend.port()));
  StreamableClient client(pair.proxy_port());
  client.open();
  const std::string mine = client.session();
  const std::string body = backend.now().state()["last"]["initialize"]["body"].text();
  backend.restart();
  const Response answer = client.post(echo("5"));
  HF_EQ(tool_text(answer_in(answer, "5")), "hi");
  HF_EQ(backend.seen("initialize"), 1);
  HF_EQ(backend.now().state()["last"]["initialize"]["body"].text(), body);
  HF_EQ(backend.last_header("initialize", "mcp-session-id"), "");
  HF_EQ(backend.last_header("initialize", "mcp-protocol-version"), "");
  HF_EQ(backend.seen("notifications/initialized"), 1);
  HF_CHECK(backend.last_header("notifications/initialized", "mcp-session-id") != mine);
  HF_EQ(tool_text(client.call("echo", R"({"message":"again"})")), "again");
  HF_EQ(backend.seen("initialize"), 1);
  const std::string line = pair.proxy().wait_for_line("event=session_recovered");
  HF_CHECK(line.find(mine.substr(0, 8)) != std::string::npos);
  HF_CHECK(pair.proxy().err().find(mine) == std::string::npos);
}

HF_TEST(a_backend_that_forgot_its_sessions_is_opened_again) {
  for (const char *status : {"404", "400"}) {
    Restartable backend({"--unknown-session", status});
    Pair pair(options_for(backend.port()));
    StreamableClient client(pair.proxy_port());
    client.open();
    (void)backend.now().tell("forget");
    HF_EQ(tool_text(answer_in(client.post(echo("\"a\"")), "\"a\"")), "hi");
    HF_EQ(backend.seen("initialize"), 2);
    pair.wait_sessions(1);
    // DELETE is said to the session that lives.
    HF_EQ(client.remove().status / 100, 2);
    HF_EQ(backend.now().state()["sessions"].size(), 0U);
  }
}

HF_TEST(calls_answered_as_json_are_recovered_too) {
  Restartable backend({"--answer", "json"});
  Pair pair(options_for(backend.port()));
  StreamableClient client(pair.proxy_port());
  client.open();
  backend.restart({"--answer", "json"});
  HF_EQ(tool_text(answer_in(client.post(echo("5")), "5")), "hi");
}

HF_TEST(many_requests_at_once_open_it_once) {
  Restartable backend;
  Pair pair(options_for(backend.port()));
  StreamableClient client(pair.proxy_port());
  client.open();
  (void)backend.now().tell("forget");
  constexpr int kRequests = 20;
  std::vector<std::thread> threads;
  std::vector<int> statuses(kRequests, 0);
  for (int i = 0; i < kRequests; ++i) {
    threads.emplace_back(
        [&, i] { statuses[static_cast<size_t>(i)] = client.post(echo(std::to_string(i))).status; });
  }
  for (std::thread &thread : threads) thread.join();
  for (const int status : statuses) HF_EQ(status, 200);
  HF_EQ(backend.seen("initialize"), 2);
  HF_EQ(backend.now().state()["sessions"].size(), 1U);
}

HF_TEST(without_the_directive_a_lost_session_is_404) {
  Restartable backend;
  Pair pair(options_for(backend.port(), ""));
  StreamableClient client(pair.proxy_port());
  client.open();
  backend.restart();
  HF_EQ(client.post(echo("5")).status, 404);
  HF_EQ(backend.seen("initialize"), 0);
  pair.wait_sessions(0);
}

HF_TEST(a_backend_that_promises_something_else_ends_the_session_honestly) {
  Restartable backend;
  Pair pair(options_for(backend.port()));
  StreamableClient client(pair.proxy_port());
  client.open();
  SseClient stream = client.get();
  backend.restart({"--version", "2"});
  const Response answer = client.post(echo("5"));
  check_refusal(answer, 404, -32001, "5");
  HF_CHECK(answer.body.find("backend_lost") != std::string::npos);
  HF_CHECK(stream.wait_end() == BodyEnd::framed);
  pair.wait_sessions(0);
  // The backend does not keep what was opened to look at it.
  HF_CHECK(eventually([&] { return backend.now().state()["sessions"].size() == 0; }));
  HF_EQ(backend.seen("tools/call"), 1);  // the one that met 404
}

HF_TEST(subscriptions_and_the_log_level_are_told_again) {
  Restartable backend;
  Pair pair(options_for(backend.port()));
  StreamableClient client(pair.proxy_port());
  client.open();
  HF_EQ(client.post(rpc("resources/subscribe", "2", kCounter)).status, 200);
  HF_EQ(client.post(rpc("logging/setLevel", "3", R"({"level":"info"})")).status, 200);
  HF_EQ(client.post(rpc("logging/setLevel", "4", R"({"level":"error"})")).status, 200);
  backend.restart();
  HF_EQ(client.post(echo("5")).status, 200);
  Json session = backend.now().state()["sessions"][size_t{0}];
  HF_EQ(session["subscriptions"].size(), 1U);
  HF_EQ(session["log_level"].text(), "error");
  HF_EQ(backend.seen("logging/setLevel"), 1);
  // What was taken back is not.
  HF_EQ(client.post(rpc("resources/unsubscribe", "6", kCounter)).status, 200);
  backend.restart();
  HF_EQ(client.post(echo("7")).status, 200);
  HF_EQ(backend.now().state()["sessions"][size_t{0}]["subscriptions"].size(), 0U);
}

HF_TEST(the_clients_stream_survives_and_carries_what_the_new_backend_says) {
  for (const bool killed : {true, false}) {
    Restartable backend;
    PairOptions options = options_for(backend.port());
    options.location += " sse_heartbeat 20ms;";
    Pair pair(options);
    StreamableClient client(pair.proxy_port());
    client.open();
    HF_EQ(client.post(rpc("resources/subscribe", "2", kCounter)).status, 200);
    SseClient stream = client.get();
    (void)client.call("bump");
    HF_EQ(Json{stream.next().data}["method"].text(), "notifications/resources/updated");
    if (killed) {
      backend.kill();
      for (int beats = 0; beats < 3; ++beats) HF_CHECK(stream.next_frame().comment);
      backend.start();
    } else {
      (void)backend.now().tell("forget");
    }
    HF_EQ(client.post(echo("5")).status, 200);
    // The old stream may stand there still; what matters is that another was asked for.
    HF_CHECK(eventually([&] { return backend.seen("GET /mcp") == (killed ? 1 : 2); }));
    (void)client.call("bump");
    HF_EQ(Json{stream.next().data}["method"].text(), "notifications/resources/updated");
    HF_CHECK(stream.end() == BodyEnd::open);
  }
}

HF_TEST(a_stream_that_lost_its_connection_alone_is_given_another_by_the_next_request) {
  Restartable backend;
  Pair pair(options_for(backend.port()));
  StreamableClient client(pair.proxy_port());
  client.open();
  HF_EQ(client.post(rpc("resources/subscribe", "2", kCounter)).status, 200);
  SseClient stream = client.get();
  HF_CHECK(eventually([&] { return backend.now().state()["streams"].size() == 1; }));
  (void)backend.now().tell("close-streams", R"({"how":"cut"})");
  HF_CHECK(eventually([&] {
    return client.post(echo("5")).status == 200 && backend.now().state()["streams"].size() == 1;
  }));
  (void)client.call("bump");
  HF_EQ(Json{stream.next().data}["method"].text(), "notifications/resources/updated");
  HF_EQ(backend.seen("initialize"), 1);
}

// SDK clients ask for their stream twice, and then never again.
HF_TEST(a_stream_that_is_asked_for_while_the_backend_is_down_waits_for_it) {
  for (const bool refuses : {false, true}) {
    Restartable backend;
    PairOptions options = options_for(backend.port());
    options.location += " sse_heartbeat 20ms;";
    Pair pair(options);
    StreamableClient client(pair.proxy_port());
    client.open();
    HF_EQ(client.post(rpc("resources/subscribe", "2", kCounter)).status, 200);
    backend.kill();
    if (refuses) backend.start({"--refuse-initialize", "503"});  // up, and not ready
    SseClient stream = client.get();
    HF_CHECK(stream.streaming());
    SseClient another = client.get();  // the session may not be asked for at once
    HF_CHECK(another.streaming());
    another.close();
    for (int beats = 0; beats < 3; ++beats) HF_CHECK(stream.next_frame().comment);
    backend.restart();
    HF_CHECK(eventually([&] { return client.post(echo("5")).status == 200; }));
    HF_CHECK(eventually([&] { return backend.now().state()["streams"].size() == 1; }));
    (void)client.call("bump");
    HF_EQ(Json{stream.next().data}["method"].text(), "notifications/resources/updated");
    HF_EQ(client.remove().status / 100, 2);
    HF_CHECK(stream.wait_end() == BodyEnd::framed);
  }
}

HF_TEST(a_call_in_flight_at_the_crash_gets_its_error_at_once) {
  Restartable backend;
  Pair pair(options_for(backend.port()));
  StreamableClient client(pair.proxy_port());
  client.open();
  SseClient stream =
      client.stream_post(tool_call("5", "slow", R"({"steps":1,"interval_ms":60000})"));
  (void)stream.next();  // the priming event: the call could be resumed, were its server there
  backend.kill();
  const Json message{stream.next().data};
  HF_EQ(message["error"]["code"].integer(), -32000);
  HF_EQ(message["id"].integer(), 5);
  HF_CHECK(stream.wait_end() == BodyEnd::framed);
}

HF_TEST(what_the_backend_may_have_run_is_not_sent_again) {
  Restartable backend({"--die-after", "2"});
  Pair pair(options_for(backend.port()));
  StreamableClient client(pair.proxy_port());
  client.open();
  check_refusal(client.post(echo("5")), 502, -32000, "5");
  backend.restart();
  HF_EQ(backend.seen("tools/call"), 0);
  HF_EQ(tool_text(client.call("echo", R"({"message":"next"})")), "next");
  HF_EQ(backend.seen("tools/call"), 2);  // met 404, and once more
}

HF_TEST(while_the_backend_is_down_the_session_waits_for_it) {
  Restartable backend;
  Pair pair(options_for(backend.port()));
  StreamableClient client(pair.proxy_port());
  client.open();
  backend.kill();
  check_refusal(client.post(echo("5")), 502, -32000, "5");
  backend.start({"--refuse-initialize", "503"});
  check_refusal(client.post(echo("6")), 503, -32000, "6");
  // The tries are spaced: at once there is none.
  const Response resting = client.post(echo("7"));
  check_refusal(resting, 503, -32000, "7");
  HF_CHECK(resting.header("Retry-After").has_value());
  HF_EQ(backend.seen("initialize"), 1);
  backend.restart();
  HF_CHECK(eventually([&] { return client.post(echo("8")).status == 200; }));
  HF_EQ(backend.seen("initialize"), 1);
  pair.wait_sessions(1);
}

HF_TEST(a_backend_that_refuses_the_client_says_so_itself) {
  Restartable backend;
  Pair pair(options_for(backend.port()));
  StreamableClient client(pair.proxy_port());
  client.open();
  backend.restart({"--refuse-initialize", "401"});
  check_refusal(client.post(echo("5")), 401, -32000, "5");
  pair.wait_sessions(1);
  backend.restart({"--refuse-initialize", "400"});
  HF_CHECK(eventually([&] { return client.post(echo("6")).status == 404; }));
  pair.wait_sessions(0);
}

HF_TEST(the_requests_own_credentials_open_it_again) {
  Restartable backend;
  Pair pair(options_for(backend.port(), "session_recovery on; proxy_set_header X-Tenant t-1;"));
  StreamableClient client(pair.proxy_port(), "/mcp", {{"Authorization", "Bearer old"}});
  client.open();
  backend.restart();
  StreamableClient renewed(pair.proxy_port(), "/mcp", {{"Authorization", "Bearer new"}});
  renewed.set_session(client.session());
  HF_EQ(renewed.post(echo("5")).status, 200);
  HF_EQ(backend.last_header("initialize", "authorization"), "Bearer new");
  HF_EQ(backend.last_header("initialize", "x-tenant"), "t-1");
  HF_EQ(backend.last_header("notifications/initialized", "authorization"), "Bearer new");
}

HF_TEST(an_answer_to_a_lost_question_reaches_nobody) {
  Restartable backend;
  Pair pair(options_for(backend.port()));
  StreamableClient client(pair.proxy_port());
  client.open();
  const std::string ask = R"({"prompt":"?"})";
  SseClient lost = client.stream_post(tool_call("5", "ask", ask));
  (void)lost.next();
  const std::string id = Json{lost.next().data}["id"].dump();
  backend.restart();
  SseClient stream = client.stream_post(tool_call("6", "ask", ask));
  (void)stream.next();
  HF_EQ(Json{stream.next().data}["id"].dump(), id);  // the same number, another question
  const auto answer = [&](const char *word) {
    return R"({"jsonrpc":"2.0","id":)" + id + R"(,"result":{"action":")" + word + "\"}}";
  };
  HF_EQ(client.post(answer("late")).status, 202);
  HF_EQ(backend.seen("(response)"), 0);
  HF_EQ(client.post(answer("right")).status, 202);
  HF_EQ(tool_text(Json{stream.next().data}), R"(answer: {"action":"right"})");
}

// The id of a long answer may come after all that is read before it goes to a backend.
HF_TEST(a_long_answer_whose_id_comes_last_reaches_nobody_either) {
  Restartable backend;
  Pair pair(options_for(backend.port()));
  StreamableClient client(pair.proxy_port());
  client.open();
  SseClient lost = client.stream_post(tool_call("5", "ask", R"({"prompt":"?"})"));
  (void)lost.next();
  const std::string id = Json{lost.next().data}["id"].dump();
  const auto answer = [&](size_t bytes) {
    return R"({"jsonrpc":"2.0","result":{"action":")" + std::string(bytes, 'x') + R"("},"id":)" +
           id + "}";
  };
  backend.restart();
  HF_EQ(client.post(echo("6")).status, 200);
  HF_EQ(client.post(answer(size_t{128} * 1024)).status, 202);
  HF_EQ(backend.seen("(response)"), 0);
  HF_EQ(client.post(answer(10)).status, 202);  // the same, short
  HF_EQ(backend.seen("(response)"), 0);
  // Nothing lost is waited for any more: the backend judges what comes.
  HF_EQ(client.post(answer(size_t{128} * 1024)).status, 202);
  HF_EQ(backend.seen("(response)"), 1);
}

// It is what shows that the session is lost, and would be sent again once it is opened.
HF_TEST(an_answer_that_finds_the_session_lost_is_not_the_next_one_s) {
  Restartable backend;
  Pair pair(options_for(backend.port()));
  StreamableClient client(pair.proxy_port());
  client.open();
  SseClient lost = client.stream_post(tool_call("5", "ask", R"({"prompt":"?"})"));
  (void)lost.next();
  const std::string id = Json{lost.next().data}["id"].dump();
  backend.restart();
  HF_EQ(client.post(R"({"jsonrpc":"2.0","id":)" + id + R"(,"result":{}})").status, 202);
  HF_EQ(backend.seen("initialize"), 1);
  HF_EQ(backend.seen("(response)"), 1);  // the one that met 404
}

HF_TEST(event_ids_of_the_lost_backend_session_are_not_forwarded) {
  Restartable backend;
  Pair pair(options_for(backend.port()));
  StreamableClient client(pair.proxy_port());
  client.open();
  HF_EQ(client.post(rpc("resources/subscribe", "2", kCounter)).status, 200);
  {
    SseClient stream = client.get();
    (void)client.call("bump");
    HF_EQ(stream.next().id, "evt-1");
  }
  backend.restart();
  HF_EQ(client.post(echo("5")).status, 200);
  (void)client.call("bump");  // evt-1 of the new one, which nobody has seen
  SseClient fresh = client.get("evt-9");
  HF_CHECK(fresh.streaming());
  HF_EQ(backend.last_header("GET /mcp", "last-event-id"), "");
  (void)client.call("bump");
  HF_EQ(fresh.next().id, "evt-2");
  fresh.close();
  (void)client.call("bump");
  // An id that came from the new one is.
  SseClient resumed = client.get("evt-2");
  HF_EQ(backend.last_header("GET /mcp", "last-event-id"), "evt-2");
  HF_EQ(resumed.next().id, "evt-3");
}

HF_TEST(an_unknown_methods_404_is_no_lost_session) {
  constexpr const char *kOpened =
      R"({"jsonrpc":"2.0","id":0,"result":{"protocolVersion":"2025-11-25","capabilities":{}}})";
  constexpr const char *kNoMethod =
      R"({"jsonrpc":"2.0","id":5,"error":{"code":-32601,"message":"Method not found"}})";
  ScriptedBackend backend([&](Peer &peer) {
    for (;;) {
      const std::string request = peer.read_request();
      if (request.empty()) return;
      if (request.find("\"initialize\"") != std::string::npos) {
        peer.answer(200, "application/json", kOpened, "Mcp-Session-Id: b-1\r\n");
      } else if (request.find("x/y") != std::string::npos) {
        peer.answer(404, "application/json", kNoMethod);
      } else {
        peer.answer(202, "", "");
      }
    }
  });
  Pair pair(options_for(backend.port()));
  StreamableClient client(pair.proxy_port());
  client.open();
  const Response answer = client.post(rpc("x/y", "5"));
  HF_EQ(answer.status, 404);
  HF_EQ(answer.body, kNoMethod);
  HF_EQ(client.post(rpc("notifications/z")).status, 202);
  HF_EQ(backend.failure(), "");
}

HF_TEST(another_server_of_the_upstream_takes_the_session_over) {
  Restartable one;
  Restartable two;
  PairOptions options = options_for(one.port());
  options.proxy_main = "upstream both { server 127.0.0.1:" + std::to_string(one.port()) +
                       "; server 127.0.0.1:" + std::to_string(two.port()) + "; }";
  options.locations = "location /mcp { proxy_pass http://both; session_recovery on; }";
  Pair pair(options);
  StreamableClient client(pair.proxy_port());
  client.open();
  const bool on_one = one.seen("initialize") == 1;
  (on_one ? one : two).kill();
  HF_EQ(tool_text(answer_in(client.post(echo("5")), "5")), "hi");
  HF_EQ((on_one ? two : one).seen("initialize"), 1);
}

HF_TEST(sessiond_knows_where_the_session_lives_and_a_new_proxy_cannot_recover) {
  Restartable backend;
  Pair pair(options_for(backend.port()));
  StreamableClient client(pair.proxy_port());
  client.open();
  pair.wait_created();
  (void)backend.now().tell("forget");
  HF_EQ(client.post(echo("5")).status, 200);
  // What it is told it is told in order: once it has heard of this stream, it knows the rest.
  const SseClient stream = client.get();
  HF_CHECK(eventually(
      [&] { return pair.admin_json("show sess json")[size_t{0}]["streams"].integer() == 1; }));
  pair.kill_proxy();
  pair.start_proxy();
  pair.wait_linked();
  StreamableClient again(pair.proxy_port());
  again.set_session(client.session());
  HF_EQ(tool_text(answer_in(again.post(echo("6")), "6")), "hi");
  HF_EQ(backend.seen("initialize"), 2);
  // The initialize it would take was the old process's.
  (void)backend.now().tell("forget");
  HF_EQ(again.post(echo("7")).status, 404);
}

int main() {
  const CMUnitTest tests[] = {
      HF_UNIT(a_backend_that_was_restarted_is_opened_again_for_the_next_call),
      HF_UNIT(a_backend_that_forgot_its_sessions_is_opened_again),
      HF_UNIT(calls_answered_as_json_are_recovered_too),
      HF_UNIT(many_requests_at_once_open_it_once),
      HF_UNIT(without_the_directive_a_lost_session_is_404),
      HF_UNIT(a_backend_that_promises_something_else_ends_the_session_honestly),
      HF_UNIT(subscriptions_and_the_log_level_are_told_again),
      HF_UNIT(the_clients_stream_survives_and_carries_what_the_new_backend_says),
      HF_UNIT(a_stream_that_lost_its_connection_alone_is_given_another_by_the_next_request),
      HF_UNIT(a_stream_that_is_asked_for_while_the_backend_is_down_waits_for_it),
      HF_UNIT(a_call_in_flight_at_the_crash_gets_its_error_at_once),
      HF_UNIT(what_the_backend_may_have_run_is_not_sent_again),
      HF_UNIT(while_the_backend_is_down_the_session_waits_for_it),
      HF_UNIT(a_backend_that_refuses_the_client_says_so_itself),
      HF_UNIT(the_requests_own_credentials_open_it_again),
      HF_UNIT(an_answer_to_a_lost_question_reaches_nobody),
      HF_UNIT(a_long_answer_whose_id_comes_last_reaches_nobody_either),
      HF_UNIT(an_answer_that_finds_the_session_lost_is_not_the_next_one_s),
      HF_UNIT(event_ids_of_the_lost_backend_session_are_not_forwarded),
      HF_UNIT(an_unknown_methods_404_is_no_lost_session),
      HF_UNIT(another_server_of_the_upstream_takes_the_session_over),
      HF_UNIT(sessiond_knows_where_the_session_lives_and_a_new_proxy_cannot_recover),
  };
  return HF_RUN(tests);
}
