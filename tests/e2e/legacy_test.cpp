// HTTP+SSE (2024-11-05) through the pair: the proxy announces its own endpoint whatever the
// backend's looks like, and the session lives exactly as long as its stream.
#include <set>
#include <string>

#include "tests/support/hf_test.h"
#include "tests/support/pair.h"

using namespace holdfast::test;

namespace {

// One client talks through a backend that writes its endpoint in this form.
void talk(const char *form) {
  PairOptions options;
  options.backend_args = {"--legacy-endpoint", form};
  const Pair pair(options);
  LegacyClient client(pair.proxy_port());
  HF_EQ(client.stream().body(), "event: endpoint\ndata: " + client.endpoint() + "\n\n");
  HF_CHECK(client.endpoint().starts_with("/sse?sessionId="));
  HF_EQ(client.session().size(), 32U);
  const Json session = backend_state(pair.backend_port())["sessions"][size_t{0}];
  HF_CHECK(client.endpoint().find(session["id"].text()) == std::string::npos);
  client.open();
  HF_EQ(tool_text(client.call("echo", R"({"message":"over sse"})")), "over sse");
}

}  // namespace

HF_TEST(a_relative_endpoint_is_rewritten) { talk("relative"); }
HF_TEST(an_endpoint_relative_to_the_stream_is_rewritten) { talk("bare"); }
HF_TEST(an_absolute_endpoint_of_the_backend_is_rewritten) { talk("absolute"); }
HF_TEST(an_absolute_endpoint_made_from_the_host_header_is_rewritten) { talk("host"); }
HF_TEST(an_endpoint_with_session_id_is_rewritten) { talk("session_id"); }
HF_TEST(an_endpoint_with_the_id_in_its_path_is_rewritten) { talk("path"); }
HF_TEST(an_endpoint_with_crlf_line_ends_is_rewritten) { talk("crlf"); }

HF_TEST(an_endpoint_on_another_origin_is_refused) {
  PairOptions options;
  options.backend_args = {"--legacy-endpoint", "foreign"};
  const Pair pair(options);
  const Response response =
      fetch(pair.proxy_port(), {"GET", "/sse", {{"Accept", "text/event-stream"}}, {}});
  HF_EQ(response.status, 502);
  HF_CHECK(response.body.find("elsewhere.example") == std::string::npos);
  // The backend's stream is given up and no session is left behind.
  HF_CHECK(eventually([&] { return backend_state(pair.backend_port())["streams"].size() == 0; }));
  pair.wait_sessions(0);
}

HF_TEST(the_endpoint_stays_under_the_path_the_client_used) {
  PairOptions options;
  options.locations = "location /team/ { proxy_pass http://backend; }";
  const Pair pair(options);
  LegacyClient client(pair.proxy_port(), "/team/sse");
  HF_CHECK(client.endpoint().starts_with("/team/sse?sessionId="));
  client.open();
  HF_EQ(tool_text(client.call("add", R"({"a":1,"b":1})")), "2");
  HF_EQ(backend_state(pair.backend_port())["last"]["tools/call"]["target"].text().substr(0, 14),
        "/team/message?");
}

HF_TEST(a_post_is_accepted_and_its_answer_comes_down_the_stream) {
  const Pair pair;
  LegacyClient client(pair.proxy_port());
  client.open();
  HF_EQ(client
            .post(tool_call("\"slow\"", "slow", R"({"steps":2,"interval_ms":50})",
                            R"({"progressToken":1})"))
            .status,
        202);
  HF_EQ(client.receive()["params"]["progress"].integer(), 1);
  HF_EQ(client.receive()["params"]["progress"].integer(), 2);
  const Json answer = client.receive();
  HF_EQ(answer["id"].text(), "slow");
  HF_EQ(tool_text(answer), "done after 2 steps");
}

HF_TEST(the_session_ends_when_the_client_leaves) {
  const Pair pair;
  LegacyClient client(pair.proxy_port());
  client.open();
  pair.wait_sessions(1);
  client.stream().close();
  pair.wait_sessions(0);
  HF_CHECK(eventually([&] { return backend_state(pair.backend_port())["streams"].size() == 0; }));
  check_refusal(client.post(tool_call("8", "clock")), 404, -32001, "8");
}

