// What a backend's 404 says of a session: that it is gone, unless it is an unknown method's.
#include "tests/support/gate.h"
#include "tests/support/hf_test.h"
#include "tests/support/pair.h"
#include "tests/support/scripted_backend.h"

using namespace holdfast;
using namespace holdfast::test;

namespace {

constexpr const char *kOpened =
    R"({"jsonrpc":"2.0","id":0,"result":{"protocolVersion":"2025-11-25","capabilities":{}}})";
constexpr const char *kNoMethod =
    R"({"jsonrpc":"2.0","id":5,"error":{"code":-32601,"message":"Method not found"}})";
constexpr const char *kRecovery[] = {"session_recovery off;", "session_recovery on;"};

bool has(const std::string &text, const char *part) { return text.find(part) != text.npos; }

// A server of one session that does what `other` says with everything but initialize and
// notifications.
class Server {
 public:
  explicit Server(ScriptedBackend::Script other)
      : other_(std::move(other)), backend_([this](Peer &peer) { serve(peer); }) {}

  Pair pair(const std::string &location) const {
    PairOptions options;
    options.backend_port = backend_.port();
    options.location = location;
    return Pair(options);
  }
  size_t seen(const char *part) const {
    size_t count = 0;
    for (const std::string &request : backend_.requests()) count += has(request, part) ? 1 : 0;
    return count;
  }
  std::string failure() const { return backend_.failure(); }

 private:
  void serve(Peer &peer) {
    for (std::string request; !(request = peer.read_request()).empty();) {
      if (has(request, "\"initialize\"")) {
        peer.answer(200, "application/json", kOpened, "Mcp-Session-Id: b-1\r\n");
      } else if (has(request, "notifications/")) {
        peer.answer(202, "", "");
      } else {
        other_(peer);
      }
    }
  }

  ScriptedBackend::Script other_;
  ScriptedBackend backend_;
};

StreamableClient open_client(const Pair &pair) {
  StreamableClient client(pair.proxy_port());
  client.open();
  return client;
}

}  // namespace

HF_TEST(an_unknown_methods_404_passes_and_the_session_stays) {
  for (const char *recovery : kRecovery) {
    const Server server([](Peer &peer) { peer.answer(404, "application/json", kNoMethod); });
    Pair pair = server.pair(recovery);
    const StreamableClient client = open_client(pair);
    // A long request is not kept to be sent again.
    for (const size_t bytes : {size_t{1}, size_t{100'000}}) {
      const Response answer =
          client.post(rpc("x/y", "5", R"({"a":")" + std::string(bytes, 'a') + "\"}"));
      HF_EQ(answer.status, 404);
      HF_EQ(answer.body, kNoMethod);
      HF_CHECK(answer.end == BodyEnd::framed);
    }
    HF_EQ(client.post(rpc("notifications/z")).status, 202);
    pair.wait_sessions(1);
    HF_EQ(server.seen("\"initialize\""), size_t{1});
    HF_EQ(server.seen("x/y"), size_t{2});
    HF_EQ(server.failure(), "");
  }
}

HF_TEST(so_does_one_that_comes_in_pieces) {
  for (const char *recovery : kRecovery) {
    const Server server([](Peer &peer) {
      const std::string text(kNoMethod);
      peer.send(
          "HTTP/1.1 404 Not Found\r\nContent-Type: application/json\r\n"
          "Transfer-Encoding: chunked\r\n\r\n");
      for (const char c : text) peer.send(std::string("1\r\n") + c + "\r\n");
      peer.send("0\r\n\r\n");
    });
    Pair pair = server.pair(recovery);
    const StreamableClient client = open_client(pair);
    const Response answer = client.post(rpc("x/y", "5"));
    HF_EQ(answer.body, kNoMethod);
    HF_EQ(client.post(rpc("notifications/z")).status, 202);
    HF_EQ(server.failure(), "");
  }
}

HF_TEST(any_other_404_ends_the_session_and_passes_as_it_is) {
  const std::string page(100'000, 'x');
  for (const std::string &body :
       {std::string(), std::string("<html>"), page,
        std::string(R"({"jsonrpc":"2.0","error":{"code":-32001,"message":"gone"},"id":null})")}) {
    const Server server([&body](Peer &peer) { peer.answer(404, "text/html", body); });
    Pair pair = server.pair("");
    const StreamableClient client = open_client(pair);
    const Response answer = client.post(rpc("x/y", "5"));
    HF_EQ(answer.status, 404);
    HF_EQ(answer.body, body);
    HF_CHECK(!answer.header("Holdfast-Session-Ttl"));
    (void)pair.sessiond().wait_for_line("\"reason\":\"backend_ended\"");
    check_refusal(client.post(rpc("ping", "6")), 404, -32001, "6");
    HF_EQ(server.failure(), "");
  }
}

HF_TEST(a_call_that_was_answered_early_keeps_its_session_too) {
  for (const char *recovery : kRecovery) {
    Gate late;
    const Server server([&late](Peer &peer) {
      HF_CHECK(late.wait());
      peer.answer(404, "application/json", kNoMethod);
    });
    Pair pair = server.pair(std::string("early_stream 20ms; ") + recovery);
    const StreamableClient client = open_client(pair);
    SseClient stream = client.stream_post(rpc("x/y", "5"));
    HF_CHECK(stream.streaming());
    late.open();
    const Json told{stream.next().data};
    HF_EQ(told["error"]["code"].integer(), -32000);
    HF_EQ(told["id"].integer(), 5);
    HF_EQ(client.post(rpc("notifications/z")).status, 202);
    HF_EQ(server.failure(), "");
  }
}

// Its body decides; its client may not wait for that.
HF_TEST(a_client_that_leaves_while_a_404_is_looked_at_harms_nobody) {
  for (const char *recovery : kRecovery) {
    for (const char *body : {kNoMethod, "gone"}) {
      Gate headed;
      Gate left;
      Gate sent;
      const Server server([&](Peer &peer) {
        peer.send(
            "HTTP/1.1 404 Not Found\r\nContent-Type: application/json\r\n"
            "Content-Length: " +
            std::to_string(std::string_view(body).size()) + "\r\n\r\n");
        headed.open();
        HF_CHECK(left.wait());
        peer.send(body);
        sent.open();
      });
      Pair pair = server.pair(recovery);
      const StreamableClient client = open_client(pair);
      Connection connection = Connection::tcp(pair.proxy_port());
      connection.send(to_text(mcp_post("/mcp", rpc("x/y", "5"), client.headers())));
      HF_CHECK(headed.wait());
      // Whichever worker has it looks at what has come before it looks at what comes later.
      const auto let_it_look = [&client] {
        for (int i = 0; i < 8; ++i) HF_EQ(client.post(rpc("notifications/z")).status, 202);
      };
      let_it_look();
      connection.reset();
      let_it_look();
      left.open();
      HF_CHECK(sent.wait());
      let_it_look();
      HF_EQ(pair.proxy().count_lines("event=child_died"), 0U);
      HF_EQ(server.failure(), "");
    }
  }
}

int main() {
  const CMUnitTest tests[] = {
      HF_UNIT(an_unknown_methods_404_passes_and_the_session_stays),
      HF_UNIT(so_does_one_that_comes_in_pieces),
      HF_UNIT(any_other_404_ends_the_session_and_passes_as_it_is),
      HF_UNIT(a_call_that_was_answered_early_keeps_its_session_too),
      HF_UNIT(a_client_that_leaves_while_a_404_is_looked_at_harms_nobody),
  };
  return HF_RUN(tests);
}
