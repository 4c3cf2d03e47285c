// Sessions and users, where things go wrong: a backend that gives one session to two users, and a
// stranger who tries every door of a session and must learn nothing from the answers.
#include <algorithm>
#include <string>

#include "tests/support/hf_test.h"
#include "tests/support/pair.h"
#include "tests/support/scripted_backend.h"

using namespace holdfast;
using namespace holdfast::test;

namespace {

const Headers kAlice = {{"X-User", "alice"}};
const Headers kMallory = {{"X-User", "mallory"}};

// Gives every client the one session it knows, on both transports.
void one_session_for_all(Peer &peer) {
  for (std::string request = peer.read_request(); !request.empty(); request = peer.read_request()) {
    if (request.starts_with("GET /sse")) {
      peer.send(
          "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n"
          "event: endpoint\ndata: /message?sessionId=only\n\n");
      (void)peer.wait_closed();
      return;
    }
    if (request.starts_with("DELETE")) {
      peer.answer(200, "text/plain", "");
    } else if (request.find("\"initialize\"") != std::string::npos) {
      peer.answer(200, "application/json", R"({"jsonrpc":"2.0","id":"i","result":{}})",
                  "Mcp-Session-Id: only\r\n");
    } else {
      peer.answer(200, "application/json", R"({"jsonrpc":"2.0","id":1,"result":{}})");
    }
  }
}

PairOptions in_front_of(const ScriptedBackend &backend) {
  PairOptions options;
  options.backend_port = backend.port();
  options.location = "session_user header X-User;";
  options.sessiond = "max_sessions 2; persistent_mode on;";
  return options;
}

size_t deletes_count(const ScriptedBackend &backend) {
  const std::vector<std::string> requests = backend.requests();
  return static_cast<size_t>(std::count_if(requests.begin(), requests.end(),
                                           [](const auto &r) { return r.starts_with("DELETE"); }));
}

// An answer as its reader sees it, without the moment it was given.
std::string shown(const Response &response) {
  std::string text = std::to_string(response.status) + "\n";
  for (const auto &[name, value] : response.headers) {
    if (name != "Date") text += name + ": " + value + "\n";
  }
  return text + response.body;
}

}  // namespace

HF_TEST(a_backend_that_gives_a_live_session_to_another_user_is_not_believed) {
  const ScriptedBackend backend(one_session_for_all);
  Pair pair(in_front_of(backend));
  StreamableClient alice(pair.proxy_port(), "/mcp", kAlice);
  HF_EQ(alice.initialize("\"i\"").status, 200);
  StreamableClient mallory(pair.proxy_port(), "/mcp", kMallory);
  for (int i = 0; i < 3; ++i) {  // each of them gives its slot back: the cap is 2
    const Response refused = mallory.initialize("\"i\"");
    check_refusal(refused, 502, -32000, "\"i\"");
    HF_CHECK(!refused.header("Mcp-Session-Id"));
  }
  (void)pair.proxy().wait_for_line("event=backend_session_shared backend=backend/127.0.0.1:");
  HF_EQ(alice.post(rpc("ping", "1")).status, 200);
  pair.wait_sessions(1);
  HF_EQ(deletes_count(backend), size_t{0});  // it would have ended alice's
  // The same user may have a second one: there is nobody to mix up.
  StreamableClient again(pair.proxy_port(), "/mcp", kAlice);
  HF_EQ(again.initialize("\"i\"").status, 200);
  pair.wait_sessions(2);
  // Once it is nobody's, it is anybody's.
  HF_EQ(again.remove().status, 200);
  HF_EQ(alice.remove().status, 200);
  HF_EQ(mallory.initialize("\"i\"").status, 200);
  HF_EQ(backend.failure(), "");
}

HF_TEST(an_endpoint_announced_twice_is_not_believed_either) {
  const ScriptedBackend backend(one_session_for_all);
  PairOptions options = in_front_of(backend);
  options.location += " legacy_sse off;";
  Pair pair(options);
  LegacyClient alice(pair.proxy_port(), "/sse", kAlice);
  const Response refused =
      fetch(pair.proxy_port(),
            {"GET", "/sse", {{"Accept", "text/event-stream"}, {"X-User", "mallory"}}, {}});
  check_refusal(refused, 502, -32000, "null");
  (void)pair.proxy().wait_for_line("event=backend_session_shared");
  HF_EQ(alice.post(rpc("initialize", "1")).status, 200);
  HF_CHECK(alice.stream().end() == BodyEnd::open);
  pair.wait_sessions(1);
  alice.stream().close();
  pair.wait_sessions(0);
  const LegacyClient mallory(pair.proxy_port(), "/sse", kMallory);
  HF_EQ(backend.failure(), "");
}

