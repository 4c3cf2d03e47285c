// What a JSON web token says (RFC 7519), judged by everything but its signature: form, algorithm,
// times, issuer, audience, and the claim that names the user. Each check refuses, so that the order
// does not matter; the signature is JwtVerifier's, and without it nothing here may be believed.
// Pure; any thread.
#pragma once

#include <string>
#include <string_view>

#include "common/clock.h"
#include "common/result.h"

namespace holdfast::proxy {

inline constexpr size_t kJwtBytesMax = 16 * 1024;  // half of what a request's head may have

// What a token must be to be believed, but for its key.
struct JwtRules {
  std::string algorithm;                    // "RS256": pinned, whatever the token's header says
  std::string issuer;                       // empty = any, or none
  std::string audience;                     // empty = any, or none
  std::string claim;                        // whose value names the user
  Millis leeway{std::chrono::seconds{30}};  // for clocks that differ
};

struct JwtUser {
  std::string user;    // "ISSUER|VALUE": the same for every token of one person
  WallTime expires{};  // until then it may be believed, leeway included
};

// Errc::protocol with a fixed text of ours, which may be shown to the client: no byte of a token is
// in it. Errc::limit: longer than kJwtBytesMax.
Result<JwtUser> read_jwt(const JwtRules &rules, std::string_view token, WallTime now);

}  // namespace holdfast::proxy
