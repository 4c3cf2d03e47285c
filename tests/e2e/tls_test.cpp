// TLS towards clients: everything that works in the clear works the same, the right certificate is
// shown, and what is not TLS, or not for us, is told so.
#include <openssl/ssl.h>

#include "tests/support/hf_test.h"
#include "tests/support/pair.h"
#include "tests/support/scripted_backend.h"

using namespace holdfast;
using namespace holdfast::test;

namespace {

constexpr size_t kMiB = size_t{1} << 20;
constexpr Millis kHandshakeDeadline{10'000};

const Authority &authority() {
  static const Authority made;
  return made;
}

PairOptions with_tls() {
  PairOptions options;
  options.authority = &authority();
  return options;
}

// Text that differs everywhere: a piece lost, doubled or moved shows.
std::string text_of(size_t bytes) {
  std::string text(bytes, '\0');
  uint32_t state = 2463534242;
  for (char &c : text) {
    state ^= state << 13;
    state ^= state >> 17;
    state ^= state << 5;
    c = static_cast<char>('a' + state % 26);
  }
  return text;
}

void check_stream_alive(Pair &pair, SseClient &stream) {
  (void)pair.backend().tell(
      "emit", R"({"message":{"jsonrpc":"2.0","method":"notifications/x","params":{}}})");
  HF_EQ(Json{stream.next().data}["method"].text(), "notifications/x");
}

// A second server on the same address, for b.example.
PairOptions with_two_names(const TempDir &files) {
  const Identity other = authority().issue({"DNS:b.example"});
  PairOptions options = with_tls();
  options.server = "server_name localhost 127.0.0.1;";
  options.proxy_main = "server { listen 127.0.0.1:0 ssl; server_name b.example; ssl_certificate " +
                       files.write("b.pem", other.certificate) + "; ssl_certificate_key " +
                       files.write("b.key", other.key) +
                       "; location / { return 200 \"from b\"; } }";
  return options;
}

}  // namespace

HF_TEST(a_session_and_its_stream_live_behind_tls) {
  for (const char *form : {"sse", "json"}) {
    PairOptions options = with_tls();
    options.backend_args = {"--answer", form};
    Pair pair(options);
    StreamableClient client(pair.proxy_port());
    client.open();
    SseClient stream = client.get();
    const std::string text = text_of(kMiB);
    HF_CHECK(tool_text(client.call("echo", R"({"message":")" + text + "\"}")) == text);
    check_stream_alive(pair, stream);
    pair.wait_sessions(1);
    HF_EQ(client.remove().status, 200);
    HF_CHECK(stream.wait_end() == BodyEnd::framed);
  }
}

HF_TEST(a_legacy_session_lives_behind_tls) {
  const Pair pair(with_tls());
  LegacyClient client(pair.proxy_port());
  HF_CHECK(client.endpoint().starts_with("/sse?sessionId="));
  client.open();
  const std::string text = text_of(kMiB / 2);
  HF_CHECK(tool_text(client.call("echo", R"({"message":")" + text + "\"}")) == text);
}

HF_TEST(heartbeats_cross_tls) {
  PairOptions options = with_tls();
  options.location = "sse_heartbeat 50ms;";
  const Pair pair(options);
  StreamableClient client(pair.proxy_port());
  client.open();
  SseClient stream = client.get();
  HF_CHECK(stream.next_frame().comment);
  HF_EQ(stream.next_frame().raw, ": ping\n\n");
}

HF_TEST(requests_that_come_together_are_answered_in_order) {
  const Pair pair(with_tls());
  Connection connection = Connection::tcp(pair.proxy_port());
  constexpr int kRequests = 300;
  std::string all;
  for (int i = 0; i < kRequests; ++i) {
    all += to_text({i % 2 == 0 ? "GET" : "PUT", "/health", {}, {}});
  }
  connection.send(all);
  for (int i = 0; i < kRequests; ++i) {
    ResponseReader reader(connection);
    const auto head = reader.read_head();
    HF_CHECK(head.has_value());
    HF_EQ(head->status, i % 2 == 0 ? 200 : 405);
    std::string body;
    while (reader.read_some(body)) {
    }
    HF_CHECK(reader.end() == BodyEnd::framed);
  }
}

