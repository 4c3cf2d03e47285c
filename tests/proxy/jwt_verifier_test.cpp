// Tokens as an attacker, an issuer and a careless administrator make them: who is believed, and
// that nothing else ever is.
#include "proxy/jwt_verifier.h"

#include <jwt.h>

#include <chrono>

#include "common/limits.h"
#include "tests/support/hf_test.h"
#include "tests/support/tokens.h"

using namespace holdfast;
using namespace holdfast::proxy;
using holdfast::test::base64url;
using holdfast::test::TokenSigner;
using std::chrono::seconds;

namespace {

constexpr WallTime kNow{std::chrono::seconds{1'790'000'000}};
const std::string kSecret = "a secret of thirty-two bytes, ok";

JwtRules rules(std::string algorithm = "HS256") {
  JwtRules made;
  made.algorithm = std::move(algorithm);
  made.issuer = "https://issuer";
  made.audience = "mcp";
  made.claim = "sub";
  return made;
}

std::shared_ptr<const JwtVerifier> verifier(const TokenSigner &signer, JwtRules with) {
  auto made = JwtVerifier::create(std::move(with), signer.key());
  if (!made) HF_FAIL(made.error().message);
  return *made;
}

const TokenSigner &hmac() {
  static const TokenSigner made = TokenSigner::hmac("HS256", kSecret);
  return made;
}

// Members of a payload that is good but for what is added: exp in five minutes.
std::string payload(const std::string &more, const std::string &without = {}) {
  const std::pair<const char *, const char *> rows[] = {{"iss", R"("https://issuer")"},
                                                        {"aud", R"("mcp")"},
                                                        {"sub", R"("alice")"},
                                                        {"exp", "1790000300"}};
  std::string text = "{";
  for (const auto &[name, value] : rows) {
    if (without.find(name) != std::string::npos) continue;
    if (text.size() > 1) text += ',';
    text += std::string("\"") + name + "\":" + value;
  }
  if (text.size() > 1 && !more.empty()) text += ',';
  return text + more + "}";
}

// "ok: USER", or why it was refused.
std::string verdict(const std::string &token, JwtRules with = rules(), WallTime now = kNow) {
  const auto user = verifier(hmac(), std::move(with))->verify(token, now);
  return user ? "ok: " + user->user : user.error().message;
}
std::string verdict_of(const std::string &text, JwtRules with = rules(), WallTime now = kNow) {
  return verdict(hmac().sign(text), std::move(with), now);
}

const char *const kAlice = "ok: https://issuer|alice";

std::string why_no_key(const std::string &algorithm, const std::string &key) {
  const auto made = JwtVerifier::create(rules(algorithm), key);
  return made ? "it would do" : made.error().message;
}
bool has(const std::string &text, const char *part) { return text.find(part) != std::string::npos; }

}  // namespace

HF_TEST(every_algorithm_verifies_what_its_key_signed_and_nothing_else) {
  const std::string secret(64, 's');
  const TokenSigner signers[] = {TokenSigner::hmac("HS256", secret),
                                 TokenSigner::hmac("HS384", secret),
                                 TokenSigner::hmac("HS512", secret),
                                 TokenSigner::rsa("RS256"),
                                 TokenSigner::rsa("RS384"),
                                 TokenSigner::rsa("RS512"),
                                 TokenSigner::ec("ES256"),
                                 TokenSigner::ec("ES384"),
                                 TokenSigner::ec("ES512")};
  const char *const names[] = {"HS256", "HS384", "HS512", "RS256", "RS384",
                               "RS512", "ES256", "ES384", "ES512"};
  for (size_t key = 0; key < std::size(signers); ++key) {
    const auto judge = verifier(signers[key], rules(names[key]));
    for (size_t other = 0; other < std::size(signers); ++other) {
      const auto user = judge->verify(signers[other].sign(payload("")), kNow);
      HF_EQ(bool(user), key == other);
      if (user) HF_EQ(user->user, "https://issuer|alice");
    }
  }
}

HF_TEST(another_key_of_the_same_kind_signs_nothing_here) {
  const auto check = [](const TokenSigner &ours, const TokenSigner &theirs, const char *name) {
    const auto user = verifier(ours, rules(name))->verify(theirs.sign(payload("")), kNow);
    HF_CHECK(!user);
    HF_EQ(user.error().message, "the token's signature does not hold");
  };
  check(hmac(), TokenSigner::hmac("HS256", std::string(32, 'x')), "HS256");
  check(TokenSigner::rsa("RS256"), TokenSigner::rsa("RS256"), "RS256");
  check(TokenSigner::ec("ES256"), TokenSigner::ec("ES256"), "ES256");
}

// The trap this class is for: the library itself calls a signed token good without a key.
HF_TEST(a_missing_key_verifies_nothing_although_the_library_would) {
  const std::string token = hmac().sign(payload(""));
  jwt_t *decoded = nullptr;
  HF_EQ(jwt_decode(&decoded, token.c_str(), nullptr, 0), 0);
  HF_EQ(static_cast<int>(jwt_get_alg(decoded)), static_cast<int>(JWT_ALG_NONE));
  jwt_free(decoded);
  for (const char *algorithm : {"HS256", "RS256", "ES256"}) {
    for (const char *key : {"", "\n", "\r\n"})
      HF_CHECK(!JwtVerifier::create(rules(algorithm), key));
  }
}

HF_TEST(an_unsigned_token_is_refused_however_it_says_so) {
  for (const char *none : {"none", "None", "NONE", "nOnE", ""}) {
    const std::string header = std::string(R"({"alg":")") + none + R"("})";
    const std::string text = base64url(header) + "." + base64url(payload("")) + ".";
    HF_EQ(verdict(text), "the token is malformed");  // no signature
    HF_EQ(verdict(text + "AAAA"), "the token is signed by another algorithm");
    HF_EQ(verdict(hmac().sign(payload(""), header)), "the token is signed by another algorithm");
  }
  HF_EQ(verdict(hmac().sign(payload(""), "{}")), "the token is signed by another algorithm");
  HF_EQ(verdict(hmac().sign(payload(""), R"({"alg":null})")),
        "the token is signed by another algorithm");
  // And "none" cannot be asked for.
  HF_CHECK(!JwtVerifier::create(rules("none"), kSecret));
  HF_CHECK(!JwtVerifier::create(rules(""), kSecret));
}

// The classic: an RSA public key, which anybody may have, taken for an HMAC secret.
HF_TEST(a_public_key_is_never_a_secret) {
  const TokenSigner rsa = TokenSigner::rsa("RS256");
  const TokenSigner forger = TokenSigner::hmac("HS256", rsa.key());
  const auto judge = verifier(rsa, rules("RS256"));
  HF_CHECK(!judge->verify(forger.sign(payload("")), kNow));
  HF_CHECK(!judge->verify(forger.sign(payload(""), R"({"alg":"RS256"})"), kNow));
  HF_CHECK(has(why_no_key("HS256", rsa.key()), "this is a PEM file"));
  HF_CHECK(has(why_no_key("HS512", TokenSigner::ec("ES256").key()), "this is a PEM file"));
}

HF_TEST(keys_that_do_not_fit_or_are_weak_are_refused_with_the_reason) {
  HF_CHECK(has(why_no_key("HS256", std::string(31, 's')), "at least 32 bytes, this one has 31"));
  HF_CHECK(has(why_no_key("HS384", std::string(47, 's') + "\n"), "at least 48 bytes"));
  HF_CHECK(has(why_no_key("HS512", std::string(63, 's')), "at least 64 bytes"));
  HF_EQ(why_no_key("HS256", std::string(32, 's') + "\r\n"), "it would do");
  HF_CHECK(has(why_no_key("RS256", std::string(64, 's')), "needs a PEM public key"));
  HF_CHECK(has(why_no_key("RS256", TokenSigner::rsa("RS256", 1024).key()), "too short"));
  HF_CHECK(has(why_no_key("RS256", TokenSigner::ec("ES256").key()), "needs an RSA key"));
  HF_CHECK(has(why_no_key("ES256", TokenSigner::rsa("RS256").key()), "on prime256v1"));
  HF_CHECK(has(why_no_key("ES256", TokenSigner::ec("ES384").key()), "on prime256v1"));
  HF_CHECK(has(why_no_key("ES512", TokenSigner::ec("ES384").key()), "on secp521r1"));
  const std::string own = TokenSigner::rsa("RS256").private_pem();
  HF_CHECK(has(why_no_key("RS256", own), "this is a private key"));
  HF_CHECK(has(why_no_key("RS256", std::string(kJwtKeyBytesMax + 1, 'x')), "longer than any key"));
}

HF_TEST(a_secrets_last_line_end_is_not_part_of_it) {
  const auto made = JwtVerifier::create(rules(), kSecret + "\n");
  HF_CHECK(made);
  HF_CHECK((*made)->verify(hmac().sign(payload("")), kNow));
}

HF_TEST(a_token_is_good_until_its_expiry_and_the_leeway) {
  const auto at = [](int64_t offset_s) {
    return verdict_of(payload(""), rules(), kNow + seconds{offset_s});
  };
  HF_EQ(at(329), kAlice);
  HF_EQ(at(330), "the token has expired");
  HF_EQ(at(100'000), "the token has expired");
  JwtRules strict = rules();
  strict.leeway = Millis{0};
  HF_EQ(verdict_of(payload(""), strict, kNow + seconds{300}), "the token has expired");
  const auto user = verifier(hmac(), rules())->verify(hmac().sign(payload("")), kNow);
  HF_CHECK(user && user->expires == kNow + seconds{330});
}

HF_TEST(expiry_must_be_there_and_a_number) {
  HF_EQ(verdict_of(payload("", "exp")), "the token has no expiry time");
  for (const char *bad :
       {R"("exp":"1790000300")", R"("exp":null)", R"("exp":true)", R"("exp":[1790000300])"}) {
    HF_EQ(verdict_of(payload(bad, "exp")), "the token has no expiry time");
  }
  HF_EQ(verdict_of(payload(R"("exp":1790000300.5)", "exp")), kAlice);
  HF_EQ(verdict_of(payload(R"("exp":1e300)", "exp")), kAlice);  // far off, and no overflow
  HF_EQ(verdict_of(payload(R"("exp":9223372036854775807)", "exp")), kAlice);
  HF_EQ(verdict_of(payload(R"("exp":-1)", "exp")), "the token has expired");
  HF_EQ(verdict_of(payload(R"("exp":0)", "exp")), "the token has expired");
}

HF_TEST(a_token_from_the_future_waits_for_its_time_less_the_leeway) {
  HF_EQ(verdict_of(payload(R"("nbf":1790000000)")), kAlice);
  HF_EQ(verdict_of(payload(R"("nbf":1790000030)")), kAlice);
  HF_EQ(verdict_of(payload(R"("nbf":1790000031)")), "the token is not valid yet");
  HF_EQ(verdict_of(payload(R"("nbf":"1790000000")")), "the token is not valid yet");
  HF_EQ(verdict_of(payload(R"("nbf":1e300)")), "the token is not valid yet");
}

HF_TEST(issuer_and_audience_must_be_the_ones_configured) {
  HF_EQ(verdict_of(payload(R"("iss":"https://other")", "iss")), "the token is from another issuer");
  HF_EQ(verdict_of(payload("", "iss")), "the token is from another issuer");
  HF_EQ(verdict_of(payload(R"("iss":7)", "iss")), "the token's issuer is no name");
  HF_EQ(verdict_of(payload(R"("iss":["https://issuer"])", "iss")), "the token's issuer is no name");
  for (const char *good : {R"("aud":["x","mcp"])", R"("aud":["mcp"])"})
    HF_EQ(verdict_of(payload(good, "aud")), kAlice);
  for (const char *bad : {R"("aud":"mcp2")", R"("aud":[])", R"("aud":["x",7])", R"("aud":7)",
                          R"("aud":{"mcp":"mcp"})", R"("aud":"mcp\u0000")", R"("nobody":1)"}) {
    HF_EQ(verdict_of(payload(bad, "aud")), "the token is for another audience");
  }
}

HF_TEST(without_a_configured_issuer_the_users_of_two_issuers_stay_two) {
  JwtRules any = rules();
  any.issuer.clear();
  any.audience.clear();
  HF_EQ(verdict_of(payload(R"("iss":"a")", "iss aud"), any), "ok: a|alice");
  HF_EQ(verdict_of(payload("", "iss aud"), any), "ok: |alice");
  // "a|b" and "c" would be "a" and "b|c".
  HF_EQ(verdict_of(payload(R"("iss":"a|b")", "iss"), any),
        "the token's issuer cannot be part of a user's name");
  HF_EQ(verdict_of(payload(R"("iss":"a","sub":"b|c")", "iss sub"), any), "ok: a|b|c");
}

HF_TEST(the_claim_must_be_a_name_that_can_be_shown) {
  for (const char *bad :
       {R"("sub":42)", R"("sub":null)", R"("sub":["alice"])", R"("sub":{"name":"alice"})",
        R"("sub":true)", R"("sub":"")", R"("x":1)"}) {
    HF_EQ(verdict_of(payload(bad, "sub")), "the token does not name its user");
  }
  const char *const kUnfit = "the token's user is too long or not printable";
  for (const char *bad : {R"("sub":"a\u0000b")", R"("sub":"a\nb")", R"("sub":"a\u001fb")",
                          R"("sub":"a\u007f")", R"("sub":"a\u0085")", R"("sub":"a\u009f")"}) {
    HF_EQ(verdict_of(payload(bad, "sub")), kUnfit);
  }
  HF_EQ(verdict_of(payload(R"("sub":"Jürgen Müller")", "sub")), "ok: https://issuer|Jürgen Müller");
  const size_t room = kUserBytesMax - std::string("https://issuer|").size();
  HF_EQ(verdict_of(payload("\"sub\":\"" + std::string(room, 'u') + "\"", "sub")),
        "ok: https://issuer|" + std::string(room, 'u'));
  HF_EQ(verdict_of(payload("\"sub\":\"" + std::string(room + 1, 'u') + "\"", "sub")), kUnfit);
  JwtRules by_email = rules();
  by_email.claim = "email";
  HF_EQ(verdict_of(payload(R"("email":"a@b.example")"), by_email),
        "ok: https://issuer|a@b.example");
}

HF_TEST(a_member_that_is_there_twice_makes_a_token_malformed) {
  for (const char *twice : {R"("sub":"bob")", R"("exp":1790000300)", R"("iss":"https://issuer")",
                            R"("aud":"mcp")", R"("s\u0075b":"bob")"}) {
    HF_EQ(verdict_of(payload(twice)), "the token is malformed");
  }
  HF_EQ(verdict(hmac().sign(payload(""), R"({"alg":"HS256","alg":"HS256"})")),
        "the token is malformed");
  HF_EQ(verdict(hmac().sign(payload(""), R"({"alg":"none","alg":"HS256"})")),
        "the token is malformed");
}

HF_TEST(every_truncation_and_every_changed_byte_is_refused) {
  const std::string token = hmac().sign(payload(""));
  const auto judge = verifier(hmac(), rules());
  HF_CHECK(judge->verify(token, kNow));
  for (size_t keep = 0; keep < token.size(); ++keep)
    HF_CHECK(!judge->verify(token.substr(0, keep), kNow));
  for (size_t i = 0; i < token.size(); ++i) {
    std::string changed = token;
    changed[i] = changed[i] == 'A' ? 'B' : 'A';
    HF_CHECK(!judge->verify(changed, kNow));
  }
  for (const char *more : {".", "A", "=", " ", "\n", ".x", "."}) {
    HF_CHECK(!judge->verify(token + more, kNow));
    HF_CHECK(!judge->verify(more + token, kNow));
  }
}

HF_TEST(what_is_no_token_at_all_is_malformed) {
  for (const char *text : {"", ".", "..", "...", "a.b", "a.b.c", "a.b.c.d.e", "e30.e30.e30",
                           "W10.W10.W10", "bnVsbA.bnVsbA.AAAA", "e30..AAAA", ".e30.AAAA"}) {
    HF_CHECK(verdict(text) == "the token is malformed" ||
             verdict(text) == "the token is signed by another algorithm");
  }
  std::string deep(40, '[');
  deep = R"({"alg":"HS256","x":)" + deep + std::string(40, ']') + "}";
  HF_EQ(verdict(hmac().sign(payload(""), deep)), "the token is malformed");
  HF_EQ(verdict(std::string(kJwtBytesMax + 1, 'A')), "the token is too long");
}

HF_TEST(extensions_that_must_be_understood_are_not) {
  HF_EQ(verdict(hmac().sign(payload(""), R"({"alg":"HS256","crit":["b64"],"b64":false})")),
        "the token needs an extension that is not had here");
  // Where a key could be had is the token's to say and never asked.
  HF_EQ(verdict(hmac().sign(payload(""), R"({"alg":"HS256","kid":"../../x","jku":"http://x/"})")),
        kAlice);
}

HF_TEST(the_type_is_jwt_where_one_is_named) {
  for (const char *good : {R"({"alg":"HS256"})", R"({"alg":"HS256","typ":"jwt"})"})
    HF_EQ(verdict(hmac().sign(payload(""), good)), kAlice);
  for (const char *bad : {R"({"alg":"HS256","typ":"at+jwt"})", R"({"alg":"HS256","typ":7})",
                          R"({"alg":"HS256","typ":"JWT\u0000"})", R"({"alg":"HS256","typ":null})"})
    HF_EQ(verdict(hmac().sign(payload(""), bad)), "the token's type is not JWT");
}

HF_TEST(no_reason_holds_a_byte_of_the_token) {
  for (const std::string &text :
       {payload(R"("sub":"zzzqqq\n")", "sub"), payload(R"("iss":"zzzqqq")", "iss"),
        payload(R"("aud":"zzzqqq")", "aud"), payload(R"("exp":"zzzqqq")", "exp"),
        std::string("zzzqqq")}) {
    HF_CHECK(!has(verdict_of(text), "zzzqqq"));
  }
}

HF_TEST(one_set_of_rules_and_key_has_one_fingerprint) {
  const auto print = [](JwtRules with, const std::string &key) {
    auto made = JwtVerifier::create(std::move(with), key);
    HF_CHECK(made);
    return (*made)->fingerprint();
  };
  const std::string first = print(rules(), kSecret);
  HF_EQ(first, print(rules(), kSecret + "\n"));
  HF_CHECK(first != print(rules(), std::string(32, 'x')));
  JwtRules other = rules();
  other.leeway = Millis{0};
  HF_CHECK(first != print(other, kSecret));
  other = rules();
  other.issuer = "https://issuerm";
  other.audience = "cp";
  HF_CHECK(first != print(other, kSecret));
  other = rules();
  other.claim = "email";
  HF_CHECK(first != print(other, kSecret));
}

int main() {
  const CMUnitTest tests[] = {
      HF_UNIT(every_algorithm_verifies_what_its_key_signed_and_nothing_else),
      HF_UNIT(another_key_of_the_same_kind_signs_nothing_here),
      HF_UNIT(a_missing_key_verifies_nothing_although_the_library_would),
      HF_UNIT(an_unsigned_token_is_refused_however_it_says_so),
      HF_UNIT(a_public_key_is_never_a_secret),
      HF_UNIT(keys_that_do_not_fit_or_are_weak_are_refused_with_the_reason),
      HF_UNIT(a_secrets_last_line_end_is_not_part_of_it),
      HF_UNIT(a_token_is_good_until_its_expiry_and_the_leeway),
      HF_UNIT(expiry_must_be_there_and_a_number),
      HF_UNIT(a_token_from_the_future_waits_for_its_time_less_the_leeway),
      HF_UNIT(issuer_and_audience_must_be_the_ones_configured),
      HF_UNIT(without_a_configured_issuer_the_users_of_two_issuers_stay_two),
      HF_UNIT(the_claim_must_be_a_name_that_can_be_shown),
      HF_UNIT(a_member_that_is_there_twice_makes_a_token_malformed),
      HF_UNIT(every_truncation_and_every_changed_byte_is_refused),
      HF_UNIT(what_is_no_token_at_all_is_malformed),
      HF_UNIT(extensions_that_must_be_understood_are_not),
      HF_UNIT(the_type_is_jwt_where_one_is_named),
      HF_UNIT(no_reason_holds_a_byte_of_the_token),
      HF_UNIT(one_set_of_rules_and_key_has_one_fingerprint),
  };
  return HF_RUN(tests);
}
