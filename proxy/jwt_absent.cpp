// JwtVerifier in a build without libjwt: no configuration can have one.
#include <utility>

#include "proxy/jwt_verifier.h"

namespace holdfast::proxy {

// NOLINTNEXTLINE(performance-unnecessary-value-param): as the other one takes them
Result<std::shared_ptr<const JwtVerifier>> JwtVerifier::create(JwtRules, std::string) {
  return Error{Errc::config, 0,
               "\"session_user jwt\" needs libjwt, which this program was built without (Debian: "
               "install libjwt-dev and build with -DHOLDFAST_JWT=ON)"};
}

JwtVerifier::JwtVerifier(Private, JwtRules rules, std::string key, std::string fingerprint)
    : rules_(std::move(rules)), key_(std::move(key)), fingerprint_(std::move(fingerprint)) {}

JwtVerifier::~JwtVerifier() = default;

Result<JwtUser> JwtVerifier::verify(std::string_view, WallTime) const {
  return Error{Errc::protocol, 0, "tokens cannot be verified here"};
}

}  // namespace holdfast::proxy
