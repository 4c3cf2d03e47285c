// mcp_header_check: no backend runs a request whose body says something else than its head.
#include "tests/support/farm.h"
#include "tests/support/gate.h"
#include "tests/support/scripted_backend.h"

using namespace holdfast;
using namespace holdfast::test;

namespace {

constexpr int kMismatch = -32020;

PairOptions checked(std::string more = {}) {
  PairOptions options;
  options.location = "mcp_header_check on; " + more;
  return options;
}

// How often a server has been asked this.
int64_t asked(const DemoBackend &backend, const char *method) {
  const Json count = backend.state()["requests"][method];
  return count.present() ? count.integer() : 0;
}

Request echo(std::string_view id, std::string_view name = "echo") {
  Request request =
      modern_request("tools/call", id, R"({"name":"echo","arguments":{"message":"m"}})");
  request.headers.back().second = name;  // Mcp-Name
  return request;
}

// A request whose body is given, under the head of a call of `echo`.
Request under_the_head_of_echo(std::string body) {
  Request request = echo("1");
  request.body = std::move(body);
  return request;
}

// A tools/call of `name` with its name behind `bytes` of arguments, and its id behind that.
std::string late_name(std::string_view name, size_t bytes) {
  return R"({"jsonrpc":"2.0","method":"tools/call","params":{"arguments":{"message":")" +
         std::string(bytes, 'm') + R"("},"name":")" + std::string(name) +
         R"(","_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28",)"
         R"("io.modelcontextprotocol/clientCapabilities":{}}},"id":7})";
}

}  // namespace