HF_TEST(an_idle_connection_ends_with_close_notify) {
  PairOptions options = with_tls();
  options.server = "keepalive_timeout 100ms;";
  const Pair pair(options);
  Connection connection = Connection::tcp(pair.proxy_port());
  HF_EQ(exchange(connection, {"GET", "/health", {}, {}}).status, 200);
  HF_CHECK(connection.wait_end() == PeerEnd::fin);  // the tunnel makes RST of anything else
}

HF_TEST(the_backend_is_told_that_the_client_came_by_tls) {
  ScriptedBackend backend([](Peer &peer) {
    while (!peer.read_request().empty()) peer.answer(200, "text/plain", "x");
  });
  PairOptions options = with_tls();
  options.backend_port = backend.port();
  options.location = "proxy_set_header X-Scheme $scheme;";
  const Pair pair(options);
  HF_EQ(fetch(pair.proxy_port(), {"GET", "/a", {}, {}}).status, 200);
  HF_EQ(fetch(pair.proxy_port(), {"GET", "https://127.0.0.1/b", {}, {}}).status, 200);
  HF_EQ(fetch(pair.proxy_port(), {"GET", "http://127.0.0.1/c", {}, {}}).status, 421);
  const auto requests = backend.requests();
  HF_EQ(requests.size(), 2u);
  for (const std::string &request : requests) {
    HF_CHECK(request.find("X-Forwarded-Proto: https\r\n") != std::string::npos);
    HF_CHECK(request.find("X-Scheme: https\r\n") != std::string::npos);
  }
  HF_EQ(backend.failure(), "");
}

HF_TEST(only_modern_tls_and_only_http_1_1_are_spoken) {
  const Pair pair(with_tls());
  const TlsGreeting usual = tls_greet(pair.tls_port(), "localhost", "http/1.1");
  HF_EQ(usual.error, "");
  HF_EQ(usual.version, "TLSv1.3");
  HF_EQ(usual.alpn, "http/1.1");
  HF_EQ(tls_greet(pair.tls_port(), "localhost", {}, TLS1_2_VERSION).version, "TLSv1.2");
  HF_CHECK(!tls_greet(pair.tls_port(), "localhost", {}, TLS1_1_VERSION).ok);
  HF_EQ(tls_greet(pair.tls_port(), "localhost", "h2").error, "tlsv1 alert no application protocol");
}

HF_TEST(the_name_a_client_asks_for_chooses_the_certificate) {
  const TempDir files;
  const Pair pair(with_two_names(files));
  HF_EQ(tls_greet(pair.tls_port(), "b.example").common_name, "b.example");
  HF_EQ(tls_greet(pair.tls_port(), "localhost").common_name, "localhost");
  HF_EQ(tls_greet(pair.tls_port(), "unknown.example").common_name, "b.example");  // the first one
  HF_EQ(tls_greet(pair.tls_port(), "").common_name, "b.example");
}

HF_TEST(a_host_of_another_certificate_is_misdirected) {
  const TempDir files;
  const Pair pair(with_two_names(files));
  const auto by_b = TlsTunnel::client(pair.tls_port(), authority().pem(), "b.example");
  const Request for_b{"GET", "/x", {{"Host", "b.example"}}, {}};
  const Request for_localhost{"GET", "/health", {{"Host", "localhost"}}, {}};
  HF_EQ(fetch(by_b->port(), for_b).body, "from b");
  HF_EQ(fetch(by_b->port(), for_localhost).status, 421);
  HF_EQ(fetch(pair.proxy_port(), for_localhost).status, 200);
  HF_EQ(fetch(pair.proxy_port(), for_b).status, 421);
}

HF_TEST(a_reload_brings_the_new_certificate_and_keeps_connections) {
  Pair pair(with_tls());
  StreamableClient client(pair.proxy_port());
  client.open();
  SseClient stream = client.get();
  pair.write_identity(authority().issue({"DNS:renewed.example", "DNS:localhost"}));
  const Finished reload =
      run({program("holdfast-proxy"), {"-c", pair.proxy_conf_path(), "-s", "reload"}, {}, {}});
  HF_EQ(reload.exit, (Exit{false, 0}));
  HF_EQ(tls_greet(pair.tls_port(), "localhost").common_name, "renewed.example");
  check_stream_alive(pair, stream);
  HF_EQ(tool_text(client.call("echo", R"({"message":"again"})")), "again");
}

