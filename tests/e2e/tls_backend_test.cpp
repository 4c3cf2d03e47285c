// TLS towards backends: everything works the same, only the right server is believed, and whoever
// asks the log learns why one was not.
#include <atomic>

#include "tests/support/hf_test.h"
#include "tests/support/pair.h"
#include "tests/support/scripted_backend.h"

using namespace holdfast;
using namespace holdfast::test;

namespace {

constexpr size_t kMiB = size_t{1} << 20;
constexpr const char *kAnswer =
    "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n\r\nhello";

const Authority &authority() {
  static const Authority made;
  return made;
}

// A pair whose backends are reached by TLS at `port` and must be a.example, of `trusted`.
PairOptions over_tls(const TempDir &files, uint16_t port, const std::string &location = {},
                     const Authority &trusted = authority()) {
  PairOptions options;
  options.backend_port = port;
  options.backend_scheme = "https";
  options.location = "proxy_ssl_name a.example; proxy_ssl_trusted_certificate " +
                     files.write("ca.pem", trusted.pem()) + "; " + location;
  return options;
}

// A backend that answers every request the same.
ScriptedBackend::Script always(std::string answer) {
  return [answer = std::move(answer)](Peer &peer) {
    while (!peer.read_request().empty() && peer.send(answer)) {
    }
  };
}

// Checks that a request meets 502 and that the log says why.
void check_refused(Pair &pair, const std::string &why) {
  const Response answer = fetch(pair.proxy_port(), {"GET", "/x", {}, {}});
  HF_EQ(answer.status, 502);
  HF_CHECK(answer.body.find("no trusted TLS connection to the backend") != std::string::npos);
  const std::string line = pair.proxy().wait_for_line("fault=tls_failed");
  if (line.find(why) == std::string::npos) HF_FAIL(line);
  HF_CHECK(line.find("backend=https://backend/127.0.0.1:") != std::string::npos);
}

}  // namespace

HF_TEST(sessions_streams_and_big_bodies_cross_tls_to_the_backend) {
  const TempDir files;
  const DemoBackend backend;
  const auto tunnel = TlsTunnel::server(backend.port(), authority().issue({"DNS:a.example"}));
  PairOptions options = over_tls(files, tunnel->port());
  options.authority = &authority();  // and from the client, too
  const Pair pair(options);
  StreamableClient client(pair.proxy_port());
  client.open();
  SseClient stream = client.get();
  const std::string text(kMiB, 'x');
  HF_CHECK(tool_text(client.call("echo", R"({"message":")" + text + "\"}")) == text);
  (void)backend.tell("emit",
                     R"({"message":{"jsonrpc":"2.0","method":"notifications/x","params":{}}})");
  HF_EQ(Json{stream.next().data}["method"].text(), "notifications/x");
  HF_EQ(tunnel->last_server_name(), "a.example");
  LegacyClient legacy(pair.proxy_port());
  legacy.open();
  HF_EQ(tool_text(legacy.call("echo", R"({"message":"old"})")), "old");
  HF_EQ(client.remove().status, 200);
  HF_CHECK(stream.wait_end() == BodyEnd::framed);
}

HF_TEST(connections_are_kept_and_later_ones_resume) {
  const TempDir files;
  std::atomic<int> answered{0};
  ScriptedBackend backend([&answered](Peer &peer) {
    while (!peer.read_request().empty()) {
      const bool last = ++answered == 6;
      const std::string ending = last ? "Connection: close\r\n\r\nhello" : "\r\nhello";
      (void)peer.send("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n" + ending);
      if (last) return;
    }
  });
  const auto tunnel = TlsTunnel::server(backend.port(), authority().issue({"DNS:a.example"}));
  const Pair pair(over_tls(files, tunnel->port()));
  Connection connection = Connection::tcp(pair.proxy_port());
  for (int i = 0; i < 5; ++i) HF_EQ(exchange(connection, {"GET", "/x", {}, {}}).body, "hello");
  HF_EQ(tunnel->connections_count(), 1u);
  HF_EQ(exchange(connection, {"GET", "/x", {}, {}}).body, "hello");
  HF_EQ(exchange(connection, {"GET", "/x", {}, {}}).body, "hello");
  HF_EQ(tunnel->connections_count(), 2u);
  HF_EQ(tunnel->resumed_count(), 1u);
  HF_EQ(backend.failure(), "");
}

HF_TEST(a_certificate_for_another_name_is_refused) {
  const TempDir files;
  ScriptedBackend backend(always(kAnswer));
  const auto tunnel = TlsTunnel::server(backend.port(), authority().issue({"DNS:b.example"}));
  Pair pair(over_tls(files, tunnel->port()));
  check_refused(pair, "certificate verify failed: hostname mismatch");
  HF_EQ(backend.requests().size(), 0u);
}

