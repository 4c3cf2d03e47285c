// Signs JSON web tokens with keys that live for one test, by OpenSSL alone: what is tested verifies
// them by another library. One thread at a time.
#pragma once

#include <openssl/evp.h>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "common/ev_ptr.h"

namespace holdfast::test {

// Base64 as tokens have it: base64url without padding.
std::string base64url(std::string_view bytes);

class TokenSigner {
 public:
  // HS256 and its like, with a secret of this text.
  static TokenSigner hmac(const std::string &algorithm, std::string secret);
  // RS256 and its like.
  static TokenSigner rsa(const std::string &algorithm, unsigned bits = 2048);
  // ES256, ES384, ES512, each on its curve unless another is named.
  static TokenSigner ec(const std::string &algorithm, std::string curve = {});

  // What verifies: the secret, or the public key in PEM.
  const std::string &key() const { return key_; }
  std::string private_pem() const;  // REQUIRES: not hmac

  // A token with this JSON payload and {"alg":…,"typ":"JWT"}, or the header given.
  std::string sign(std::string_view payload, std::string header = {}) const;
  // The signature of any text, in base64url.
  std::string signature(std::string_view signed_text) const;

 private:
  using Key = std::unique_ptr<EVP_PKEY, CDeleter<EVP_PKEY_free>>;
  TokenSigner(std::string algorithm, std::string key, Key private_key);
  const EVP_MD *digest() const;

  std::string algorithm_;
  std::string key_;
  std::shared_ptr<EVP_PKEY> private_;
};

// A payload: {"iss":"https://issuer","aud":"mcp","sub":USER,"exp":now + `lifetime_s`} and `more`
// members (JSON, with a comma before them).
std::string claims(std::string_view user, int64_t lifetime_s = 300, std::string_view more = {});

}  // namespace holdfast::test
