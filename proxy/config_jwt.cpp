// jwt_*: from the directives in force at a location to what verifies its tokens. Keys are read
// through the ConfSource, so that the child gets them from the master; a level keeps one only while
// it is loaded.
#include <openssl/crypto.h>

#include "common/units.h"
#include "proxy/config_builder.h"

namespace holdfast::proxy {

namespace {

std::string in_quotes(std::string_view text) { return '"' + std::string(text) + '"'; }

}  // namespace

bool ConfigBuilder::read_jwt_setting(JwtSettings &jwt, const ConfDirective &directive) {
  const std::string_view name = directive.row->name;
  if (!name.starts_with("jwt_")) return false;
  const ConfWord &word = directive.args.front();
  if (name == "jwt_key_file") {
    auto text = source_.read_file(request_.resolve(word.text));
    if (!text) fail(word.span, "cannot load key: " + text.error().message);
    if (text && text->empty())
      fail(word.span, "the key file " + in_quotes(word.text) + " is empty");
    jwt.key = text ? std::move(*text) : "";
    jwt.key_path = word.text;
    jwt_key_spans_[word.text] = word.span;
  } else if (name == "jwt_algorithm") {
    jwt.rules.algorithm = word.text;
  } else if (name == "jwt_leeway") {
    jwt.rules.leeway = *parse_duration(word.text);
  } else {
    (name == "jwt_issuer" ? jwt.rules.issuer : jwt.rules.audience) = word.text;
  }
  return true;
}

// One verifier for all locations that say the same, and one report of what is wrong with it.
void ConfigBuilder::make_jwt_verifier(Location &location, const ConfDirective &block) {
  JwtSettings jwt = std::exchange(location.settings.jwt, {});
  SessionUser &user = location.settings.session_user;
  if (user.kind != SessionUser::Kind::jwt) return;
  for (const auto &[given, name] : {std::pair{!jwt.key_path.empty(), "jwt_key_file"},
                                    std::pair{!jwt.rules.algorithm.empty(), "jwt_algorithm"}}) {
    if (!given)
      fail(block.span(), "\"session_user jwt\" needs \"" + std::string(name) + "\" here or above");
  }
  if (jwt.key.empty() || jwt.rules.algorithm.empty()) return;
  std::string key = jwt.key_path;
  for (const std::string *text :
       {&jwt.rules.algorithm, &jwt.rules.issuer, &jwt.rules.audience, &jwt.rules.claim})
    key += '\0' + *text;
  key += '\0' + std::to_string(jwt.rules.leeway.count());
  const auto [known, is_new] = jwt_verifiers_.try_emplace(key);
  if (is_new) {
    const ConfSpan span = jwt_key_spans_[jwt.key_path];
    if (jwt.rules.audience.empty()) {
      report_.warning(span,
                      "without \"jwt_audience\" tokens that were made for other services are "
                      "accepted");
    }
    auto verifier = JwtVerifier::create(std::move(jwt.rules), std::move(jwt.key));
    if (verifier) {
      known->second = std::move(*verifier);
    } else {
      fail(span, in_quotes(jwt.key_path) + ": " + verifier.error().message);
    }
  }
  OPENSSL_cleanse(jwt.key.data(), jwt.key.size());
  user.jwt = known->second;
}

}  // namespace holdfast::proxy
