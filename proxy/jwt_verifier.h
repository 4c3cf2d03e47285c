// Verifies JSON web tokens by one pinned algorithm and one static key. The only part that knows
// libjwt, whose jwt_decode() calls a signed token good when it is given no key, and takes the
// algorithm from the token; neither can happen behind this face. Made while a configuration is
// loaded, immutable afterwards, used by all workers; any thread. Blocks on nothing.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "common/clock.h"
#include "common/result.h"
#include "proxy/jwt_claims.h"

namespace holdfast::proxy {

inline constexpr size_t kJwtKeyBytesMax = 64 * 1024;
inline constexpr size_t kJwtRsaBitsMin = 2048;  // RFC 7518 section 3.3

// "HS256|HS384|…": what may be pinned, in the form of a directive's words. Never "none".
inline constexpr std::string_view kJwtAlgorithms =
    "HS256|HS384|HS512|RS256|RS384|RS512|ES256|ES384|ES512";

class JwtVerifier {
  struct Private {};  // only create() can make one

 public:
  JwtVerifier(Private, JwtRules rules, std::string key, std::string fingerprint);
  // Takes an HMAC secret (one line end at its end is not part of it) or a PEM public key.
  // Errc::config: the key does not fit the algorithm, is too weak for it, or this build has no
  // libjwt.
  static Result<std::shared_ptr<const JwtVerifier>> create(JwtRules rules, std::string key);
  ~JwtVerifier();
  JwtVerifier(const JwtVerifier &) = delete;
  JwtVerifier &operator=(const JwtVerifier &) = delete;

  // Who the token speaks for. The error's text is ours and may be shown (see read_jwt).
  Result<JwtUser> verify(std::string_view token, WallTime now) const;

  // SHA-256 of rules and key: verifiers of one fingerprint give one answer.
  const std::string &fingerprint() const noexcept { return fingerprint_; }

 private:
  JwtRules rules_;
  std::string key_;  // wiped when it goes
  std::string fingerprint_;
};

}  // namespace holdfast::proxy
