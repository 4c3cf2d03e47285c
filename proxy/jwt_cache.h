// Tokens this worker has verified, so that a call does not pay for a signature that was checked
// with the call before. Keyed by a SHA-256 of verifier and token, never by the token, which is not
// kept; an entry is believed until its token expires. Bounded: beyond it the longest unused goes.
// Owned by Worker; worker thread only.
#pragma once

#include <array>
#include <cstdint>
#include <list>
#include <string>
#include <string_view>
#include <unordered_map>

#include "common/clock.h"
#include "common/log_limit.h"
#include "common/result.h"
#include "proxy/jwt_verifier.h"

namespace holdfast::proxy {

class JwtCache {
 public:
  // Users of one worker at a time, with a token or two each; about 1 MB when full.
  static constexpr size_t kTokensMax = 4096;

  // The user this token speaks for, from memory or from the verifier. A refusal is not remembered:
  // its text is the verifier's.
  Result<std::string> user_of(const JwtVerifier &verifier, std::string_view token, WallTime now);

  size_t size() const noexcept { return by_digest_.size(); }
  uint64_t verified_count() const noexcept { return verified_count_; }  // asked of a verifier
  LogLimit &refusals() noexcept { return refusals_; }  // a peer may send bad tokens for ever

 private:
  using Digest = std::array<unsigned char, 32>;
  struct Entry {
    Digest digest;
    JwtUser user;
  };
  using Order = std::list<Entry>;
  static Digest digest_of(const JwtVerifier &verifier, std::string_view token);
  static uint64_t bucket_of(const Digest &digest) noexcept;
  void remember(const Digest &digest, JwtUser user);

  Order order_;  // the last used first
  std::unordered_map<uint64_t, Order::iterator> by_digest_;
  uint64_t verified_count_ = 0;
  LogLimit refusals_;
};

}  // namespace holdfast::proxy
