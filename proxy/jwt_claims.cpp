#include "proxy/jwt_claims.h"

#include <strings.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <optional>

#include "common/base64.h"
#include "common/json.h"
#include "common/limits.h"
#include "common/utf8.h"

namespace holdfast::proxy {
namespace {

constexpr char kBetweenIssuerAndValue = '|';
// Longer than any token is good for; keeps the moment within what can be added to.
constexpr std::chrono::hours kLifetimeMax{24 * 365};

Error refused(const char *why) { return Error{Errc::protocol, 0, why}; }

struct Parts {
  std::string_view header;
  std::string_view payload;
  std::string_view signature;
};

// Exactly three parts, none of them empty: an unsigned token ends in a dot.
std::optional<Parts> split(std::string_view token) {
  std::array<std::string_view, 3> parts;
  for (size_t i = 0; i < parts.size(); ++i) {
    const size_t dot = token.find('.');
    if ((dot == std::string_view::npos) != (i == 2)) return std::nullopt;
    parts[i] = token.substr(0, dot);
    if (parts[i].empty()) return std::nullopt;
    token.remove_prefix(std::min(token.size(), parts[i].size() + 1));
  }
  return Parts{parts[0], parts[1], parts[2]};
}

// A JSON object in base64url; null when it is anything else, or has a member twice.
JsonPtr object_of(std::string_view part) {
  const auto text = base64_decode(part, Base64::url);
  if (!text) return nullptr;
  auto value = json_parse(*text);
  if (!value || !json_is_object(value->get())) return nullptr;
  return std::move(*value);
}

// A NumericDate (RFC 7519 section 2): seconds, perhaps with a fraction. nullopt: not a number.
std::optional<double> date_of(const json_t *value) {
  if (!json_is_number(value)) return std::nullopt;
  const double seconds = json_number_value(value);
  return std::isfinite(seconds) ? std::optional(seconds) : std::nullopt;
}

double seconds_of(WallTime moment) {
  return std::chrono::duration<double>(moment.time_since_epoch()).count();
}

bool names(const json_t *value, const std::string &wanted) {
  return json_is_string(value) &&
         std::string_view(json_string_value(value), json_string_length(value)) == wanted;
}

// "aud" is one name, or an array of them (RFC 7519 section 4.1.3).
bool is_for(const json_t *audience, const std::string &wanted) {
  if (!json_is_array(audience)) return names(audience, wanted);
  for (size_t i = 0; i < json_array_size(audience); ++i) {
    if (names(json_array_get(audience, i), wanted)) return true;
  }
  return false;
}

// What logs and lists can show as it is: no control characters, of either kind.
bool is_showable(std::string_view text) {
  while (!text.empty()) {
    const auto first = static_cast<unsigned char>(text[0]);
    const bool c1 = first == 0xc2 && text.size() > 1 && static_cast<unsigned char>(text[1]) < 0xa0;
    if (first < 0x20 || first == 0x7f || c1) return false;
    text.remove_prefix(std::max<size_t>(utf8_char_bytes(text), 1));
  }
  return true;
}

Result<void> check_header(const JwtRules &rules, const json_t *header) {
  if (json_get_text(header, "alg") != rules.algorithm)
    return refused("the token is signed by another algorithm");
  // libjwt takes no other type; here a person learns so (RFC 9068's "at+jwt" is one).
  const bool typed = json_object_get(header, "typ") != nullptr;
  const std::string type = json_get_text(header, "typ").value_or("");
  if (typed && (type.size() != 3 || ::strcasecmp(type.c_str(), "JWT") != 0))
    return refused("the token's type is not JWT");
  // RFC 7515 section 4.1.11: extensions that must be understood; none is.
  if (json_object_get(header, "crit") != nullptr)
    return refused("the token needs an extension that is not had here");
  return {};
}

Result<WallTime> check_times(const JwtRules &rules, const json_t *payload, WallTime now) {
  const auto expiry = date_of(json_object_get(payload, "exp"));
  if (!expiry) return refused("the token has no expiry time");
  const double leeway_s = std::chrono::duration<double>(rules.leeway).count();
  const double left_s = *expiry + leeway_s - seconds_of(now);
  if (left_s <= 0) return refused("the token has expired");
  if (const json_t *not_before = json_object_get(payload, "nbf"); not_before != nullptr) {
    const auto begins = date_of(not_before);
    if (!begins || *begins - leeway_s > seconds_of(now))
      return refused("the token is not valid yet");
  }
  const std::chrono::duration<double> left(
      std::min(left_s, std::chrono::duration<double>(kLifetimeMax).count()));
  return now + std::chrono::floor<Millis>(left);
}

// The issuer stands first and has no "|": no two pairs of issuer and value are one user.
Result<std::string> user_of(const JwtRules &rules, const json_t *payload) {
  const json_t *issuer = json_object_get(payload, "iss");
  if (issuer != nullptr && !json_is_string(issuer)) return refused("the token's issuer is no name");
  std::string user = json_get_text(payload, "iss").value_or("");
  if (!rules.issuer.empty() && user != rules.issuer)
    return refused("the token is from another issuer");
  if (user.find(kBetweenIssuerAndValue) != std::string::npos)
    return refused("the token's issuer cannot be part of a user's name");
  const auto value = json_get_text(payload, rules.claim.c_str());
  if (!value || value->empty()) return refused("the token does not name its user");
  user += kBetweenIssuerAndValue;
  user += *value;
  if (user.size() > kUserBytesMax || !is_showable(user))
    return refused("the token's user is too long or not printable");
  return user;
}

}  // namespace

Result<JwtUser> read_jwt(const JwtRules &rules, std::string_view token, WallTime now) {
  if (token.size() > kJwtBytesMax) return Error{Errc::limit, 0, "the token is too long"};
  const auto parts = split(token);
  const auto signature = parts ? base64_decode(parts->signature, Base64::url) : std::nullopt;
  const JsonPtr header = signature ? object_of(parts->header) : nullptr;
  const JsonPtr payload = header ? object_of(parts->payload) : nullptr;
  if (!payload) return refused("the token is malformed");
  const auto known = check_header(rules, header.get());
  if (!known) return known.error();
  const auto expires = check_times(rules, payload.get(), now);
  if (!expires) return expires.error();
  if (!rules.audience.empty() && !is_for(json_object_get(payload.get(), "aud"), rules.audience))
    return refused("the token is for another audience");
  auto user = user_of(rules, payload.get());
  if (!user) return user.error();
  return JwtUser{std::move(*user), *expires};
}

}  // namespace holdfast::proxy
