// Requests that go to one of several upstreams by what their heads say of them (map), or to one of
// several locations, and sessions, which stay where they began whatever a request brings.
#include "tests/support/farm.h"

using namespace holdfast;
using namespace holdfast::test;

namespace {

// How often a server has been asked this.
int64_t asked(const DemoBackend &backend, const char *method) {
  const Json count = backend.state()["requests"][method];
  return count.present() ? count.integer() : 0;
}

// The pair's own backend is `backend`, the default; the other one is `special`.
struct TwoUpstreams {
  DemoBackend special;
  Pair pair;

  // `rules` are the map's, from "$mcp_method $mcp_name".
  explicit TwoUpstreams(const std::string &rules, PairOptions options = {})
      : pair(with_map(rules, std::move(options))) {}

  PairOptions with_map(const std::string &rules, PairOptions options) const {
    options.proxy_main += "upstream special { " + server_line(special) +
                          "}\nmap \"$mcp_method $mcp_name\" $backend { default backend; " + rules +
                          " }\n";
    options.locations += "location /mcp { proxy_pass http://$backend; " + options.location + " }";
    return options;
  }
  Response ask(const Request &request) const { return fetch(pair.proxy_port(), request); }
};

Request call(std::string_view tool, Headers more = {}) {
  return modern_request("tools/call", "1", R"({"name":")" + std::string(tool) + "\"}", "/mcp",
                        std::move(more));
}

}  // namespace

HF_TEST(a_sessionless_request_goes_where_its_fields_lead) {
  TwoUpstreams two(R"("tools/call bump" special; "~^prompts/" special;)");
  HF_EQ(two.ask(call("bump")).status, 200);
  HF_EQ(asked(two.special, "tools/call"), 1);
  HF_EQ(two.ask(modern_request("tools/list", "2")).status, 200);
  HF_EQ(asked(two.pair.backend(), "tools/list"), 1);
  HF_EQ(asked(two.pair.backend(), "tools/call"), 0);
  HF_EQ(asked(two.special, "tools/list"), 0);
  Request bump = call("bump");
  bump.headers.back().second = "=?base64?YnVtcA==?=";  // Mcp-Name, as it may be sent, too
  HF_EQ(two.ask(bump).status, 200);
  HF_EQ(asked(two.special, "tools/call"), 2);
}

HF_TEST(a_listen_stream_opens_where_its_method_leads) {
  TwoUpstreams two(R"("subscriptions/listen*" special;)");
  SseClient stream(two.pair.proxy_port(),
                   modern_request("subscriptions/listen", "\"l\"",
                                  R"({"notifications":{"resourceSubscriptions":[]}})"));
  HF_CHECK(stream.streaming());
  (void)stream.next();
  HF_EQ(two.special.state()["streams"].size(), 1U);
}

HF_TEST(a_session_opens_where_its_fields_lead_and_stays_there) {
  TwoUpstreams two(R"("initialize " special; "tools/call echo" special;)");
  const uint16_t port = two.pair.proxy_port();
  StreamableClient there(port, "/mcp", {{"Mcp-Method", "initialize"}});
  StreamableClient here(port);
  there.open();
  here.open();
  HF_EQ(two.special.state()["sessions"].size(), 1U);
  HF_EQ(two.pair.backend().state()["sessions"].size(), 1U);

  StreamableClient lies(port, "/mcp", {{"Mcp-Method", "tools/call"}, {"Mcp-Name", "echo"}});
  lies.set_session(here.session());
  HF_EQ(tool_text(lies.call("echo", R"({"message":"m"})")), "m");
  HF_EQ(asked(two.special, "tools/call"), 0);
  // Nor does another location lead it away.
  StreamableClient elsewhere(port, "/elsewhere/mcp");
  elsewhere.set_session(there.session());
  HF_EQ(tool_text(elsewhere.call("echo", R"({"message":"m"})")), "m");
  HF_EQ(asked(two.special, "tools/call"), 1);
}

// Its own upstream has one server, the default's is well: that is no place to send it.
HF_TEST(a_session_whose_server_is_away_waits_for_its_own) {
  TwoUpstreams two(R"("initialize " special;)");
  StreamableClient client(two.pair.proxy_port(), "/mcp", {{"Mcp-Method", "initialize"}});
  client.open();
  StreamableClient plain(two.pair.proxy_port());
  plain.set_session(client.session());
  two.special.process().kill();
  for (int i = 0; i < 3; ++i) HF_EQ(plain.post(tool_call("1", "echo")).status, 502);
  two.pair.wait_sessions(1);
}

