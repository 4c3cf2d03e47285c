// Expiry: never before the timeout, soon after it, in the right order; and what counts as activity
// and what does not.
#include "tests/support/hf_test.h"
#include "tests/support/pair.h"
#include "tests/support/scripted_backend.h"

using namespace holdfast;
using namespace holdfast::test;

namespace {

constexpr Millis kTimeout{400};
constexpr Millis kCleanup{50};
constexpr Millis kLatest = kTimeout + kCleanup + Millis{1000};  // the contract's bound

PairOptions expiring(std::string more = {}, const char *timeout = "400ms") {
  PairOptions options;
  options.sessiond = std::string("session_timeout ") + timeout +
                     "; session_cleanup_interval 50ms; persistent_mode off;" + std::move(more);
  return options;
}

// Where a session is kept alive by a client that acts every 100 ms: a busy machine may be late.
constexpr const char *kPatient = "1200ms";
constexpr Millis kLonger{2000};
constexpr Millis kLatestPatient = Millis{1200} + kCleanup + Millis{1000};

MonoTime now() { return SystemClock().now(); }

// Sends `body` every 100 ms until the session is gone; how long that took from the call on.
Millis lifetime_under(const StreamableClient &client, SseClient &stream, std::string_view body) {
  const MonoTime start = now();
  while (now() - start < Millis{5000}) {
    if (client.post(body).status == 404) return now() - start;
    (void)stream.poll(Millis{100});  // ignoring: a wait that ends early when the stream does
  }
  HF_FAIL("the session did not expire under " + std::string(body));
}

}  // namespace

HF_TEST(an_idle_session_ends_after_its_timeout_and_not_before) {
  Pair pair(expiring());
  StreamableClient client(pair.proxy_port());
  client.open();
  SseClient stream = client.get();
  // The answer's end is the last activity: measured from before it, the session may seem to live
  // longer but never shorter.
  const MonoTime before = now();
  (void)client.call("clock");
  const MonoTime after = now();
  HF_CHECK(stream.wait_end() == BodyEnd::framed);
  HF_CHECK(now() - before >= kTimeout);
  HF_CHECK(now() - after <= kLatest);
  check_refusal(client.post(tool_call("5", "clock")), 404, -32001, "5");
  check_refusal(client.remove(), 404, -32001, "null");
  HF_CHECK(client.get().head().status == 404);
  HF_CHECK(eventually([&] { return pair.backend().state()["ended"].size() == 1; }));
  HF_EQ(pair.backend().state()["ended"][size_t{0}]["how"].text(), "delete");
  pair.wait_sessions(0);
  const std::string handle = client.session().substr(0, 8);
  (void)pair.sessiond().wait_for_line("[SessionManager] session deleted {\"sessionId\":\"" +
                                      handle + "\",\"reason\":\"idle_timeout\"}");
  (void)pair.sessiond().wait_for_line(
      "[SessionManager] expired sessions cleaned {\"count\":1,\"persistent\":0}");
}

// A backend may not let its sessions be deleted, nor end their streams.
HF_TEST(a_stream_ends_with_its_session_whatever_the_backend_does) {
  ScriptedBackend backend([](Peer &peer) {
    for (std::string request = peer.read_request(); !request.empty();
         request = peer.read_request()) {
      if (request.starts_with("GET")) {
        peer.send("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n");
        (void)peer.wait_closed();
        return;
      }
      const bool deletes = request.starts_with("DELETE");
      peer.answer(deletes ? 405 : 200, "application/json",
                  R"({"jsonrpc":"2.0","id":0,"result":{}})", "Mcp-Session-Id: kept\r\n");
    }
  });
  PairOptions options = expiring();
  options.backend_port = backend.port();
  const Pair pair(options);
  StreamableClient client(pair.proxy_port());
  HF_EQ(client.initialize().status, 200);
  const MonoTime opened = now();
  SseClient stream = client.get();
  HF_CHECK(stream.streaming());
  HF_CHECK(stream.wait_end() == BodyEnd::framed);
  HF_CHECK(now() - opened <= kLatest);
  check_refusal(client.post(rpc("ping", "1")), 404, -32001, "1");
  HF_EQ(backend.failure(), "");
}

HF_TEST(a_legacy_session_expires_with_a_clean_end) {
  const Pair pair(expiring());
  LegacyClient client(pair.proxy_port());
  client.open();
  HF_CHECK(client.stream().wait_end() == BodyEnd::framed);
  check_refusal(client.post(tool_call("1", "clock")), 404, -32001, "1");
  HF_CHECK(eventually([&] { return backend_state(pair.backend_port())["streams"].size() == 0; }));
}

HF_TEST(tool_calls_keep_a_session) {
  const Pair pair(expiring("", kPatient));
  StreamableClient client(pair.proxy_port());
  client.open();
  SseClient stream = client.get();
  const MonoTime start = now();
  while (now() - start < kLonger) {
    HF_EQ(client.post(tool_call("1", "clock")).status, 200);
    HF_CHECK(!stream.poll(Millis{100}));
  }
  HF_CHECK(stream.wait_end() == BodyEnd::framed);
}

