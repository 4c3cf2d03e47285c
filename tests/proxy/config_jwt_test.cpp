// session_user jwt and the jwt_* directives: what they build, what a location inherits, and that
// every mistake in them is told with its place, without a byte of a key.
#include "proxy/config.h"
#include "tests/support/hf_test.h"
#include "tests/support/memory_conf_source.h"
#include "tests/support/tokens.h"

using namespace holdfast;
using namespace holdfast::proxy;
using holdfast::test::claims;
using holdfast::test::MemoryConfSource;
using holdfast::test::request_for;
using holdfast::test::TokenSigner;

namespace {

const TokenSigner &rsa() {
  static const TokenSigner made = TokenSigner::rsa("RS256");
  return made;
}
const TokenSigner &hmac() {
  static const TokenSigner made = TokenSigner::hmac("HS256", "zzzqqq" + std::string(26, 's'));
  return made;
}

struct World {
  MemoryConfSource source;
  ConfRequest request = request_for("proxy.conf");

  explicit World(const std::string &conf) {
    source.files[request.path] = conf;
    source.files["/etc/holdfast/rsa.pem"] = rsa().key();
    source.files["/etc/holdfast/own.pem"] = rsa().private_pem();
    source.files["/etc/holdfast/secret"] = hmac().key() + "\n";
    source.files["/etc/holdfast/short"] = "zzzqqq";
    source.files["/etc/holdfast/empty"] = "";
  }
  LoadedConf<Config> load() { return load_config(request, source); }
  std::string findings() {
    const auto loaded = load();
    return loaded.report.text(loaded.tree.files, "t");
  }
  Config config() {
    const auto loaded = load();
    if (!loaded.config) HF_FAIL(loaded.report.text(loaded.tree.files, "t"));
    return *loaded.config;
  }
};

constexpr const char *kRsa = "jwt_key_file rsa.pem; jwt_algorithm RS256; jwt_audience mcp; ";
constexpr const char *kPass = "proxy_pass http://127.0.0.1:1; ";

World in_location(const std::string &lines) {
  return World("server { listen 127.0.0.1:8080;\nlocation / { " + std::string(kPass) + "\n" +
               lines + "\n} }");
}
bool has(const std::string &text, const std::string &part) {
  return text.find(part) != std::string::npos;
}
size_t count_of(const std::string &text, const std::string &part) {
  size_t count = 0;
  for (size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++count;
  return count;
}

#define HF_SAYS(world, part)                            \
  do {                                                  \
    const std::string text_ = (world).findings();       \
    if (!has(text_, (part))) HF_FAIL("said: " + text_); \
  } while (0)

std::string user_by(const Location &location, const std::string &token) {
  const auto user = location.settings.session_user.jwt->verify(token, SystemClock().wall());
  return user ? user->user : user.error().message;
}

}  // namespace

HF_TEST(a_location_verifies_by_what_it_and_the_levels_above_it_say) {
  const Config config =
      World(std::string("http { ") + kRsa +
            " server { listen 127.0.0.1:8080; session_user jwt sub; " + "location / { " + kPass +
            "} " + "location /mail/ { session_user jwt email; jwt_issuer https://issuer; " + kPass +
            "} " + "location /own/ { jwt_key_file secret; jwt_algorithm HS256; " + kPass + "} " +
            "location /open/ { session_user none; " + kPass + "} } }")
          .config();
  const auto &locations = config.servers[0].locations;  // the longest first
  HF_EQ(locations[0].path, "/mail/");
  const std::string token = rsa().sign(claims("alice", 300, R"(,"email":"a@b")"));
  HF_EQ(user_by(locations[0], token), "https://issuer|a@b");
  HF_CHECK(locations[1].settings.session_user.jwt == nullptr);  // /open/
  HF_EQ(user_by(locations[2], token), "the token is signed by another algorithm");
  HF_EQ(user_by(locations[2], hmac().sign(claims("bob"))), "https://issuer|bob");
  HF_EQ(user_by(locations[3], token), "https://issuer|alice");
}

HF_TEST(locations_that_say_the_same_share_a_verifier_and_no_key_is_kept_elsewhere) {
  const Config config = World(std::string("session_user jwt sub; ") + kRsa +
                              "server { listen 127.0.0.1:8080; location /a/ { " + kPass +
                              "} location /b/ { " + kPass + "} }")
                            .config();
  const Server &server = config.servers[0];
  HF_CHECK(server.locations[0].settings.session_user.jwt ==
           server.locations[1].settings.session_user.jwt);
  HF_CHECK(server.settings.jwt.key.empty());
  for (const Location &location : server.locations) HF_CHECK(location.settings.jwt.key.empty());
}

HF_TEST(what_is_missing_is_named) {
  HF_SAYS(in_location("session_user jwt;"),
          "\"session_user jwt\" needs the name of the claim in proxy.conf:3:1");
  HF_SAYS(in_location("session_user jwt sub;"), "\"session_user jwt\" needs \"jwt_key_file\"");
  HF_SAYS(in_location("session_user jwt sub; jwt_key_file rsa.pem;"),
          "\"session_user jwt\" needs \"jwt_algorithm\"");
  HF_SAYS(in_location("jwt_key_file nothere.pem;"),
          "cannot load key: open() \"/etc/holdfast/nothere.pem\" failed");
  HF_SAYS(in_location("jwt_key_file empty;"), "the key file \"empty\" is empty");
}

HF_TEST(an_algorithm_is_one_of_the_known_and_never_none) {
  HF_SAYS(in_location("jwt_algorithm none;"), "\"none\" is not one of HS256, HS384");
  HF_SAYS(in_location("jwt_algorithm RS256 HS256;"), "takes 1 argument");
}

HF_TEST(a_key_that_does_not_fit_is_told_once_with_its_place) {
  HF_SAYS(in_location("session_user jwt sub;\njwt_key_file rsa.pem; jwt_algorithm HS256;"),
          "\"rsa.pem\": HS256 signs with a secret, and this is a PEM file: whoever knows a public "
          "key could sign with it in proxy.conf:4:14");
  HF_SAYS(in_location("session_user jwt sub; jwt_key_file own.pem; jwt_algorithm RS256;"),
          "this is a private key");
  HF_SAYS(in_location("session_user jwt sub; jwt_key_file rsa.pem; jwt_algorithm ES256;"),
          "ES256 needs an elliptic curve key on prime256v1");
  World twice(std::string("session_user jwt sub; jwt_key_file short; jwt_algorithm HS256;") +
              "server { listen 127.0.0.1:8080; location /a/ { " + kPass + "} location /b/ { " +
              kPass + "} }");
  const std::string text = twice.findings();
  HF_EQ(count_of(text, "needs a secret of at least 32 bytes, this one has 6"), 1U);
  HF_CHECK(!has(text, "zzzqqq"));
}

HF_TEST(a_missing_audience_is_worth_a_warning) {
  World world = in_location("session_user jwt sub; jwt_key_file rsa.pem; jwt_algorithm RS256;");
  HF_CHECK(world.load().config != nullptr);
  HF_SAYS(world, "[warn] without \"jwt_audience\" tokens that were made for other services");
  World fine = in_location("session_user jwt sub; " + std::string(kRsa));
  HF_EQ(fine.findings(), "");
}

HF_TEST(a_child_builds_the_same_from_what_its_master_read) {
  World world = in_location("session_user jwt sub; " + std::string(kRsa));
  ConfBundle bundle;
  bundle.request = world.request;
  bundle.record(ConfBundle::Kind::file, world.request.path,
                {world.source.files[world.request.path]});
  bundle.record(ConfBundle::Kind::file, "/etc/holdfast/rsa.pem", {rsa().key()});
  BundleConfSource source(bundle);
  const auto loaded = load_config(bundle.request, source);
  HF_CHECK(loaded.config != nullptr);
  HF_EQ(user_by(loaded.config->servers[0].locations[0], rsa().sign(claims("alice"))),
        "https://issuer|alice");
}

int main() {
  const CMUnitTest tests[] = {
      HF_UNIT(a_location_verifies_by_what_it_and_the_levels_above_it_say),
      HF_UNIT(locations_that_say_the_same_share_a_verifier_and_no_key_is_kept_elsewhere),
      HF_UNIT(what_is_missing_is_named),
      HF_UNIT(an_algorithm_is_one_of_the_known_and_never_none),
      HF_UNIT(a_key_that_does_not_fit_is_told_once_with_its_place),
      HF_UNIT(a_missing_audience_is_worth_a_warning),
      HF_UNIT(a_child_builds_the_same_from_what_its_master_read),
  };
  return HF_RUN(tests);
}
