#include "proxy/jwt_key.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

#include <algorithm>
#include <array>
#include <memory>

#include "common/ev_ptr.h"
#include "proxy/jwt_verifier.h"

namespace holdfast::proxy {
namespace {

using BioPtr = std::unique_ptr<BIO, CDeleter<BIO_free>>;
using PublicKeyPtr = std::unique_ptr<EVP_PKEY, CDeleter<EVP_PKEY_free>>;

Error config_error(std::string message) { return Error{Errc::config, 0, std::move(message)}; }

// RFC 7518 section 3.2: a secret as long as the hash, or longer.
Result<std::string> usable_secret(std::string_view algorithm, size_t bits, std::string key) {
  if (key.find("-----BEGIN ") != std::string::npos) {
    return config_error(std::string(algorithm) +
                        " signs with a secret, and this is a PEM file: whoever knows a public key "
                        "could sign with it");
  }
  if (key.ends_with('\n')) key.pop_back();
  if (key.ends_with('\r')) key.pop_back();
  if (key.size() * 8 < bits) {
    return config_error(std::string(algorithm) + " needs a secret of at least " +
                        std::to_string(bits / 8) + " bytes, this one has " +
                        std::to_string(key.size()));
  }
  return key;
}

Result<std::string> usable_rsa(std::string_view algorithm, const PublicKeyPtr &key,
                               std::string pem) {
  if (EVP_PKEY_get_base_id(key.get()) != EVP_PKEY_RSA)
    return config_error(std::string(algorithm) + " needs an RSA key");
  const int bits = EVP_PKEY_get_bits(key.get());
  if (bits < static_cast<int>(kJwtRsaBitsMin)) {
    return config_error("an RSA key of " + std::to_string(bits) + " bits is too short, " +
                        std::to_string(kJwtRsaBitsMin) + " are needed");
  }
  return pem;
}

// Each of them has its curve (RFC 7518 section 3.4).
Result<std::string> usable_ec(std::string_view algorithm, const PublicKeyPtr &key,
                              std::string pem) {
  const std::string curve = algorithm == "ES256"   ? "prime256v1"
                            : algorithm == "ES384" ? "secp384r1"
                                                   : "secp521r1";
  std::array<char, 64> group{};
  size_t chars = 0;
  if (EVP_PKEY_get_base_id(key.get()) != EVP_PKEY_EC ||
      EVP_PKEY_get_group_name(key.get(), group.data(), group.size(), &chars) != 1 ||
      std::string_view(group.data(), chars) != curve) {
    return config_error(std::string(algorithm) + " needs an elliptic curve key on " + curve);
  }
  return pem;
}

}  // namespace

Result<std::string> usable_jwt_key(std::string_view algorithm, std::string key) {
  if (key.size() > kJwtKeyBytesMax) return config_error("longer than any key");
  if (algorithm.starts_with("HS")) {
    const size_t bits = algorithm == "HS256" ? 256 : algorithm == "HS384" ? 384 : 512;
    return usable_secret(algorithm, bits, std::move(key));
  }
  if (key.find("PRIVATE KEY-----") != std::string::npos) {
    return config_error(
        "this is a private key, which only the issuer needs; the public one is what "
        "openssl pkey -in KEY -pubout prints");
  }
  const BioPtr text(BIO_new_mem_buf(key.data(), static_cast<int>(key.size())));
  if (!text) throw std::bad_alloc();
  const PublicKeyPtr parsed(PEM_read_bio_PUBKEY(text.get(), nullptr, nullptr, nullptr));
  ERR_clear_error();
  if (!parsed) {
    return config_error(std::string(algorithm) +
                        " needs a PEM public key (-----BEGIN PUBLIC KEY-----)");
  }
  return algorithm.starts_with("RS") ? usable_rsa(algorithm, parsed, std::move(key))
                                     : usable_ec(algorithm, parsed, std::move(key));
}

}  // namespace holdfast::proxy