HF_TEST(an_expired_certificate_is_refused) {
  const TempDir files;
  ScriptedBackend backend(always(kAnswer));
  const auto tunnel = TlsTunnel::server(
      backend.port(), authority().issue({"DNS:a.example"}, std::chrono::seconds{-60}));
  Pair pair(over_tls(files, tunnel->port()));
  check_refused(pair, "certificate verify failed: certificate has expired");
}

HF_TEST(a_certificate_of_somebody_else_is_refused) {
  const TempDir files;
  const Authority somebody("Somebody else");
  ScriptedBackend backend(always(kAnswer));
  const auto tunnel = TlsTunnel::server(backend.port(), somebody.issue({"DNS:a.example"}));
  Pair pair(over_tls(files, tunnel->port()));
  check_refused(pair, "certificate verify failed: unable to get local issuer certificate");
}

HF_TEST(a_backend_that_speaks_no_tls_is_refused) {
  const TempDir files;
  ScriptedBackend backend([](Peer &peer) { (void)peer.send(kAnswer); });
  Pair pair(over_tls(files, backend.port()));
  check_refused(pair, "detail=");
}

HF_TEST(verification_can_be_switched_off) {
  const TempDir files;
  ScriptedBackend backend(always(kAnswer));
  const auto tunnel =
      TlsTunnel::server(backend.port(), Authority("Somebody else").issue({"DNS:c.example"}));
  const Pair pair(
      over_tls(files, tunnel->port(), "proxy_ssl_verify off; proxy_ssl_server_name off;"));
  HF_EQ(fetch(pair.proxy_port(), {"GET", "/x", {}, {}}).body, "hello");
  HF_EQ(tunnel->last_server_name(), "");
}

HF_TEST(the_address_itself_is_verified_where_no_name_is_given) {
  const TempDir files;
  ScriptedBackend backend(always(kAnswer));
  const auto tunnel = TlsTunnel::server(backend.port(), authority().issue({"IP:127.0.0.1"}));
  PairOptions options = over_tls(files, tunnel->port());
  options.location = "proxy_ssl_trusted_certificate " + files.file("ca.pem") + ";";
  const Pair pair(options);
  HF_EQ(fetch(pair.proxy_port(), {"GET", "/x", {}, {}}).body, "hello");
  HF_EQ(tunnel->last_server_name(), "");  // an address is no name to ask for
}

HF_TEST(backends_that_ask_for_a_certificate_get_ours) {
  const TempDir files;
  ScriptedBackend backend(always(kAnswer));
  const auto tunnel =
      TlsTunnel::server(backend.port(), authority().issue({"DNS:a.example"}), authority().pem());
  const Identity ours = authority().issue({"DNS:proxy.example"});
  const Pair with(over_tls(files, tunnel->port(),
                           "proxy_ssl_certificate " + files.write("own.pem", ours.certificate) +
                               "; proxy_ssl_certificate_key " + files.write("own.key", ours.key) +
                               ";"));
  HF_EQ(fetch(with.proxy_port(), {"GET", "/x", {}, {}}).body, "hello");
  const Pair without(over_tls(files, tunnel->port()));
  HF_EQ(fetch(without.proxy_port(), {"GET", "/x", {}, {}}).status, 502);
}

HF_TEST(an_answer_cut_without_close_notify_never_looks_complete) {
  const TempDir files;
  // Until the connection closes: only close_notify tells the whole from a part.
  const std::string unframed = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\nhalf of";
  Gate seen;
  ScriptedBackend backend([&](Peer &peer) {
    const std::string request = peer.read_request();
    (void)peer.send(unframed);
    if (request.starts_with("GET /whole")) {
      peer.close();
    } else if (seen.wait()) {
      peer.reset();  // the tunnel passes it on: no close_notify
    }
  });
  const auto tunnel = TlsTunnel::server(backend.port(), authority().issue({"DNS:a.example"}));
  const Pair pair(over_tls(files, tunnel->port()));
  const Response whole = fetch(pair.proxy_port(), {"GET", "/whole", {}, {}});
  HF_EQ(whole.body, "half of");
  HF_CHECK(whole.end == BodyEnd::framed);
  Connection connection = Connection::tcp(pair.proxy_port());
  connection.send(to_text({"GET", "/cut", {}, {}}));
  ResponseReader reader(connection);
  HF_EQ(reader.read_head()->status, 200);
  std::string body;
  while (body.size() < 7 && reader.read_some(body)) {
  }
  HF_EQ(body, "half of");
  seen.open();
  HF_CHECK(!reader.read_some(body));
  HF_CHECK(reader.end() == BodyEnd::cut);
  HF_EQ(backend.failure(), "");
}

