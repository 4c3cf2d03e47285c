// Expect: 100-continue (RFC 9110 10.1.1): whoever asks before sending a body is invited only when
// the head alone speaks for it; what will be refused is refused at once.
#include "tests/support/hf_test.h"
#include "tests/support/pair.h"
#include "tests/support/scripted_backend.h"

using namespace holdfast;
using namespace holdfast::test;

namespace {

std::string head(std::string_view fields, std::string_view version = "1.1",
                 std::string_view path = "/mcp") {
  return "POST " + std::string(path) + " HTTP/" + std::string(version) +
         "\r\nHost: localhost\r\nContent-Type: application/json\r\n"
         "Accept: application/json, text/event-stream\r\nContent-Length: 40\r\n"
         "Expect: 100-continue\r\n" +
         std::string(fields) + "\r\n";
}

// The first line that comes back, as it is.
std::string first_line(Connection &client) {
  while (client.buffer().find("\r\n") == std::string::npos) {
    if (!client.fill()) return {};
  }
  return client.buffer().substr(0, client.buffer().find("\r\n"));
}

}  // namespace

HF_TEST(an_acceptable_head_is_invited_and_then_served) {
  const Pair pair;
  Connection client = Connection::tcp(pair.proxy_port());
  const Request request = modern_request("tools/list", "1");
  std::string text = to_text(request);
  const size_t blank = text.find("\r\n\r\n");
  text.insert(blank + 2, "Expect: 100-continue\r\n");
  client.send(text.substr(0, text.find("\r\n\r\n") + 4));
  HF_EQ(first_line(client), "HTTP/1.1 100 Continue");
  client.send(request.body);
  ResponseReader reader(client);
  HF_EQ(reader.read_head().value().status, 200);
}

HF_TEST(who_sends_the_body_at_once_needs_no_invitation) {
  const Pair pair;
  Connection client = Connection::tcp(pair.proxy_port());
  Request request = modern_request("tools/list", "1");
  request.headers.emplace_back("Expect", "100-continue");
  client.send(to_text(request));
  HF_EQ(first_line(client), "HTTP/1.1 200 OK");
}

HF_TEST(what_will_be_refused_is_refused_instead_of_invited) {
  PairOptions options;
  options.locations =
      "location = /status { holdfast_status; } location = /gone { return 404 gone; }\n"
      "location /small { proxy_pass http://backend; client_max_body_size 10; }\n"
      "location /named { proxy_pass http://backend; session_user header X-User; }";
  const Pair pair(options);
  StreamableClient client(pair.proxy_port());
  client.open();  // sessiond has handed back what it had: an unknown session is unknown
  struct Case {
    const char *name;
    std::string bytes;
    const char *status;
  };
  std::string put = head("", "1.1", "/status");
  put.replace(0, 4, "PUT");
  const std::vector<Case> cases{
      {"an unknown session", head("Mcp-Session-Id: unknown\r\n"), "HTTP/1.1 404 "},
      {"an unknown legacy session", head("", "1.1", "/messages?sessionId=unknown"),
       "HTTP/1.1 404 "},
      {"another Host", head("Origin: http://evil.example\r\n"), "HTTP/1.1 403 "},
      {"too large", head("", "1.1", "/small"), "HTTP/1.1 413 "},
      {"no such method here", put, "HTTP/1.1 405 "},
      {"a fixed answer", head("", "1.1", "/gone"), "HTTP/1.1 404 "},
      {"a malformed user", head("X-User: a\r\nX-User: b\r\n", "1.1", "/named"), "HTTP/1.1 400 "},
  };
  std::string wrong;
  for (const Case &c : cases) {
    Connection asker = Connection::tcp(pair.proxy_port());
    asker.send(c.bytes);
    const std::string line = first_line(asker);
    if (!line.starts_with(c.status)) {
      wrong += std::string(c.name) + ": " + line + "\n";
      continue;
    }
    if (asker.wait_end() != PeerEnd::fin) wrong += std::string(c.name) + ": no end\n";
  }
  HF_EQ(wrong, "");
}

HF_TEST(http_1_0_is_never_invited) {
  ScriptedBackend backend([](Peer &peer) {
    if (!peer.read_request().empty()) peer.answer(200, "text/plain", "served");
  });
  PairOptions options;
  options.backend_port = backend.port();
  const Pair pair(options);
  Connection client = Connection::tcp(pair.proxy_port());
  client.send(head("", "1.0"));
  HF_CHECK(!client.readable(Millis{200}));
  client.send(R"({"jsonrpc":"2.0","id":1,"method":"x/y" })");
  HF_CHECK(first_line(client).starts_with("HTTP/1.1 200"));
}

int main() {
  const CMUnitTest tests[] = {
      HF_UNIT(an_acceptable_head_is_invited_and_then_served),
      HF_UNIT(who_sends_the_body_at_once_needs_no_invitation),
      HF_UNIT(what_will_be_refused_is_refused_instead_of_invited),
      HF_UNIT(http_1_0_is_never_invited),
  };
  return HF_RUN(tests);
}
