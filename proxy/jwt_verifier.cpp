#include "proxy/jwt_verifier.h"

#include <jwt.h>
#include <openssl/crypto.h>
#include <openssl/err.h>

#include <memory>
#include <utility>

#include "common/conf_schema.h"
#include "common/ev_ptr.h"
#include "proxy/jwt_key.h"
#include "proxy/net/tls_context.h"

namespace holdfast::proxy {
namespace {

using JwtPtr = std::unique_ptr<jwt_t, CDeleter<jwt_free>>;

const unsigned char *bytes_of(const std::string &text) {
  return static_cast<const unsigned char *>(static_cast<const void *>(text.data()));
}

}  // namespace

Result<std::shared_ptr<const JwtVerifier>> JwtVerifier::create(JwtRules rules, std::string key) {
  if (!is_choice(kJwtAlgorithms, rules.algorithm) || rules.claim.empty())
    return Error{Errc::config, 0, "no algorithm, or no claim"};
  auto usable = usable_jwt_key(rules.algorithm, std::move(key));
  if (!usable) return usable.error();
  std::string all;  // each with its length, so that no two sets of rules are one text
  for (const std::string *text :
       {&rules.algorithm, &rules.issuer, &rules.audience, &rules.claim, &*usable}) {
    all += std::to_string(text->size()) + ':' + *text;
  }
  all += std::to_string(rules.leeway.count());
  std::string fingerprint = digest_of(all);
  OPENSSL_cleanse(all.data(), all.size());
  return std::make_shared<const JwtVerifier>(Private{}, std::move(rules), std::move(*usable),
                                             std::move(fingerprint));
}

JwtVerifier::JwtVerifier(Private, JwtRules rules, std::string key, std::string fingerprint)
    : rules_(std::move(rules)), key_(std::move(key)), fingerprint_(std::move(fingerprint)) {}

JwtVerifier::~JwtVerifier() { OPENSSL_cleanse(key_.data(), key_.size()); }

Result<JwtUser> JwtVerifier::verify(std::string_view token, WallTime now) const {
  auto user = read_jwt(rules_, token, now);
  if (!user) return user;
  // libjwt reads a text that ends in NUL; one inside would have been refused as not base64.
  const std::string text(token);
  jwt_t *decoded = nullptr;
  const int failed = key_.empty() ? EINVAL
                                  : jwt_decode(&decoded, text.c_str(), bytes_of(key_),
                                               static_cast<int>(key_.size()));
  const JwtPtr jwt(decoded);
  ERR_clear_error();  // what it left would be taken for a failure of this thread's TLS
  const char *algorithm = jwt ? jwt_alg_str(jwt_get_alg(jwt.get())) : nullptr;
  if (failed != 0 || algorithm == nullptr || algorithm != rules_.algorithm)
    return Error{Errc::protocol, 0, "the token's signature does not hold"};
  return user;
}

}  // namespace holdfast::proxy