HF_TEST(a_handshake_that_stalls_meets_the_connect_deadline) {
  const TempDir files;
  ScriptedBackend backend([](Peer &peer) { (void)peer.wait_closed(); });
  const Pair pair(over_tls(files, backend.port(), "proxy_connect_timeout 300ms;"));
  HF_EQ(fetch(pair.proxy_port(), {"GET", "/x", {}, {}}).status, 504);
  HF_EQ(backend.failure(), "");
}

HF_TEST(another_server_is_tried_where_tls_fails) {
  const TempDir files;
  ScriptedBackend backend(always(kAnswer));
  const auto good = TlsTunnel::server(backend.port(), authority().issue({"DNS:a.example"}));
  const auto bad = TlsTunnel::server(backend.port(), authority().issue({"DNS:b.example"}));
  PairOptions options = over_tls(files, bad->port());
  options.proxy_main = "upstream two { server 127.0.0.1:" + std::to_string(bad->port()) +
                       "; server 127.0.0.1:" + std::to_string(good->port()) + " backup; }";
  options.locations =
      "location /two { proxy_pass https://two; proxy_ssl_name a.example; "
      "proxy_ssl_trusted_certificate " +
      files.file("ca.pem") + "; }";
  const Pair pair(options);
  HF_EQ(fetch(pair.proxy_port(), {"GET", "/two", {}, {}}).body, "hello");
  // Also what may not run twice: nothing of it had been sent.
  HF_EQ(fetch(pair.proxy_port(), {"POST", "/two", {}, "{}"}).body, "hello");
}

HF_TEST(a_reload_with_a_new_authority_counts_at_once) {
  const TempDir files;
  ScriptedBackend backend(always(kAnswer));
  const auto tunnel = TlsTunnel::server(backend.port(), authority().issue({"DNS:a.example"}));
  Pair pair(over_tls(files, tunnel->port()));
  HF_EQ(fetch(pair.proxy_port(), {"GET", "/x", {}, {}}).body, "hello");
  (void)files.write("ca.pem", Authority("The next one").pem());
  const Finished reload =
      run({program("holdfast-proxy"), {"-c", pair.proxy_conf_path(), "-s", "reload"}, {}, {}});
  HF_EQ(reload.exit, (Exit{false, 0}));
  HF_CHECK(eventually([&] {  // each worker takes it up by itself
    return fetch(pair.proxy_port(), {"GET", "/x", {}, {}}).status == 502;
  }));
  check_refused(pair, "unable to get local issuer certificate");
}

HF_TEST(a_session_survives_a_reload_and_its_backends_new_certificate) {
  const TempDir files;
  const DemoBackend backend;
  const auto tunnel = TlsTunnel::server(backend.port(), authority().issue({"DNS:a.example"}));
  Pair pair(over_tls(files, tunnel->port()));
  StreamableClient client(pair.proxy_port());
  client.open();
  (void)files.write("ca.pem", Authority("One more").pem() + authority().pem());
  const Finished reload =
      run({program("holdfast-proxy"), {"-c", pair.proxy_conf_path(), "-s", "reload"}, {}, {}});
  HF_EQ(reload.exit, (Exit{false, 0}));
  HF_EQ(tool_text(client.call("echo", R"({"message":"again"})")), "again");
}

int main() {
  const CMUnitTest tests[] = {
      HF_UNIT(sessions_streams_and_big_bodies_cross_tls_to_the_backend),
      HF_UNIT(connections_are_kept_and_later_ones_resume),
      HF_UNIT(a_certificate_for_another_name_is_refused),
      HF_UNIT(an_expired_certificate_is_refused),
      HF_UNIT(a_certificate_of_somebody_else_is_refused),
      HF_UNIT(a_backend_that_speaks_no_tls_is_refused),
      HF_UNIT(verification_can_be_switched_off),
      HF_UNIT(the_address_itself_is_verified_where_no_name_is_given),
      HF_UNIT(backends_that_ask_for_a_certificate_get_ours),
      HF_UNIT(an_answer_cut_without_close_notify_never_looks_complete),
      HF_UNIT(a_handshake_that_stalls_meets_the_connect_deadline),
      HF_UNIT(another_server_is_tried_where_tls_fails),
      HF_UNIT(a_reload_with_a_new_authority_counts_at_once),
      HF_UNIT(a_session_survives_a_reload_and_its_backends_new_certificate),
  };
  return HF_RUN(tests);
}
