// session_user jwt through the pair: whose session it is follows from a verified token, in every
// era; a renewed token is the same user, and nobody else's token, nor none, opens a door.
#include <string>

#include "tests/support/hf_test.h"
#include "tests/support/pair.h"
#include "tests/support/tokens.h"

using namespace holdfast;
using namespace holdfast::test;

namespace {

const TokenSigner &issuer() {
  static const TokenSigner made = TokenSigner::ec("ES256");
  return made;
}

Headers bearer(const std::string &token) { return {{"Authorization", "Bearer " + token}}; }

// `number` makes tokens of one person differ, as renewed ones do.
Headers token_of(const std::string &user, int number = 0, int64_t lifetime_s = 300) {
  return bearer(issuer().sign(claims(user, lifetime_s, ",\"jti\":" + std::to_string(number))));
}

struct Verifying {
  TempDir files;
  PairOptions options;

  explicit Verifying(const std::string &more = {}) {
    options.location =
        "session_user jwt sub; jwt_algorithm ES256; jwt_issuer https://issuer; jwt_audience mcp; "
        "jwt_leeway 0; jwt_key_file " +
        files.write("issuer.pem", issuer().key()) + "; " + more;
  }
};

// 401 with what a client needs to know, and without a byte of the token.
void check_unauthorized(const Response &response, std::string_view id,
                        const std::string &why = "there is no bearer token") {
  check_refusal(response, 401, -32000, id);
  HF_EQ(response.header("WWW-Authenticate").value_or(""),
        "Bearer error=\"invalid_token\", error_description=\"" + why + "\"");
}

Request initialize(Headers headers) {
  return mcp_post("/mcp",
                  R"({"jsonrpc":"2.0","id":7,"method":"initialize","params":)"
                  R"({"protocolVersion":"2025-11-25","capabilities":{},)"
                  R"("clientInfo":{"name":"t","version":"1"}}})",
                  std::move(headers));
}

}  // namespace

HF_TEST(a_renewed_token_keeps_the_session_and_another_users_finds_none) {
  const Verifying conf;
  const Pair pair(conf.options);
  StreamableClient alice(pair.proxy_port(), "/mcp", token_of("alice", 1));
  alice.open();
  StreamableClient renewed(pair.proxy_port(), "/mcp", token_of("alice", 2));
  renewed.set_session(alice.session());
  HF_EQ(renewed.post(rpc("ping", "1")).status, 200);
  SseClient stream = renewed.get();
  HF_CHECK(stream.streaming());
  StreamableClient mallory(pair.proxy_port(), "/mcp", token_of("mallory"));
  mallory.set_session(alice.session());
  check_refusal(mallory.post(tool_call("1", "clock")), 404, -32001, "1");
  check_refusal(mallory.remove(), 404, -32001, "null");
  HF_EQ(mallory.get().head().status, 404);
  HF_EQ(mallory.get("1").head().status, 404);
  HF_CHECK(stream.end() == BodyEnd::open);
  pair.wait_sessions(1);
  HF_EQ(pair.admin_json("show sess json")[size_t{0}]["user"].text(), "https://issuer|alice");
  HF_EQ(renewed.remove().status, 200);
}

HF_TEST(no_token_no_entry_in_any_era) {
  const Verifying conf;
  Pair pair(conf.options);
  const uint16_t port = pair.proxy_port();
  check_unauthorized(fetch(port, initialize({})), "7");
  check_unauthorized(fetch(port, initialize({{"Authorization", "Basic YTpi"}})), "7");
  check_unauthorized(fetch(port, {"GET", "/sse", {{"Accept", "text/event-stream"}}, {}}), "null");
  check_unauthorized(fetch(port, modern_request("tools/list", "\"m\"")), "\"m\"");
  check_unauthorized(fetch(port, modern_request("subscriptions/listen", "3")), "3");
  StreamableClient alice(port, "/mcp", token_of("alice"));
  alice.open();
  StreamableClient nobody(port);  // even with a session's id
  nobody.set_session(alice.session());
  check_unauthorized(nobody.post(rpc("ping", "1")), "1");
  HF_EQ(nobody.remove().status, 401);
  HF_EQ(nobody.get().head().status, 401);
  pair.wait_sessions(1);
  HF_CHECK(!backend_state(pair.backend_port())["last"]["tools/list"].present());
}

