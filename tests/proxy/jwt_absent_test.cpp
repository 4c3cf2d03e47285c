// A build without libjwt: whoever asks for verified tokens learns at -t which package is missing,
// and nothing is ever believed.
#include "proxy/jwt_verifier.h"
#include "tests/support/hf_test.h"

using namespace holdfast;
using namespace holdfast::proxy;

HF_TEST(no_verifier_can_be_made_and_the_package_is_named) {
  JwtRules rules;
  rules.algorithm = "HS256";
  rules.claim = "sub";
  const auto made = JwtVerifier::create(rules, std::string(32, 's'));
  HF_CHECK(!made);
  HF_CHECK(made.error().code == Errc::config);
  HF_CHECK(made.error().message.find("libjwt-dev") != std::string::npos);
}

int main() {
  const CMUnitTest tests[] = {HF_UNIT(no_verifier_can_be_made_and_the_package_is_named)};
  return HF_RUN(tests);
}
