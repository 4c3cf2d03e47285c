#include "tests/support/tokens.h"

#include <openssl/bio.h>
#include <openssl/ec.h>
#include <openssl/hmac.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>

#include <array>
#include <ctime>
#include <utility>
#include <vector>

#include "tests/support/hf_test.h"

namespace holdfast::test {
namespace {

using BioPtr = std::unique_ptr<BIO, CDeleter<BIO_free>>;
using SignaturePtr = std::unique_ptr<ECDSA_SIG, CDeleter<ECDSA_SIG_free>>;
using DigestContext = std::unique_ptr<EVP_MD_CTX, CDeleter<EVP_MD_CTX_free>>;

const unsigned char *bytes_of(std::string_view text) {
  return static_cast<const unsigned char *>(static_cast<const void *>(text.data()));
}

std::string text_of(const std::vector<unsigned char> &bytes) {
  return {bytes.begin(), bytes.end()};
}

std::string text_of(const BioPtr &bio) {
  char *at = nullptr;
  const long count = BIO_get_mem_data(bio.get(), &at);
  return {at, static_cast<size_t>(count)};
}

// RFC 7518 section 3.4: R and S side by side, each as wide as the curve.
std::string raw_signature(const std::vector<unsigned char> &der, size_t width) {
  const unsigned char *at = der.data();
  const SignaturePtr parsed(d2i_ECDSA_SIG(nullptr, &at, static_cast<long>(der.size())));
  HF_CHECK(parsed != nullptr);
  std::vector<unsigned char> raw(2 * width);
  (void)BN_bn2binpad(ECDSA_SIG_get0_r(parsed.get()), raw.data(), static_cast<int>(width));
  (void)BN_bn2binpad(ECDSA_SIG_get0_s(parsed.get()), raw.data() + width, static_cast<int>(width));
  return text_of(raw);
}

}  // namespace

std::string base64url(std::string_view bytes) {
  std::vector<unsigned char> out(bytes.size() / 3 * 4 + 5);
  const int count = EVP_EncodeBlock(out.data(), bytes_of(bytes), static_cast<int>(bytes.size()));
  std::string text(out.begin(), out.begin() + count);
  for (char &c : text) c = c == '+' ? '-' : c == '/' ? '_' : c;
  text.erase(text.find_last_not_of('=') + 1);
  return text;
}

TokenSigner::TokenSigner(std::string algorithm, std::string key, Key private_key)
    : algorithm_(std::move(algorithm)), key_(std::move(key)), private_(std::move(private_key)) {
  if (private_ == nullptr) return;
  const BioPtr bio(BIO_new(BIO_s_mem()));
  HF_CHECK(PEM_write_bio_PUBKEY(bio.get(), private_.get()) == 1);
  key_ = text_of(bio);
}

TokenSigner TokenSigner::hmac(const std::string &algorithm, std::string secret) {
  return {algorithm, std::move(secret), nullptr};
}

TokenSigner TokenSigner::rsa(const std::string &algorithm, unsigned bits) {
  return {algorithm, "", Key(EVP_RSA_gen(bits))};
}

TokenSigner TokenSigner::ec(const std::string &algorithm, std::string curve) {
  if (curve.empty()) {
    curve = algorithm == "ES256" ? "prime256v1" : algorithm == "ES384" ? "secp384r1" : "secp521r1";
  }
  return {algorithm, "", Key(EVP_EC_gen(curve.c_str()))};
}

std::string TokenSigner::private_pem() const {
  const BioPtr bio(BIO_new(BIO_s_mem()));
  HF_CHECK(PEM_write_bio_PrivateKey(bio.get(), private_.get(), nullptr, nullptr, 0, nullptr,
                                    nullptr) == 1);
  return text_of(bio);
}

const EVP_MD *TokenSigner::digest() const {
  return algorithm_.ends_with("256")   ? EVP_sha256()
         : algorithm_.ends_with("384") ? EVP_sha384()
                                       : EVP_sha512();
}

std::string TokenSigner::signature(std::string_view signed_text) const {
  if (private_ == nullptr) {
    std::array<unsigned char, EVP_MAX_MD_SIZE> mac;
    unsigned count = 0;
    HF_CHECK(HMAC(digest(), key_.data(), static_cast<int>(key_.size()), bytes_of(signed_text),
                  signed_text.size(), mac.data(), &count) != nullptr);
    return base64url(std::string(mac.begin(), mac.begin() + count));
  }
  const DigestContext context(EVP_MD_CTX_new());
  HF_CHECK(EVP_DigestSignInit(context.get(), nullptr, digest(), nullptr, private_.get()) == 1);
  size_t count = 0;
  const auto *text = bytes_of(signed_text);
  HF_CHECK(EVP_DigestSign(context.get(), nullptr, &count, text, signed_text.size()) == 1);
  std::vector<unsigned char> made(count);
  HF_CHECK(EVP_DigestSign(context.get(), made.data(), &count, text, signed_text.size()) == 1);
  made.resize(count);
  if (!algorithm_.starts_with("ES")) return base64url(text_of(made));
  const auto bits = static_cast<size_t>(EVP_PKEY_get_bits(private_.get()));
  return base64url(raw_signature(made, (bits + 7) / 8));
}

std::string TokenSigner::sign(std::string_view payload, std::string header) const {
  if (header.empty()) header = R"({"alg":")" + algorithm_ + R"(","typ":"JWT"})";
  const std::string text = base64url(header) + "." + base64url(payload);
  return text + "." + signature(text);
}

std::string claims(std::string_view user, int64_t lifetime_s, std::string_view more) {
  return R"({"iss":"https://issuer","aud":"mcp","sub":")" + std::string(user) + R"(","exp":)" +
         std::to_string(std::time(nullptr) + lifetime_s) + std::string(more) + "}";
}

}  // namespace holdfast::test