HF_TEST(a_session_that_is_recovered_is_opened_at_its_own_upstream) {
  PairOptions options;
  options.location = "session_recovery on;";
  TwoUpstreams two(R"("initialize " special;)", options);
  StreamableClient client(two.pair.proxy_port(), "/mcp", {{"Mcp-Method", "initialize"}});
  client.open();
  StreamableClient plain(two.pair.proxy_port());
  plain.set_session(client.session());
  (void)two.special.tell("forget");
  HF_EQ(tool_text(plain.call("echo", R"({"message":"m"})")), "m");
  HF_EQ(two.special.state()["sessions"].size(), 1U);
  HF_EQ(two.pair.backend().state()["sessions"].size(), 0U);
}

// Rules by name bind whoever names what he asks for, and the check whoever names something else.
// Older versions name nothing: a location for them is what closes the door.
HF_TEST(a_location_for_certain_messages_is_met_by_those_alone) {
  PairOptions options;
  options.server = "mcp_header_check on;";
  options.locations =
      "location /mcp mcp_name=bump { return 403 denied; }"
      "location /mcp mcp_method=prompts/* { return 403 \"no prompts\"; }"
      "location /closed/mcp mcp_method=* { proxy_pass http://backend; }"
      "location /closed/mcp { return 400 closed; }";
  Pair pair(options);
  const auto ask = [&](const Request &request) { return fetch(pair.proxy_port(), request); };
  HF_EQ(ask(call("bump")).body, "denied");
  HF_EQ(ask(modern_request("prompts/list", "1")).body, "no prompts");
  HF_EQ(ask(modern_request("tools/list", "1")).status, 200);
  Request encoded = call("bump");
  encoded.headers.back().second = "=?base64?YnVtcA==?=";
  HF_EQ(ask(encoded).body, "denied");
  Request lie = call("bump");
  lie.headers.back().second = "echo";
  check_refusal(ask(lie), 400, -32020, "1");
  HF_EQ(asked(pair.backend(), "tools/call"), 0);

  StreamableClient client(pair.proxy_port(), "/mcp", {{"Mcp-Name", "bump"}});
  HF_EQ(client.initialize().body, "denied");
  StreamableClient older(pair.proxy_port());
  older.open();
  HF_CHECK(older.call("bump")["result"].present());
  StreamableClient closed(pair.proxy_port(), "/closed/mcp");
  HF_EQ(closed.initialize().status, 400);
  closed.set_session(older.session());
  HF_EQ(closed.post(tool_call("1", "bump")).body, "closed");
  HF_EQ(ask(modern_request("tools/list", "1", "{}", "/closed/mcp")).status, 200);
}

HF_TEST(a_reload_changes_the_rules_for_what_comes_next) {
  TwoUpstreams two(R"("initialize " special;)");
  StreamableClient client(two.pair.proxy_port(), "/mcp", {{"Mcp-Method", "initialize"}});
  client.open();
  two.pair.rewrite_proxy_conf(two.with_map(R"("tools/call bump" special;)", {}));
  HF_EQ(two.pair.ctl({"reload"}).exit, (Exit{false, 0}));
  HF_EQ(tool_text(client.call("echo", R"({"message":"m"})")), "m");
  StreamableClient later(two.pair.proxy_port(), "/mcp", {{"Mcp-Method", "initialize"}});
  later.open();
  HF_EQ(two.special.state()["sessions"].size(), 1U);
  HF_EQ(two.pair.backend().state()["sessions"].size(), 1U);
  HF_EQ(two.ask(call("bump")).status, 200);
  HF_EQ(asked(two.special, "tools/call"), 2);
}

int main() {
  const CMUnitTest tests[] = {
      HF_UNIT(a_sessionless_request_goes_where_its_fields_lead),
      HF_UNIT(a_listen_stream_opens_where_its_method_leads),
      HF_UNIT(a_session_opens_where_its_fields_lead_and_stays_there),
      HF_UNIT(a_session_whose_server_is_away_waits_for_its_own),
      HF_UNIT(a_session_that_is_recovered_is_opened_at_its_own_upstream),
      HF_UNIT(a_location_for_certain_messages_is_met_by_those_alone),
      HF_UNIT(a_reload_changes_the_rules_for_what_comes_next),
  };
  return HF_RUN(tests);
}