HF_TEST(a_request_that_agrees_with_its_head_passes) {
  Pair pair(checked());
  HF_EQ(tool_text(answer_in(fetch(pair.proxy_port(), echo("1")), "1")), "m");
  HF_EQ(fetch(pair.proxy_port(), echo("2", "=?base64?ZWNobw==?=")).status, 200);
  HF_EQ(fetch(pair.proxy_port(), modern_request("tools/list", "3")).status, 200);
  HF_EQ(fetch(pair.proxy_port(), modern_request("resources/read", "4", R"({"uri":"demo://a"})"))
                .status /
            100,
        2);
  // As SDK 2.x sends it.
  HF_EQ(fetch(pair.proxy_port(),
              mcp_post("/mcp", rpc("notifications/cancelled", {}, R"({"requestId":1})"),
                       {{"MCP-Protocol-Version", "2026-07-28"}}))
            .status,
        202);
  // What the server refuses itself is its own to refuse.
  check_refusal(fetch(pair.proxy_port(), modern_request("no/such", "\"q\"")), 404, -32601, "\"q\"");
}

HF_TEST(one_that_does_not_agree_is_refused_and_never_run) {
  Pair pair(checked());
  const uint16_t port = pair.proxy_port();
  check_refusal(fetch(port, echo("\"ü\"", "bump")), 400, kMismatch, "\"ü\"");
  check_refusal(fetch(port, echo("2", "=?base64?ZWNobw?=")), 400, kMismatch, "2");
  Request other = echo("3");
  for (auto &[name, value] : other.headers)
    if (name == "Mcp-Method") value = "tools/list";
  check_refusal(fetch(port, other), 400, kMismatch, "3");
  Request unnamed = echo("4");
  unnamed.headers.pop_back();
  check_refusal(fetch(port, unnamed), 400, kMismatch, "4");
  unnamed.headers.pop_back();  // Mcp-Method
  check_refusal(fetch(port, unnamed), 400, kMismatch, "4");
  check_refusal(fetch(port, under_the_head_of_echo("[" + tool_call("5", "echo") + "]")), 400,
                kMismatch, "null");
  check_refusal(fetch(port, under_the_head_of_echo("no JSON")), 400, kMismatch, "null");
  HF_EQ(fetch(port, under_the_head_of_echo("")).status, 400);
  Request text = echo("6");
  text.headers[0].second = "text/plain";
  HF_EQ(fetch(port, text).status, 400);
  HF_EQ(asked(pair.backend(), "tools/call"), 0);
  HF_EQ(fetch(port, echo("7")).status, 200);
  HF_EQ(asked(pair.backend(), "tools/call"), 1);
}

HF_TEST(it_is_the_servers_affair_where_the_check_is_off) {
  Pair pair;
  check_refusal(fetch(pair.proxy_port(), echo("1", "bump")), 400, kMismatch, "1");
  HF_EQ(asked(pair.backend(), "tools/call"), 1);
}

HF_TEST(a_name_that_comes_late_is_waited_for) {
  Pair pair(checked());
  for (const size_t bytes : {size_t{10}, size_t{60'000}}) {
    check_refusal(fetch(pair.proxy_port(), under_the_head_of_echo(late_name("bump", bytes))), 400,
                  kMismatch, "7");
    HF_EQ(fetch(pair.proxy_port(), under_the_head_of_echo(late_name("echo", bytes))).status, 200);
  }
  HF_EQ(asked(pair.backend(), "tools/call"), 2);
}

HF_TEST(a_body_in_pieces_is_judged_by_what_they_make_together) {
  Pair pair(checked());
  const std::string text = to_text(under_the_head_of_echo(late_name("bump", 10)));
  const size_t split = text.find("bump") + 2;
  Connection connection = Connection::tcp(pair.proxy_port());
  connection.send(std::string_view(text).substr(0, split));
  connection.send(std::string_view(text).substr(split, 1));
  connection.send(std::string_view(text).substr(split + 1));
  HF_CHECK(connection.wait_end() == PeerEnd::fin);
  HF_CHECK(connection.buffer().starts_with("HTTP/1.1 400 "));
  HF_CHECK(connection.buffer().ends_with(
      R"("message":"Header mismatch: Mcp-Name is not what the body names"},"id":7})"));
  HF_EQ(asked(pair.backend(), "tools/call"), 0);
}

// Too long to be held: it is on its way when it turns out to be another one, and is not completed.
HF_TEST(a_long_body_that_turns_out_to_be_another_is_not_completed) {
  Gate began;
  ScriptedBackend backend([&began](Peer &peer) {
    if (peer.wait_bytes("mmmm")) began.open();
    while (!peer.read_request().empty()) (void)peer.answer(200, "application/json", "{}");
  });
  PairOptions options = checked();
  options.backend_port = backend.port();
  const Pair pair(options);
  const std::string lie = to_text(under_the_head_of_echo(late_name("bump", 300'000)));
  Connection connection = Connection::tcp(pair.proxy_port());
  connection.send(std::string_view(lie).substr(0, 200'000));
  HF_CHECK(began.wait());
  connection.send(std::string_view(lie).substr(200'000));
  HF_CHECK(connection.wait_end() != PeerEnd::open);
  HF_CHECK(connection.buffer().starts_with("HTTP/1.1 400 "));
  HF_CHECK(connection.buffer().find("\"code\":-32020") != std::string::npos);
  const Request honest = under_the_head_of_echo(late_name("echo", 300'000));
  HF_EQ(fetch(pair.proxy_port(), honest).status, 200);
  HF_EQ(backend.requests().size(), size_t{1});
  HF_CHECK(backend.requests().at(0).ends_with(honest.body));
  HF_EQ(backend.failure(), "");
}

HF_TEST(a_listen_that_lies_takes_no_slot) {
  Pair pair(checked());
  Request listen = modern_request("subscriptions/listen", "\"l\"", R"({"notifications":{}})");
  for (auto &[name, value] : listen.headers)
    if (name == "Mcp-Method") value = "tools/list";
  check_refusal(fetch(pair.proxy_port(), listen), 400, kMismatch, "\"l\"");
  HF_EQ(pair.sessions_count(), 0U);
  HF_EQ(pair.backend().state()["streams"].size(), 0U);
}

// Older clients bring neither field; who brings one is held to it in any version.
HF_TEST(a_session_is_checked_where_its_client_brings_the_fields) {
  Pair pair(checked());
  StreamableClient client(pair.proxy_port());
  client.open();
  HF_EQ(tool_text(client.call("echo", R"({"message":"m"})")), "m");
  StreamableClient liar(pair.proxy_port(), "/mcp", {{"Mcp-Method", "tools/list"}});
  liar.set_session(client.session());
  check_refusal(liar.post(tool_call("9", "echo")), 400, kMismatch, "9");
  HF_EQ(liar.post(rpc("tools/list", "10")).status, 200);
  check_refusal(liar.initialize("11"), 400, kMismatch, "11");
  HF_EQ(tool_text(client.call("echo", R"({"message":"m"})")), "m");
  HF_EQ(client.remove().status / 100, 2);
}

int main() {
  const CMUnitTest tests[] = {
      HF_UNIT(a_request_that_agrees_with_its_head_passes),
      HF_UNIT(one_that_does_not_agree_is_refused_and_never_run),
      HF_UNIT(it_is_the_servers_affair_where_the_check_is_off),
      HF_UNIT(a_name_that_comes_late_is_waited_for),
      HF_UNIT(a_body_in_pieces_is_judged_by_what_they_make_together),
      HF_UNIT(a_long_body_that_turns_out_to_be_another_is_not_completed),
      HF_UNIT(a_listen_that_lies_takes_no_slot),
      HF_UNIT(a_session_is_checked_where_its_client_brings_the_fields),
  };
  return HF_RUN(tests);
}