HF_TEST(nor_is_it_when_the_stream_opens_with_its_post) {
  const ScriptedBackend backend(one_session_for_all);
  PairOptions options = in_front_of(backend);
  options.location += " legacy_sse on;";
  Pair pair(options);
  LegacyClient alice(pair.proxy_port(), "/sse", kAlice);
  LegacyClient mallory(pair.proxy_port(), "/sse", kMallory);
  HF_EQ(alice.post(rpc("initialize", "1")).status, 200);
  check_refusal(mallory.post(rpc("initialize", "2")), 502, -32000, "2");
  pair.wait_sessions(1);
  alice.stream().close();
  pair.wait_sessions(0);
  HF_EQ(mallory.post(rpc("initialize", "3")).status, 200);
  HF_EQ(backend.failure(), "");
}

HF_TEST(a_strangers_answers_do_not_tell_a_session_from_none) {
  PairOptions options;
  options.location = "session_user header X-User;";
  const Pair pair(options);
  StreamableClient alice(pair.proxy_port(), "/mcp", kAlice);
  alice.open();
  LegacyClient legacy(pair.proxy_port(), "/sse", kAlice);
  legacy.open();
  const std::string none(32, 'A');
  const auto streamable = [&](const char *method, std::string_view body, Headers more) {
    const auto ask = [&](const std::string &session) {
      Headers headers = kMallory;
      headers.insert(headers.end(), more.begin(), more.end());
      headers.insert(headers.end(), {{"Mcp-Session-Id", session},
                                     {"Content-Type", "application/json"},
                                     {"Accept", "application/json, text/event-stream"}});
      return fetch(pair.proxy_port(), {method, "/mcp", headers, std::string(body)});
    };
    const Response answer = ask(alice.session());
    HF_EQ(answer.status, 404);
    HF_EQ(shown(answer), shown(ask(none)));
  };
  streamable("POST", tool_call("7", "clock"), {});
  streamable("POST", rpc("notifications/initialized"), {});
  streamable("POST", "[" + rpc("ping", "1") + "]", {});
  streamable("GET", "", {});
  streamable("GET", "", {{"Last-Event-ID", "1"}});
  streamable("DELETE", "", {});
  const auto post_legacy = [&](const std::string &session) {
    std::string target = legacy.endpoint();
    target.replace(target.find(legacy.session()), none.size(), session);
    return fetch(pair.proxy_port(), mcp_post(target, rpc("ping", "1"), kMallory));
  };
  HF_EQ(shown(post_legacy(legacy.session())), shown(post_legacy(none)));
  // Nothing of it reached the sessions, and resuming is the owner's.
  HF_EQ(alice.get("1").head().status, 200);
  HF_EQ(tool_text(legacy.call("echo", R"({"message":"mine"})")), "mine");
  // An ended session's reason is its owner's to know.
  HF_EQ(alice.remove().status, 200);
  streamable("POST", tool_call("8", "clock"), {});
}

HF_TEST(a_listener_is_nobodys_to_take_over) {
  PairOptions options;
  options.location = "session_user header X-User;";
  options.sessiond = "log_full_ids on;";
  Pair pair(options);
  SseClient listener(pair.proxy_port(), modern_request("subscriptions/listen", "\"l\"",
                                                       R"({"notifications":{}})", "/mcp", kAlice));
  (void)listener.next();
  const std::string created = pair.sessiond().wait_for_line("session created");
  const std::string id = created.substr(created.find("\"sessionId\":\"") + 13, 32);
  // A listen has no id on the wire; even who knows ours cannot use it as a session, not its owner.
  for (const Headers &who : {kAlice, kMallory}) {
    StreamableClient thief(pair.proxy_port(), "/mcp", who);
    thief.set_session(id);
    check_refusal(thief.post(rpc("ping", "1")), 404, -32001, "1");
    HF_EQ(thief.remove().status, 404);
    HF_EQ(thief.get().head().status, 404);
  }
  HF_CHECK(!listener.poll(Millis{0}).has_value());
  HF_CHECK(listener.end() == BodyEnd::open);
}

int main() {
  const CMUnitTest tests[] = {
      HF_UNIT(a_backend_that_gives_a_live_session_to_another_user_is_not_believed),
      HF_UNIT(an_endpoint_announced_twice_is_not_believed_either),
      HF_UNIT(nor_is_it_when_the_stream_opens_with_its_post),
      HF_UNIT(a_strangers_answers_do_not_tell_a_session_from_none),
      HF_UNIT(a_listener_is_nobodys_to_take_over),
  };
  return HF_RUN(tests);
}