HF_TEST(a_bad_certificate_refuses_the_reload) {
  Pair pair(with_tls());
  Identity mixed = authority().issue({"DNS:localhost"});
  mixed.key = authority().issue({"DNS:localhost"}).key;
  pair.write_identity(mixed);
  pair.proxy().signal(SIGHUP);
  const std::string told = pair.proxy().wait_for_line("event=reload_refused");
  HF_CHECK(told.find("the key is not that of the certificate") != std::string::npos);
  HF_CHECK(told.find("proxy.conf:") != std::string::npos);
  HF_CHECK(told.find("PRIVATE KEY") == std::string::npos);
  HF_EQ(tls_greet(pair.tls_port(), "localhost").common_name, "localhost");
  const Finished test =
      run({program("holdfast-proxy"), {"-t", "-c", pair.proxy_conf_path()}, {}, {}});
  HF_EQ(test.exit, (Exit{false, 1}));
  HF_CHECK(test.err.find("the key is not that of the certificate") != std::string::npos);
}

HF_TEST(a_new_serving_process_shows_the_same_certificate) {
  Pair pair(with_tls());
  const size_t seen = pair.proxy().lines_count();
  const std::string serving = pair.proxy().wait_for_line("event=serving pid=");
  const auto pid = std::stoi(serving.substr(serving.find("pid=") + 4));
  HF_EQ(::kill(pid, SIGKILL), 0);
  (void)pair.proxy().wait_for_line("event=serving pid=", kSoon, seen);
  HF_EQ(tls_greet(pair.tls_port(), "localhost").common_name, "localhost");
}

HF_TEST(http_on_a_tls_port_is_told_so) {
  Pair pair(with_tls());
  const Response answer = fetch(pair.tls_port(), {"GET", "/health", {}, {}});
  HF_EQ(answer.status, 400);
  HF_EQ(answer.body, "The plain HTTP request was sent to HTTPS port\n");
  (void)pair.proxy().wait_for_line("event=tls_handshake_failed peer=127.0.0.1");
}

HF_TEST(garbage_on_a_tls_port_is_closed_and_counted) {
  Pair pair(with_tls());
  Connection connection = Connection::tcp(pair.tls_port());
  connection.send("\x01\x02\x03 what is this?\r\n\r\n");
  (void)connection.wait_end();
  HF_CHECK(connection.buffer().find("HTTP") == std::string::npos);
  (void)pair.proxy().wait_for_line("event=tls_handshake_failed peer=127.0.0.1");
  const auto counted = [&] {
    const Response metrics = fetch_unix(pair.dir().file("http.sock"), {"GET", "/metrics", {}, {}});
    return metrics.body.find("holdfast_tls_handshake_failures_total{} 1") != std::string::npos ||
           metrics.body.find("holdfast_tls_handshake_failures_total 1") != std::string::npos;
  };
  HF_CHECK(eventually(counted));
}

HF_TEST(a_handshake_that_stalls_is_closed_without_a_word) {
  const Pair pair(with_tls());
  Connection connection = Connection::tcp(pair.tls_port());
  connection.send(std::string("\x16\x03\x01\x02\x00\x01\x00", 7));  // a client hello's beginning
  HF_CHECK(!connection.readable(kHandshakeDeadline / 2));
  (void)connection.wait_end(kHandshakeDeadline);
  HF_EQ(connection.buffer(), "");
}

int main() {
  const CMUnitTest tests[] = {
      HF_UNIT(a_session_and_its_stream_live_behind_tls),
      HF_UNIT(a_legacy_session_lives_behind_tls),
      HF_UNIT(heartbeats_cross_tls),
      HF_UNIT(requests_that_come_together_are_answered_in_order),
      HF_UNIT(an_idle_connection_ends_with_close_notify),
      HF_UNIT(the_backend_is_told_that_the_client_came_by_tls),
      HF_UNIT(only_modern_tls_and_only_http_1_1_are_spoken),
      HF_UNIT(the_name_a_client_asks_for_chooses_the_certificate),
      HF_UNIT(a_host_of_another_certificate_is_misdirected),
      HF_UNIT(a_reload_brings_the_new_certificate_and_keeps_connections),
      HF_UNIT(a_bad_certificate_refuses_the_reload),
      HF_UNIT(a_new_serving_process_shows_the_same_certificate),
      HF_UNIT(http_on_a_tls_port_is_told_so),
      HF_UNIT(garbage_on_a_tls_port_is_closed_and_counted),
      HF_UNIT(a_handshake_that_stalls_is_closed_without_a_word),
  };
  return HF_RUN(tests);
}