HF_TEST(a_bad_token_is_refused_with_the_reason_and_never_shown) {
  const Verifying conf;
  Pair pair(conf.options);
  const auto ask = [&](const std::string &token) {
    return fetch(pair.proxy_port(), initialize(bearer(token)));
  };
  check_unauthorized(ask(issuer().sign(claims("alice", -1))), "7", "the token has expired");
  const std::string forged = TokenSigner::ec("ES256").sign(claims("alice"));
  check_unauthorized(ask(forged), "7", "the token's signature does not hold");
  const std::string unsigned_token =
      base64url(R"({"alg":"none"})") + "." + base64url(claims("alice")) + ".AAAA";
  check_unauthorized(ask(unsigned_token), "7", "the token is signed by another algorithm");
  const std::string confused = TokenSigner::hmac("HS256", issuer().key()).sign(claims("alice"));
  check_unauthorized(ask(confused), "7", "the token is signed by another algorithm");
  check_unauthorized(ask("zzzqqq"), "7", "the token is malformed");
  check_unauthorized(ask(std::string(17 * 1024, 'z')), "7", "the token is too long");
  (void)pair.proxy().wait_for_line("event=token_refused peer=127.0.0.1 detail=\"the token");
  const std::string log = pair.proxy().err() + pair.proxy().out();
  for (const std::string &secret : {std::string("zzz"), forged.substr(forged.rfind('.') + 1)})
    HF_CHECK(log.find(secret) == std::string::npos);
  pair.wait_sessions(0);
}

HF_TEST(two_authorizations_are_no_choice_of_users) {
  const Verifying conf;
  const Pair pair(conf.options);
  Headers two = token_of("alice");
  two.push_back(token_of("bob")[0]);
  HF_EQ(fetch(pair.proxy_port(), initialize(two)).status, 400);
}

HF_TEST(a_legacy_session_lives_through_a_renewed_token) {
  const Verifying conf;
  const Pair pair(conf.options);
  LegacyClient alice(pair.proxy_port(), "/sse", token_of("alice", 1));
  alice.open();
  const auto post_as = [&](const Headers &who) {
    return fetch(pair.proxy_port(), mcp_post(alice.endpoint(), rpc("ping", "5"), who));
  };
  HF_EQ(post_as(token_of("alice", 2)).status, 202);
  HF_EQ(alice.receive()["id"].integer(), 5);
  check_refusal(post_as(token_of("mallory")), 404, -32001, "5");
  check_unauthorized(post_as({}), "5");
}

HF_TEST(a_token_that_expires_ends_no_stream_but_opens_no_new_one) {
  const Verifying conf;
  const Pair pair(conf.options);
  StreamableClient alice(pair.proxy_port(), "/mcp", token_of("alice", 0, 2));
  alice.open();
  SseClient stream = alice.get();
  Response late;
  HF_CHECK(eventually([&] {
    late = alice.post(rpc("ping", "1"));
    return late.status == 401;
  }));
  check_unauthorized(late, "1", "the token has expired");
  HF_CHECK(stream.end() == BodyEnd::open);
  StreamableClient renewed(pair.proxy_port(), "/mcp", token_of("alice", 1));
  renewed.set_session(alice.session());
  HF_EQ(renewed.post(rpc("ping", "2")).status, 200);
}

HF_TEST(a_reload_reads_the_key_again_and_forgets_what_the_old_one_vouched_for) {
  const Verifying conf;
  Pair pair(conf.options);
  const Headers old_token = token_of("alice");
  StreamableClient alice(pair.proxy_port(), "/mcp", old_token);
  alice.open();
  const TokenSigner next = TokenSigner::ec("ES256");
  (void)conf.files.write("issuer.pem", next.key());
  HF_EQ(alice.post(rpc("ping", "1")).status, 200);  // until then nothing changes
  const Finished reload = run({program("holdfast-proxy"),
                               {"-c", pair.proxy_conf_path(), "-s", "reload"},
                               {},
                               pair.dir().path()});
  HF_EQ(reload.exit, (Exit{false, 0}));
  check_unauthorized(alice.post(rpc("ping", "1")), "1", "the token's signature does not hold");
  StreamableClient renewed(pair.proxy_port(), "/mcp", bearer(next.sign(claims("alice"))));
  renewed.set_session(alice.session());
  HF_EQ(renewed.post(rpc("ping", "2")).status, 200);  // the same user, by another key
}

HF_TEST(t_names_what_is_wrong_with_a_key) {
  const Verifying conf;
  const Pair pair(conf.options);
  (void)conf.files.write("issuer.pem", TokenSigner::rsa("RS256").key());
  const Finished test =
      run({program("holdfast-proxy"), {"-t", "-c", pair.proxy_conf_path()}, {}, pair.dir().path()});
  HF_EQ(test.exit, (Exit{false, 1}));
  HF_CHECK(test.err.find("ES256 needs an elliptic curve key on prime256v1") != std::string::npos);
}

int main() {
  const CMUnitTest tests[] = {
      HF_UNIT(a_renewed_token_keeps_the_session_and_another_users_finds_none),
      HF_UNIT(no_token_no_entry_in_any_era),
      HF_UNIT(a_bad_token_is_refused_with_the_reason_and_never_shown),
      HF_UNIT(two_authorizations_are_no_choice_of_users),
      HF_UNIT(a_legacy_session_lives_through_a_renewed_token),
      HF_UNIT(a_token_that_expires_ends_no_stream_but_opens_no_new_one),
      HF_UNIT(a_reload_reads_the_key_again_and_forgets_what_the_old_one_vouched_for),
      HF_UNIT(t_names_what_is_wrong_with_a_key),
  };
  return HF_RUN(tests);
}
