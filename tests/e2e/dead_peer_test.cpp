// Clients whose host is gone without a word: their streams end within a stated time, a persistent
// session stays, and nobody who is merely silent or slow is taken for one of them. The hosts are
// network namespaces of this test's own; without the right to make them it is skipped.
#include "tests/support/hf_test.h"
#include "tests/support/pair.h"
#include "tests/support/two_hosts.h"

using namespace holdfast;
using namespace holdfast::test;
using std::chrono::seconds;

namespace {

constexpr uint16_t kPort = 18080;  // the near host is the test's own: nobody else listens there
constexpr Millis kPatience = seconds{20};

std::optional<TwoHosts> hosts;  // set once, before anything else

Headers joined(Headers first, const Headers &second) {
  first.insert(first.end(), second.begin(), second.end());
  return first;
}

PairOptions reachable(const std::string &location, const std::string &listen = {}) {
  hosts->mend();  // where a test that failed has left it cut
  PairOptions options;
  options.server = "listen 10.77.0.1:" + std::to_string(kPort) + " " + listen + ";";
  options.location = location;
  return options;
}

// The session's GET stream, from the far host.
SseClient far_get(const StreamableClient &client) {
  Headers headers = joined({{"Accept", "text/event-stream"}}, client.headers());
  return {hosts->dial(kPort), {"GET", "/mcp", headers, {}}};
}

void emit(Pair &pair, const std::string &text) {
  const std::string params = R"({"text":")" + text + "\"}";
  (void)pair.backend().tell(
      "emit",
      R"({"message":{"jsonrpc":"2.0","method":"notifications/x","params":)" + params + "}}");
}

size_t backend_streams(Pair &pair) { return pair.backend().state()["streams"].size(); }

// Lets time pass that the proxy itself measures: so many heartbeats of 100 ms on a stream of its
// own.
void wait_heartbeats(uint16_t port, int count) {
  StreamableClient client(port);
  client.open();
  SseClient stream = client.get();
  for (int i = 0; i < count; ++i) HF_CHECK(stream.next_frame(kPatience).comment);
  HF_EQ(client.remove().status / 100, 2);
}

}  // namespace

HF_TEST(the_stream_of_a_vanished_client_ends_and_its_persistent_session_stays) {
  Pair pair(reachable("sse_heartbeat 100ms; dead_peer_timeout 1s;"));
  StreamableClient client(pair.proxy_port());
  client.open();
  SseClient stream = far_get(client);
  HF_CHECK(stream.next_frame().comment);
  hosts->cut();
  const SystemClock clock;
  const MonoTime cut = clock.now();
  (void)pair.proxy().wait_for_line("kind=get reason=client_vanished", kPatience);
  HF_CHECK(clock.now() - cut >= seconds{1});
  HF_CHECK(eventually([&] { return backend_streams(pair) == 0; }));
  pair.wait_sessions(1);
  // The client is back, on another connection.
  hosts->mend();
  SseClient again = far_get(client);
  emit(pair, "welcome back");
  HF_EQ(Json{again.next().data}["params"]["text"].text(), "welcome back");
}

HF_TEST(a_legacy_session_ends_with_its_vanished_client) {
  Pair pair(reachable("sse_heartbeat 100ms; dead_peer_timeout 1s; legacy_sse off;"));
  SseClient stream(hosts->dial(kPort), {"GET", "/sse", {{"Accept", "text/event-stream"}}, {}});
  HF_EQ(stream.next().name, "endpoint");
  pair.wait_sessions(1);
  hosts->cut();
  (void)pair.proxy().wait_for_line("kind=legacy reason=client_vanished", kPatience);
  pair.wait_sessions(0);
  (void)pair.sessiond().wait_for_line("\"reason\":\"client_gone\"");
  hosts->mend();
}

// Its backend is let go as well, and its slot: leaving is the only way this era cancels.
HF_TEST(a_listen_ends_with_its_vanished_client) {
  Pair pair(reachable("sse_heartbeat 100ms; dead_peer_timeout 1s;"));
  SseClient stream(hosts->dial(kPort), modern_request("subscriptions/listen", "1"));
  (void)stream.next();
  pair.wait_sessions(1);
  hosts->cut();
  (void)pair.proxy().wait_for_line("kind=listen reason=client_vanished", kPatience);
  pair.wait_sessions(0);
  (void)pair.sessiond().wait_for_line("\"reason\":\"client_gone\"");
  HF_CHECK(eventually([&] { return backend_streams(pair) == 0; }));
  hosts->mend();
}

