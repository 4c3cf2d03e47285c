// Verified tokens in memory: a signature is paid for once, and nothing is believed for longer, or
// for another key, than its verifier would.
#include "proxy/jwt_cache.h"

#include "tests/support/hf_test.h"
#include "tests/support/tokens.h"

using namespace holdfast;
using namespace holdfast::proxy;
using holdfast::test::TokenSigner;
using std::chrono::seconds;

namespace {

constexpr WallTime kNow{seconds{1'790'000'000}};

const TokenSigner &signer() {
  static const TokenSigner made = TokenSigner::hmac("HS256", std::string(32, 's'));
  return made;
}

std::shared_ptr<const JwtVerifier> verifier(const std::string &key = signer().key(),
                                            const std::string &claim = "sub") {
  JwtRules rules;
  rules.algorithm = "HS256";
  rules.claim = claim;
  rules.leeway = Millis{0};
  auto made = JwtVerifier::create(rules, key);
  if (!made) HF_FAIL(made.error().message);
  return *made;
}

std::string token(const std::string &user, int64_t lifetime_s = 300) {
  const int64_t expires = 1'790'000'000 + lifetime_s;
  return signer().sign(R"({"sub":")" + user + R"(","email":"e","exp":)" + std::to_string(expires) +
                       "}");
}

}  // namespace

HF_TEST(a_token_is_verified_once_and_then_remembered) {
  JwtCache cache;
  const auto judge = verifier();
  const std::string alice = token("alice");
  for (int i = 0; i < 3; ++i) HF_EQ(*cache.user_of(*judge, alice, kNow), "|alice");
  HF_EQ(*cache.user_of(*judge, token("bob"), kNow), "|bob");
  HF_EQ(cache.verified_count(), 2U);
  HF_EQ(cache.size(), 2U);
}

HF_TEST(what_is_remembered_expires_with_its_token) {
  JwtCache cache;
  const auto judge = verifier();
  const std::string alice = token("alice", 10);
  HF_CHECK(cache.user_of(*judge, alice, kNow));
  HF_CHECK(cache.user_of(*judge, alice, kNow + Millis{9'999}));
  HF_EQ(cache.verified_count(), 1U);
  HF_CHECK(!cache.user_of(*judge, alice, kNow + seconds{10}));
  HF_EQ(cache.size(), 0U);
}

HF_TEST(a_refusal_is_not_remembered) {
  JwtCache cache;
  const auto judge = verifier();
  std::string forged = token("alice");
  forged.back() = forged.back() == 'A' ? 'Q' : 'A';
  for (int i = 0; i < 2; ++i) HF_CHECK(!cache.user_of(*judge, forged, kNow));
  HF_CHECK(!cache.user_of(*judge, std::string(kJwtBytesMax + 1, 'a'), kNow));
  HF_EQ(cache.verified_count(), 2U);
  HF_EQ(cache.size(), 0U);
}

HF_TEST(what_one_verifier_believed_is_nothing_to_another) {
  JwtCache cache;
  const std::string alice = token("alice");
  HF_EQ(*cache.user_of(*verifier(), alice, kNow), "|alice");
  // After a reload with another key it must be verified by that, and is not.
  HF_CHECK(!cache.user_of(*verifier(std::string(32, 'x')), alice, kNow));
  HF_EQ(*cache.user_of(*verifier(signer().key(), "email"), alice, kNow), "|e");
  HF_EQ(*cache.user_of(*verifier(), alice, kNow), "|alice");  // the same again: one of one kind
  HF_EQ(cache.verified_count(), 3U);
}

HF_TEST(the_longest_unused_goes_when_it_is_full) {
  JwtCache cache;
  const auto judge = verifier();
  const std::string first = token("first");
  const std::string second = token("second");
  HF_CHECK(cache.user_of(*judge, first, kNow));
  HF_CHECK(cache.user_of(*judge, second, kNow));
  for (size_t i = 2; i < JwtCache::kTokensMax; ++i)
    HF_CHECK(cache.user_of(*judge, token(std::to_string(i)), kNow));
  HF_CHECK(cache.user_of(*judge, first, kNow));  // used again
  HF_EQ(cache.verified_count(), JwtCache::kTokensMax);
  HF_CHECK(cache.user_of(*judge, token("one more"), kNow));
  HF_EQ(cache.size(), JwtCache::kTokensMax);
  HF_CHECK(cache.user_of(*judge, first, kNow));
  HF_EQ(cache.verified_count(), JwtCache::kTokensMax + 1);
  HF_CHECK(cache.user_of(*judge, second, kNow));  // was forgotten
  HF_EQ(cache.verified_count(), JwtCache::kTokensMax + 2);
}

int main() {
  const CMUnitTest tests[] = {
      HF_UNIT(a_token_is_verified_once_and_then_remembered),
      HF_UNIT(what_is_remembered_expires_with_its_token),
      HF_UNIT(a_refusal_is_not_remembered),
      HF_UNIT(what_one_verifier_believed_is_nothing_to_another),
      HF_UNIT(the_longest_unused_goes_when_it_is_full),
  };
  return HF_RUN(tests);
}
