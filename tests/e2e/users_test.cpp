// Users: a session answers only to who opened it; for anybody else it does not exist.
#include "tests/support/hf_test.h"
#include "tests/support/pair.h"

using namespace holdfast::test;

namespace {

PairOptions rule(std::string directive) {
  PairOptions options;
  options.location = std::move(directive);
  return options;
}

// Every door of `session`, tried with these headers, says that there is no such session.
void check_unknown_to(const Pair &pair, const std::string &session, const Headers &headers) {
  StreamableClient stranger(pair.proxy_port(), "/mcp", headers);
  stranger.set_session(session);
  check_refusal(stranger.post(tool_call("1", "clock")), 404, -32001, "1");
  check_refusal(stranger.remove(), 404, -32001, "null");
  HF_EQ(stranger.get().head().status, 404);
}

Response initialize_with(const Pair &pair, Headers headers) {
  StreamableClient client(pair.proxy_port(), "/mcp", std::move(headers));
  return client.initialize("1");
}

}  // namespace

HF_TEST(a_session_exists_only_for_the_user_who_opened_it) {
  const Pair pair(rule("session_user header X-User;"));
  StreamableClient alice(pair.proxy_port(), "/mcp", {{"X-User", "alice"}});
  alice.open();
  SseClient stream = alice.get();
  check_unknown_to(pair, alice.session(), {{"X-User", "mallory"}});
  check_unknown_to(pair, alice.session(), {});
  HF_EQ(alice.post(rpc("ping", "1")).status, 200);
  HF_CHECK(stream.end() == BodyEnd::open);
  HF_EQ(backend_state(pair.backend_port())["sessions"].size(), 1U);
}

HF_TEST(nobody_is_a_user_too_and_matches_only_nobody) {
  const Pair pair(rule("session_user header X-User;"));
  StreamableClient nobody(pair.proxy_port());
  nobody.open();
  check_unknown_to(pair, nobody.session(), {{"X-User", "alice"}});
  HF_EQ(nobody.post(rpc("ping", "1")).status, 200);
}

HF_TEST(a_legacy_session_belongs_to_its_user_as_well) {
  const Pair pair(rule("session_user header X-User;"));
  LegacyClient alice(pair.proxy_port(), "/sse", {{"X-User", "alice"}});
  alice.open();
  const Response stolen = fetch(
      pair.proxy_port(), mcp_post(alice.endpoint(), rpc("ping", "1"), {{"X-User", "mallory"}}));
  check_refusal(stolen, 404, -32001, "1");
  HF_EQ(tool_text(alice.call("echo", R"({"message":"mine"})")), "mine");
}

HF_TEST(an_ambiguous_or_overlong_user_is_refused) {
  const Pair pair(rule("session_user header X-User;"));
  HF_EQ(initialize_with(pair, {{"X-User", "a"}, {"X-User", "b"}}).status, 400);
  HF_EQ(initialize_with(pair, {{"X-User", "a"}, {"x-user", "a"}}).status, 400);
  HF_EQ(initialize_with(pair, {{"X-User", std::string(257, 'u')}}).status, 400);
  HF_EQ(initialize_with(pair, {{"X-User", "a\tb"}}).status, 400);
  HF_EQ(initialize_with(pair, {{"X-User", std::string(256, 'u')}}).status, 200);
  pair.wait_sessions(1);
}

HF_TEST(the_header_is_believed_from_trusted_proxies_only) {
  PairOptions options = rule("session_user header X-User;");
  options.proxy_main = "trusted_proxies 192.0.2.1;";
  const Pair pair(options);
  StreamableClient client(pair.proxy_port(), "/mcp", {{"X-User", "alice"}});
  client.open();
  pair.wait_sessions(1);
  HF_EQ(pair.admin_json("show sess json")[size_t{0}]["user"].text(), "-");
}

HF_TEST(a_bearer_token_names_its_user_and_is_never_shown) {
  const Pair pair(rule("session_user bearer;"));
  const Headers token = {{"Authorization", "Bearer s3cret-token"}};
  StreamableClient owner(pair.proxy_port(), "/mcp", token);
  owner.open();
  check_unknown_to(pair, owner.session(), {{"Authorization", "Bearer other"}});
  check_unknown_to(pair, owner.session(), {});
  HF_EQ(owner.post(rpc("ping", "1")).status, 200);
  pair.wait_sessions(1);
  const std::string user = pair.admin_json("show sess json")[size_t{0}]["user"].text();
  HF_CHECK(user != "-");
  HF_CHECK(pair.admin("show sess json").find("s3cret") == std::string::npos);
  // The backend gets the token: authentication is its business.
  HF_EQ(backend_state(pair.backend_port())["last"]["ping"]["headers"]["authorization"].text(),
        "Bearer s3cret-token");
}

HF_TEST(without_a_rule_everybody_is_nobody) {
  const Pair pair;
  StreamableClient client(pair.proxy_port(), "/mcp", {{"X-User", "alice"}});
  client.open();
  StreamableClient other(pair.proxy_port(), "/mcp", {{"X-User", "bob"}});
  other.set_session(client.session());
  HF_EQ(other.post(rpc("ping", "1")).status, 200);
}

int main() {
  const CMUnitTest tests[] = {
      HF_UNIT(a_session_exists_only_for_the_user_who_opened_it),
      HF_UNIT(nobody_is_a_user_too_and_matches_only_nobody),
      HF_UNIT(a_legacy_session_belongs_to_its_user_as_well),
      HF_UNIT(an_ambiguous_or_overlong_user_is_refused),
      HF_UNIT(the_header_is_believed_from_trusted_proxies_only),
      HF_UNIT(a_bearer_token_names_its_user_and_is_never_shown),
      HF_UNIT(without_a_rule_everybody_is_nobody),
  };
  return HF_RUN(tests);
}