HF_TEST(the_session_ends_when_the_backend_ends_its_stream) {
  Pair pair;
  LegacyClient client(pair.proxy_port());
  client.open();
  (void)pair.backend().tell("close-streams", R"({"how":"end"})");
  HF_CHECK(client.stream().wait_end() == BodyEnd::framed);
  pair.wait_sessions(0);
  check_refusal(client.post(tool_call("8", "clock")), 404, -32001, "8");
}

HF_TEST(calls_in_flight_are_told_when_the_backend_s_stream_is_lost) {
  const auto two_calls = [](LegacyClient &client) {
    client.open();
    for (const char *id : {"8", "\"nine\""}) {
      HF_EQ(client.post(tool_call(id, "slow", R"({"steps":1,"interval_ms":60000})")).status, 202);
    }
    HF_EQ(client.post(rpc("notifications/x")).status, 202);  // nobody waits for an answer to it
  };
  const auto both_told = [](LegacyClient &client) {
    std::set<std::string> ids;  // the calls came by two connections: their order is nobody's
    for (int i = 0; i < 2; ++i) {
      const Json told = client.receive();
      ids.insert(told["id"].dump());
      HF_EQ(told["error"]["code"].integer(), -32000);
      HF_EQ(told["error"]["data"]["reason"].text(), "backend_lost");
    }
    HF_CHECK((ids == std::set<std::string>{"8", "\"nine\""}));
    HF_CHECK(!client.stream().poll(kSoon).has_value());
  };
  Pair pair;
  LegacyClient first(pair.proxy_port());
  two_calls(first);
  (void)pair.backend().tell("close-streams", R"({"how":"end"})");
  both_told(first);
  LegacyClient second(pair.proxy_port());
  two_calls(second);
  pair.backend().process().kill();
  both_told(second);
  pair.wait_sessions(0);
}

HF_TEST(a_post_to_an_unknown_session_is_answered_by_the_proxy) {
  const Pair pair;
  const Response response =
      fetch(pair.proxy_port(),
            mcp_post("/sse?sessionId=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", rpc("ping", "1")));
  check_refusal(response, 404, -32001, "1");
}

HF_TEST(two_clients_never_see_each_others_messages) {
  const Pair pair;
  LegacyClient a(pair.proxy_port());
  LegacyClient b(pair.proxy_port());
  a.open();
  b.open();
  for (int i = 1; i <= 20; ++i) {
    const std::string id = std::to_string(i);
    HF_EQ(a.post(tool_call(id, "echo", R"({"message":"a)" + id + "\"}")).status, 202);
    HF_EQ(b.post(tool_call(id, "echo", R"({"message":"b)" + id + "\"}")).status, 202);
    HF_EQ(tool_text(a.receive()), "a" + id);
    HF_EQ(tool_text(b.receive()), "b" + id);
  }
}

int main() {
  const CMUnitTest tests[] = {
      HF_UNIT(a_relative_endpoint_is_rewritten),
      HF_UNIT(an_endpoint_relative_to_the_stream_is_rewritten),
      HF_UNIT(an_absolute_endpoint_of_the_backend_is_rewritten),
      HF_UNIT(an_absolute_endpoint_made_from_the_host_header_is_rewritten),
      HF_UNIT(an_endpoint_with_session_id_is_rewritten),
      HF_UNIT(an_endpoint_with_the_id_in_its_path_is_rewritten),
      HF_UNIT(an_endpoint_with_crlf_line_ends_is_rewritten),
      HF_UNIT(an_endpoint_on_another_origin_is_refused),
      HF_UNIT(the_endpoint_stays_under_the_path_the_client_used),
      HF_UNIT(a_post_is_accepted_and_its_answer_comes_down_the_stream),
      HF_UNIT(the_session_ends_when_the_client_leaves),
      HF_UNIT(the_session_ends_when_the_backend_ends_its_stream),
      HF_UNIT(calls_in_flight_are_told_when_the_backend_s_stream_is_lost),
      HF_UNIT(a_post_to_an_unknown_session_is_answered_by_the_proxy),
      HF_UNIT(two_clients_never_see_each_others_messages),
  };
  return HF_RUN(tests);
}