// Nothing is sent on it, so only TCP itself asks whether anybody is there.
HF_TEST(keepalive_finds_who_vanished_from_a_silent_stream) {
  Pair pair(reachable("sse_heartbeat off;", "so_keepalive=1s:1s:2"));
  StreamableClient client(pair.proxy_port());
  client.open();
  SseClient stream = far_get(client);
  HF_CHECK(stream.streaming());
  hosts->cut();
  (void)pair.proxy().wait_for_line("kind=get reason=client_vanished", kPatience);
  pair.wait_sessions(1);
  hosts->mend();
}

HF_TEST(tcp_s_own_limit_ends_a_stream_too_where_it_is_set) {
  Pair pair(reachable("sse_heartbeat 100ms; dead_peer_timeout off;", "tcp_user_timeout=1s"));
  StreamableClient client(pair.proxy_port());
  client.open();
  SseClient stream = far_get(client);
  HF_CHECK(stream.streaming());
  hosts->cut();
  (void)pair.proxy().wait_for_line("kind=get reason=client_vanished", kPatience);
  hosts->mend();
}

HF_TEST(a_shorter_absence_is_not_noticed) {
  Pair pair(reachable("sse_heartbeat 100ms; dead_peer_timeout 4s;"));
  StreamableClient client(pair.proxy_port());
  client.open();
  SseClient stream = far_get(client);
  HF_CHECK(stream.next_frame().comment);
  hosts->cut();
  wait_heartbeats(pair.proxy_port(), 10);
  hosts->mend();
  emit(pair, "still here");
  HF_EQ(Json{stream.next(kPatience).data}["params"]["text"].text(), "still here");
  HF_EQ(pair.proxy().count_lines("client_vanished"), 0U);
}

// A client that reads nothing of so many events of 1 KB, while the proxy's clock goes on for four
// seconds.
SseClient unread(Pair &pair, StreamableClient &client, int events) {
  client.open();
  const std::string id = pair.backend().state()["sessions"][size_t{0}]["id"].text();
  Connection connection = hosts->dial(kPort);
  connection.set_receive_window(4096);
  const Headers headers = joined({{"Accept", "text/event-stream"}}, client.headers());
  SseClient stream(std::move(connection), {"GET", "/mcp", headers, {}});
  HF_CHECK(stream.streaming());
  std::string all;
  for (int i = 0; i < events; ++i) all += "data: " + std::string(1024, 'x') + "\\n\\n";
  (void)pair.backend().tell("emit", R"({"session":")" + id + R"(","raw":")" + all + "\"}");
  wait_heartbeats(pair.proxy_port(), 40);
  return stream;
}

// Its window is closed, so nothing it is sent gets through, as with one that is gone; but its
// kernel answers. First as much as the proxy's kernel holds for it, then more.
HF_TEST(a_client_that_does_not_read_is_not_taken_for_one_that_is_gone) {
  Pair pair(reachable("sse_heartbeat 100ms; dead_peer_timeout 1s;"));
  for (const int events : {40, 4000}) {
    StreamableClient client(pair.proxy_port());
    SseClient stream = unread(pair, client, events);
    for (int i = 0; i < events; ++i) HF_EQ(stream.next(kPatience).data.size(), 1024U);
    HF_CHECK(stream.end() == BodyEnd::open);
    HF_EQ(client.remove().status / 100, 2);
  }
  HF_EQ(pair.proxy().count_lines("client_vanished"), 0U);
}

// Why that limit is not set by itself, and a control of the test above.
HF_TEST(tcp_s_own_limit_cannot_tell_them_apart) {
  Pair pair(reachable("sse_heartbeat 100ms; dead_peer_timeout off;", "tcp_user_timeout=1s"));
  StreamableClient client(pair.proxy_port());
  const SseClient stream = unread(pair, client, 40);
  (void)pair.proxy().wait_for_line("kind=get reason=client_vanished", kPatience);
}

int main() {
  hosts = TwoHosts::enter();
  if (!hosts) return 77;
  const CMUnitTest tests[] = {
      HF_UNIT(the_stream_of_a_vanished_client_ends_and_its_persistent_session_stays),
      HF_UNIT(a_legacy_session_ends_with_its_vanished_client),
      HF_UNIT(a_listen_ends_with_its_vanished_client),
      HF_UNIT(keepalive_finds_who_vanished_from_a_silent_stream),
      HF_UNIT(tcp_s_own_limit_ends_a_stream_too_where_it_is_set),
      HF_UNIT(a_shorter_absence_is_not_noticed),
      HF_UNIT(a_client_that_does_not_read_is_not_taken_for_one_that_is_gone),
      HF_UNIT(tcp_s_own_limit_cannot_tell_them_apart),
  };
  return HF_RUN(tests);
}