HF_TEST(ping_and_lists_do_not_keep_a_session) {
  const Pair pair(expiring());
  for (const char *method : {"ping", "tools/list"}) {
    StreamableClient client(pair.proxy_port());
    client.open();
    SseClient stream = client.get();
    const Millis lifetime = lifetime_under(client, stream, rpc(method, "1"));
    HF_CHECK(lifetime <= kLatest + Millis{200});  // and the pause between two looks
  }
}

HF_TEST(lists_count_where_every_request_does_but_ping_never) {
  const Pair pair(expiring("activity requests;", kPatient));
  StreamableClient client(pair.proxy_port());
  client.open();
  SseClient stream = client.get();
  const MonoTime start = now();
  while (now() - start < kLonger) {
    HF_EQ(client.post(rpc("tools/list", "1")).status, 200);
    HF_CHECK(!stream.poll(Millis{100}));
  }
  HF_CHECK(lifetime_under(client, stream, rpc("ping", "1")) <= kLatestPatient + Millis{200});
}

HF_TEST(comments_and_heartbeats_do_not_keep_a_session) {
  PairOptions options = expiring();
  options.backend_args = {"--keepalive-ms", "70"};
  options.location = "sse_heartbeat 50ms;";
  const Pair pair(options);
  StreamableClient client(pair.proxy_port());
  client.open();
  const MonoTime start = now();
  SseClient stream = client.get();
  HF_CHECK(stream.wait_end() == BodyEnd::framed);
  HF_CHECK(now() - start <= kLatest);
  HF_CHECK(stream.comments_count() > 2);
}

HF_TEST(events_keep_a_session_only_where_messages_count) {
  for (const bool counting : {false, true}) {
    Pair pair(expiring(counting ? "activity messages;" : "", kPatient));
    StreamableClient client(pair.proxy_port());
    client.open();
    SseClient stream = client.get();
    const MonoTime start = now();
    bool lives = true;
    while (lives && now() - start < kLatestPatient) {
      (void)pair.backend().tell(
          "emit", R"({"message":{"jsonrpc":"2.0","method":"notifications/message","params":{}}})");
      while (stream.poll(Millis{100})) {
      }
      lives = stream.end() == BodyEnd::open;
    }
    HF_EQ(lives, counting);
  }
}

HF_TEST(a_running_call_holds_its_session) {
  const Pair pair(expiring());
  StreamableClient client(pair.proxy_port());
  client.open();
  const Json answer = client.call("slow", R"({"steps":3,"interval_ms":500})");
  HF_EQ(tool_text(answer), "done after 3 steps");
  // Its end was activity: the session lives on for a whole timeout from there.
  HF_EQ(client.post(rpc("ping", "2")).status, 200);
  SseClient stream = client.get();
  HF_CHECK(stream.wait_end() == BodyEnd::framed);
}

HF_TEST(a_running_legacy_call_holds_its_session) {
  // The call itself does not count here; begun late in the idle time, it runs beyond the timeout.
  const Pair pair(expiring("activity prompts/get;"));
  LegacyClient client(pair.proxy_port());
  client.open();
  HF_CHECK(!client.stream().poll(kTimeout / 2));
  HF_EQ(client.post(tool_call("1", "slow", R"({"steps":3,"interval_ms":100})")).status, 202);
  HF_EQ(tool_text(client.receive()), "done after 3 steps");
  HF_CHECK(client.stream().wait_end() == BodyEnd::framed);
}

HF_TEST(an_open_stream_keeps_a_session_only_where_told_so) {
  const Pair pair(expiring("stream_keeps_alive on;"));
  StreamableClient client(pair.proxy_port());
  client.open();
  SseClient stream = client.get();
  HF_CHECK(!stream.poll(3 * kTimeout));
  HF_CHECK(stream.connection().end() == PeerEnd::open);
  pair.wait_sessions(1);
  stream.close();
  pair.wait_sessions(0);
}

int main() {
  const CMUnitTest tests[] = {
      HF_UNIT(an_idle_session_ends_after_its_timeout_and_not_before),
      HF_UNIT(a_stream_ends_with_its_session_whatever_the_backend_does),
      HF_UNIT(a_legacy_session_expires_with_a_clean_end),
      HF_UNIT(tool_calls_keep_a_session),
      HF_UNIT(ping_and_lists_do_not_keep_a_session),
      HF_UNIT(lists_count_where_every_request_does_but_ping_never),
      HF_UNIT(comments_and_heartbeats_do_not_keep_a_session),
      HF_UNIT(events_keep_a_session_only_where_messages_count),
      HF_UNIT(a_running_call_holds_its_session),
      HF_UNIT(a_running_legacy_call_holds_its_session),
      HF_UNIT(an_open_stream_keeps_a_session_only_where_told_so),
  };
  return HF_RUN(tests);
}
