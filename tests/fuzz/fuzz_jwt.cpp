// Tokens of any bytes. As they are: what is believed has the signature OpenSSL computes for it.
// And signed by us, so that the search gets behind the signature: whoever is believed then has a
// name that can be shown and has not expired.
// Input: a byte that chooses, then a token, or a header and after a line feed a payload.
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <array>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <string_view>

#include "common/limits.h"
#include "proxy/jwt_verifier.h"

using namespace holdfast;
using namespace holdfast::proxy;

static const std::string kSecret(32, 's');
static constexpr WallTime kNow{std::chrono::seconds{1'790'000'000}};

static void require(bool holds, const char *what) {
  if (holds) return;
  (void)std::fprintf(stderr, "fuzz_jwt: %s\n", what);
  std::abort();
}

static std::string base64url(std::string_view bytes) {
  std::string text(bytes.size() / 3 * 4 + 5, '\0');
  const auto *from = static_cast<const unsigned char *>(static_cast<const void *>(bytes.data()));
  auto *to = static_cast<unsigned char *>(static_cast<void *>(text.data()));
  text.resize(static_cast<size_t>(EVP_EncodeBlock(to, from, static_cast<int>(bytes.size()))));
  for (char &c : text) c = c == '+' ? '-' : c == '/' ? '_' : c;
  while (text.ends_with('=')) text.pop_back();
  return text;
}

static std::string signature_of(std::string_view text) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> mac;
  unsigned count = 0;
  const auto *from = static_cast<const unsigned char *>(static_cast<const void *>(text.data()));
  (void)HMAC(EVP_sha256(), kSecret.data(), static_cast<int>(kSecret.size()), from, text.size(),
             mac.data(), &count);
  return base64url(std::string(mac.begin(), mac.begin() + count));
}

static const JwtVerifier &verifier() {
  static const std::shared_ptr<const JwtVerifier> made = [] {
    JwtRules rules;
    rules.algorithm = "HS256";
    rules.claim = "sub";
    auto created = JwtVerifier::create(rules, kSecret);
    require(bool(created), "no verifier");
    return *created;
  }();
  return *made;
}

static void check(const std::string &token) {
  const auto user = verifier().verify(token, kNow);
  if (!user) {
    require(!user.error().message.empty() && user.error().message.size() < 100, "no fixed reason");
    return;
  }
  const size_t dot = token.rfind('.');
  require(token.substr(dot + 1) == signature_of(token.substr(0, dot)),
          "a forged token is believed");
  require(user->expires > kNow, "an expired token is believed");
  require(user->user.size() <= kUserBytesMax && user->user.find('|') != std::string::npos,
          "the user is no name");
  for (const char c : user->user) require(c < 0 || (c >= 0x20 && c != 0x7f), "a control character");
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  if (size == 0) return 0;
  const std::string_view input(static_cast<const char *>(static_cast<const void *>(data)), size);
  const std::string_view rest = input.substr(1);
  if (input[0] % 2 == 0) {
    check(std::string(rest));
    return 0;
  }
  const std::string_view header = rest.substr(0, rest.find('\n'));
  const std::string_view payload = rest.substr(std::min(rest.size(), header.size() + 1));
  const std::string text = base64url(header) + "." + base64url(payload);
  check(text + "." + signature_of(text));
  return 0;
}
