#include "proxy/jwt_cache.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>

#include <cstring>
#include <new>
#include <utility>

#include "common/ev_ptr.h"

namespace holdfast::proxy {
namespace {

using DigestContext = std::unique_ptr<EVP_MD_CTX, CDeleter<EVP_MD_CTX_free>>;

}  // namespace

JwtCache::Digest JwtCache::digest_of(const JwtVerifier &verifier, std::string_view token) {
  Digest digest{};
  const DigestContext context(EVP_MD_CTX_new());
  const std::string &rules = verifier.fingerprint();
  if (!context || EVP_DigestInit_ex(context.get(), EVP_sha256(), nullptr) != 1 ||
      EVP_DigestUpdate(context.get(), rules.data(), rules.size()) != 1 ||
      EVP_DigestUpdate(context.get(), token.data(), token.size()) != 1 ||
      EVP_DigestFinal_ex(context.get(), digest.data(), nullptr) != 1) {
    throw std::bad_alloc();  // the only way SHA-256 can fail
  }
  return digest;
}

uint64_t JwtCache::bucket_of(const Digest &digest) noexcept {
  uint64_t bucket = 0;
  std::memcpy(&bucket, digest.data(), sizeof bucket);
  return bucket;
}

Result<std::string> JwtCache::user_of(const JwtVerifier &verifier, std::string_view token,
                                      WallTime now) {
  if (token.size() > kJwtBytesMax) return Error{Errc::limit, 0, "the token is too long"};
  const Digest digest = digest_of(verifier, token);
  const auto known = by_digest_.find(bucket_of(digest));
  if (known != by_digest_.end()) {
    const Order::iterator entry = known->second;
    const bool same = CRYPTO_memcmp(entry->digest.data(), digest.data(), digest.size()) == 0;
    if (same && now < entry->user.expires) {
      order_.splice(order_.begin(), order_, entry);
      return entry->user.user;
    }
    order_.erase(entry);
    by_digest_.erase(known);
  }
  ++verified_count_;
  auto user = verifier.verify(token, now);
  if (!user) return user.error();
  std::string name = user->user;
  remember(digest, std::move(*user));
  return name;
}

void JwtCache::remember(const Digest &digest, JwtUser user) {
  if (order_.size() == kTokensMax) {
    by_digest_.erase(bucket_of(order_.back().digest));
    order_.pop_back();
  }
  order_.push_front({digest, std::move(user)});
  by_digest_[bucket_of(digest)] = order_.begin();
}

}  // namespace holdfast::proxy
