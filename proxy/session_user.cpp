#include "proxy/session_user.h"

#include <openssl/evp.h>
#include <strings.h>

#include <algorithm>
#include <array>

#include "common/limits.h"

namespace holdfast::proxy {
namespace {

constexpr std::string_view kBearer = "bearer ";

std::string sha256_hex(std::string_view text) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest;
  unsigned bytes = 0;
  if (EVP_Digest(text.data(), text.size(), digest.data(), &bytes, EVP_sha256(), nullptr) != 1)
    return "-";
  std::string hex;
  for (unsigned i = 0; i < bytes; ++i) {
    hex += "0123456789abcdef"[digest[i] >> 4];
    hex += "0123456789abcdef"[digest[i] & 15];
  }
  return hex;
}

bool is_printable(std::string_view value) {
  return std::all_of(value.begin(), value.end(), [](char c) { return c >= 0x20 && c < 0x7f; });
}

std::optional<std::string> from_header(const std::string &name, const http::RequestHead &head) {
  std::optional<std::string> user;
  for (const http::Field &field : head.fields.all()) {
    if (field.name.size() != name.size() ||
        ::strncasecmp(field.name.data(), name.data(), name.size()) != 0) {
      continue;
    }
    if (user || field.value.size() > kUserBytesMax || !is_printable(field.value))
      return std::nullopt;
    user = field.value;
  }
  return !user || user->empty() ? "-" : user;
}

}  // namespace

std::optional<std::string> session_user(const SessionUser &rule, const http::RequestHead &head,
                                        bool trusted, std::string_view peer_ip) {
  switch (rule.kind) {
    case SessionUser::Kind::none:
      return "-";
    case SessionUser::Kind::ip:
      return std::string(peer_ip);
    case SessionUser::Kind::header:
      return trusted ? from_header(rule.header, head) : std::optional<std::string>("-");
    case SessionUser::Kind::bearer: {
      const std::string_view token = bearer_token(head);
      return token.empty() ? "-" : sha256_hex(token);
    }
    case SessionUser::Kind::jwt:
      break;
  }
  return std::nullopt;
}

std::string_view bearer_token(const http::RequestHead &head) noexcept {
  const std::string_view value = head.fields.value(http::FieldId::authorization);
  const bool bearer = value.size() > kBearer.size() &&
                      ::strncasecmp(value.data(), kBearer.data(), kBearer.size()) == 0;
  return bearer ? value.substr(kBearer.size()) : std::string_view();
}

}  // namespace holdfast::proxy
