// ssl directives of a configuration: what they build, what a server inherits, and that every
// mistake in them is told with its place.
#include "proxy/config.h"
#include "tests/support/certificates.h"
#include "tests/support/hf_test.h"
#include "tests/support/memory_conf_source.h"

using namespace holdfast;
using namespace holdfast::proxy;
using holdfast::test::Authority;
using holdfast::test::Identity;
using holdfast::test::MemoryConfSource;
using holdfast::test::request_for;

namespace {

const Authority &authority() {
  static const Authority made;
  return made;
}

struct World {
  MemoryConfSource source;
  ConfRequest request = request_for("proxy.conf");

  explicit World(const std::string &conf) {
    static const Identity a = authority().issue({"DNS:a.example"});
    static const Identity b = authority().issue({"DNS:b.example"});
    source.files[request.path] = conf;
    source.files["/etc/holdfast/a.pem"] = a.certificate + authority().pem();
    source.files["/etc/holdfast/a.key"] = a.key;
    source.files["/etc/holdfast/b.pem"] = b.certificate;
    source.files["/etc/holdfast/b.key"] = b.key;
    source.files["/etc/holdfast/both.pem"] = b.certificate + b.key;
    source.files["/etc/holdfast/text.pem"] = "nothing of the kind\n";
    source.files["/etc/holdfast/locked.key"] =
        "-----BEGIN ENCRYPTED PRIVATE KEY-----\nMIIB\n-----END ENCRYPTED PRIVATE KEY-----\n";
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

constexpr const char *kPairA = "ssl_certificate a.pem; ssl_certificate_key a.key; ";
constexpr const char *kPairB = "ssl_certificate b.pem; ssl_certificate_key b.key; ";
constexpr const char *kAnswer = "location / { return 204; } ";

World tls_server(const std::string &lines) {
  return World("server { listen 127.0.0.1:8443 ssl;\n" + lines + "\n" + kAnswer + "}");
}
World proxy_pass(const std::string &url, const std::string &location = {},
                 const std::string &server = {}) {
  World world("server { listen 127.0.0.1:8080; " + server + "\nlocation / { proxy_pass " + url +
              "; " + location + " } }");
  world.source.hosts["mcp.example"] = {"10.0.0.1"};
  return world;
}
bool has(const std::string &text, const std::string &part) {
  return text.find(part) != std::string::npos;
}

#define HF_SAYS(world, part)                            \
  do {                                                  \
    const std::string text_ = (world).findings();       \
    if (!has(text_, (part))) HF_FAIL("said: " + text_); \
  } while (0)

}  // namespace

HF_TEST(a_server_that_listens_with_ssl_has_a_context) {
  const Config config = tls_server(kPairA).config();
  HF_CHECK(config.listeners[0].tls);
  HF_CHECK(bool(config.servers[0].tls));
  HF_CHECK(config.warnings.empty());
}

HF_TEST(a_server_without_ssl_has_none) {
  const Config config =
      World(std::string("server { listen 127.0.0.1:8080; ") + kAnswer + "}").config();
  HF_CHECK(!config.listeners[0].tls);
  HF_CHECK(!config.servers[0].tls);
}

HF_TEST(servers_inherit_certificates_and_share_the_context) {
  const std::string servers = std::string("server { listen 127.0.0.1:8443 ssl; ") + kAnswer +
                              "} server { listen 127.0.0.1:8444 ssl; " + kAnswer +
                              "} server { listen 127.0.0.1:8445 ssl; " + kPairB + kAnswer + "}";
  for (const std::string &conf :
       {kPairA + servers, "http { " + std::string(kPairA) + servers + " }"}) {
    const Config config = World(conf).config();
    HF_CHECK(config.servers[0].tls.get() == config.servers[1].tls.get());
    HF_CHECK(config.servers[0].tls.get() != config.servers[2].tls.get());
  }
}

HF_TEST(certificate_and_key_may_be_in_one_file) {
  HF_CHECK(bool(tls_server("ssl_certificate both.pem; ssl_certificate_key both.pem;")
                    .config()
                    .servers[0]
                    .tls));
}

HF_TEST(several_pairs_go_together_in_their_order) {
  HF_CHECK(bool(tls_server(std::string(kPairA) + kPairB).config().servers[0].tls));
  HF_SAYS(tls_server("ssl_certificate a.pem; ssl_certificate b.pem;"
                     "ssl_certificate_key b.key; ssl_certificate_key a.key;"),
          "\"b.key\": the key is not that of the certificate in proxy.conf:2:66");
  HF_SAYS(tls_server(std::string(kPairA) + "ssl_certificate b.pem;"),
          "there is no \"ssl_certificate_key\" for this certificate in proxy.conf:2:67");
}

HF_TEST(a_server_on_a_tls_address_needs_a_certificate) {
  HF_SAYS(tls_server(""),
          "no \"ssl_certificate\" for \"listen 127.0.0.1:8443 ssl\" in proxy.conf:1:1");
}

HF_TEST(files_that_are_missing_or_wrong_are_told_with_their_place) {
  HF_SAYS(tls_server("ssl_certificate no.pem; ssl_certificate_key a.key;"),
          "cannot load certificate: open() \"/etc/holdfast/no.pem\" failed (No such file or "
          "directory) in proxy.conf:2:17");
  HF_SAYS(tls_server("ssl_certificate a.pem; ssl_certificate_key no.key;"),
          "cannot load key: open() \"/etc/holdfast/no.key\" failed (No such file or directory) in "
          "proxy.conf:2:44");
  HF_SAYS(tls_server("ssl_certificate text.pem; ssl_certificate_key a.key;"),
          "cannot load certificate \"text.pem\": it holds no certificate in PEM form in "
          "proxy.conf:2:17");
  HF_SAYS(tls_server("ssl_certificate a.pem; ssl_certificate_key b.pem;"),
          "cannot load key \"b.pem\": it holds no private key in PEM form in proxy.conf:2:44");
  HF_SAYS(tls_server("ssl_certificate a.pem; ssl_certificate_key locked.key;"),
          "the key is under a passphrase");
  HF_SAYS(tls_server("ssl_certificate a.pem; ssl_certificate_key b.key;"),
          "cannot load key \"b.key\": the key is not that of the certificate in proxy.conf:2:44");
}

HF_TEST(no_message_shows_what_a_key_file_holds) {
  World world = tls_server("ssl_certificate a.pem; ssl_certificate_key b.key;");
  const std::string secret = world.source.files["/etc/holdfast/b.key"].substr(40, 40);
  HF_CHECK(!has(world.findings(), secret));
}

HF_TEST(protocols_and_ciphers_are_checked) {
  const std::string pair = kPairA;
  HF_CHECK(bool(tls_server(pair + "ssl_protocols TLSv1.3; ssl_ciphers ECDHE+AESGCM;"
                                  "ssl_prefer_server_ciphers on; ssl_session_tickets off;"
                                  "ssl_session_timeout 1h;")
                    .config()
                    .servers[0]
                    .tls));
  HF_SAYS(tls_server(pair + "ssl_protocols TLSv1.1 TLSv1.2;"),
          "\"TLSv1.1\" is not spoken here; write TLSv1.2 TLSv1.3 in proxy.conf:2:65");
  HF_SAYS(tls_server(pair + "ssl_ciphers nonsense;"),
          "\"ssl_ciphers\": no cipher match in proxy.conf:2:63");
  HF_SAYS(tls_server(pair + "ssl_session_cache shared:a:1m;"),
          "\"ssl_session_cache\" is not supported by this version");
}

HF_TEST(an_address_speaks_tls_for_all_its_servers_or_for_none) {
  HF_SAYS(World(std::string("server { listen 127.0.0.1:8443 ssl; ") + kPairA + kAnswer +
                "}\nserver { listen 127.0.0.1:8443; " + kAnswer + "}"),
          "\"ssl\" must stand at every \"listen 127.0.0.1:8443\", or at none in proxy.conf:2:17");
}

HF_TEST(what_only_the_default_server_can_say_is_told) {
  const std::string first = std::string("server { listen 127.0.0.1:8443 ssl; ") + kPairA + kAnswer;
  const std::string second =
      std::string("}\nserver { listen 127.0.0.1:8443 ssl; server_name b; ") + kPairB + kAnswer;
  const Config config = World(first + second + "ssl_protocols TLSv1.3; }").config();
  HF_EQ(config.warnings.size(), 1u);
  HF_CHECK(has(config.warnings[0], "\"ssl_protocols\" has no effect on 127.0.0.1:8443"));
  HF_CHECK(World(first + second + "ssl_protocols TLSv1.2 TLSv1.3; }").config().warnings.empty());
}

HF_TEST(the_bundle_of_the_master_holds_all_that_the_child_needs) {
  // What the child builds it builds from recorded answers alone.
  World world = tls_server(kPairA);
  ConfBundle bundle;
  bundle.request = world.request;
  for (const auto &[path, text] : world.source.files)
    bundle.record(ConfBundle::Kind::file, path, {text});
  const auto handed_over = ConfBundle::parse(bundle.serialise());
  HF_CHECK(bool(handed_over));
  BundleConfSource source(*handed_over);
  const auto loaded = load_config(handed_over->request, source);
  HF_CHECK(loaded.config && loaded.config->servers[0].tls);
}

HF_TEST(https_to_a_backend_verifies_with_the_systems_authorities) {
  World world = proxy_pass("https://mcp.example:8443");
  HF_SAYS(world, "this system has no list of authorities (ca-certificates)");
  world.source.files["/etc/ssl/certs/ca-certificates.crt"] = authority().pem();
  const Config config = world.config();
  HF_EQ(config.upstreams.size(), 1u);
  const Upstream &upstream = config.upstreams[0];
  HF_EQ(upstream.name, "https://mcp.example:8443");
  HF_EQ(upstream.servers[0].host, "mcp.example");
  HF_CHECK(upstream.tls && upstream.tls->context && upstream.tls->send_name);
  HF_EQ(upstream.tls->name, "");
  World named = proxy_pass("https://mcp.example");
  named.source.variables["SSL_CERT_FILE"] = "/etc/holdfast/a.pem";
  HF_EQ(named.config().upstreams[0].servers[0].addresses[0].port(), 443);
}

HF_TEST(every_proxy_ssl_setting_is_read_and_inherited) {
  World world = proxy_pass("https://mcp.example", "proxy_ssl_name Other.Example;",
                           "proxy_ssl_trusted_certificate a.pem; proxy_ssl_server_name off;"
                           "proxy_ssl_certificate b.pem; proxy_ssl_certificate_key b.key;"
                           "proxy_ssl_protocols TLSv1.3; proxy_ssl_session_reuse off;");
  const Config config = world.config();
  const UpstreamTls &tls = *config.upstreams[0].tls;
  HF_EQ(tls.name, "other.example");
  HF_CHECK(!tls.send_name && !tls.resumes);
  HF_CHECK(proxy_pass("https://mcp.example", "proxy_ssl_verify off;").config().upstreams[0].tls);
}

HF_TEST(one_upstream_may_be_spoken_to_in_several_ways) {
  World world(
      "upstream u { server 127.0.0.1:1; }\n"
      "proxy_ssl_verify off;\n"
      "server { listen 80;"
      " location /a { proxy_pass https://u; }"
      " location /b { proxy_pass https://u; proxy_ssl_name b; }"
      " location /c { proxy_pass https://u; }"
      " location /d { proxy_pass http://u; } }");
  const Config both = world.config();
  HF_EQ(both.upstreams.size(), 3u);
  const auto &locations = both.servers[0].locations;
  HF_EQ(locations[0].pass.upstream, locations[2].pass.upstream);
  HF_CHECK(locations[0].pass.upstream != locations[1].pass.upstream);
  HF_EQ(both.upstreams[locations[0].pass.upstream].name, "https://u");
  HF_EQ(both.upstreams[locations[1].pass.upstream].name, "https://u#2");
  HF_EQ(both.upstreams[locations[3].pass.upstream].name, "u");
  HF_CHECK(!both.upstreams[locations[3].pass.upstream].tls);
}

HF_TEST(what_is_only_spoken_to_by_tls_is_there_once) {
  const Config config = World(
                            "upstream v { server 127.0.0.1:2; }"
                            "upstream u { server 127.0.0.1:1; }"
                            "server { listen 80; proxy_ssl_verify off;"
                            " location / { proxy_pass https://u; }"
                            " location /v { proxy_pass http://v; } }")
                            .config();
  HF_EQ(config.upstreams.size(), 2u);
  for (const Location &location : config.servers[0].locations) {
    HF_EQ(config.upstreams[location.pass.upstream].name, location.path == "/" ? "https://u" : "v");
  }
}

HF_TEST(a_renewed_file_changes_the_fingerprint_and_not_the_identity) {
  World world = proxy_pass("https://mcp.example", "proxy_ssl_trusted_certificate a.pem;");
  const UpstreamTls before = *world.config().upstreams[0].tls;
  HF_CHECK(world.config().upstreams[0].tls->fingerprint == before.fingerprint);
  world.source.files["/etc/holdfast/a.pem"] = Authority("The next one").pem();
  const UpstreamTls after = *world.config().upstreams[0].tls;
  HF_CHECK(after.fingerprint != before.fingerprint);
  HF_EQ(after.identity, before.identity);
}

HF_TEST(mistakes_in_proxy_ssl_are_told_with_their_place) {
  HF_SAYS(proxy_pass("https://mcp.example", "proxy_ssl_trusted_certificate no.pem;"),
          "failed (No such file or directory) in proxy.conf:2:76");
  HF_SAYS(proxy_pass("https://mcp.example", "proxy_ssl_trusted_certificate a.key;"),
          "cannot load certificate: it holds no certificate in PEM form in proxy.conf:2:76");
  const std::string off = "proxy_ssl_verify off; ";
  HF_SAYS(proxy_pass("https://mcp.example", off + "proxy_ssl_certificate a.pem;"),
          "\"proxy_ssl_certificate\" and \"proxy_ssl_certificate_key\" go together");
  HF_SAYS(proxy_pass("https://mcp.example",
                     off + "proxy_ssl_certificate a.pem; proxy_ssl_certificate_key b.key;"),
          "the key is not that of the certificate");
  HF_SAYS(proxy_pass("https://mcp.example", off + "proxy_ssl_name a:1;"), "is not a name");
  HF_SAYS(proxy_pass("https://mcp.example/x", off), "write https://mcp.example in");
  HF_SAYS(proxy_pass("htps://mcp.example", off), "invalid URL prefix");
  HF_SAYS(proxy_pass("https://mcp.example", "proxy_ssl_crl x;"), "is not supported");
}

int main() {
  const CMUnitTest tests[] = {
      HF_UNIT(a_server_that_listens_with_ssl_has_a_context),
      HF_UNIT(a_server_without_ssl_has_none),
      HF_UNIT(servers_inherit_certificates_and_share_the_context),
      HF_UNIT(certificate_and_key_may_be_in_one_file),
      HF_UNIT(several_pairs_go_together_in_their_order),
      HF_UNIT(a_server_on_a_tls_address_needs_a_certificate),
      HF_UNIT(files_that_are_missing_or_wrong_are_told_with_their_place),
      HF_UNIT(no_message_shows_what_a_key_file_holds),
      HF_UNIT(protocols_and_ciphers_are_checked),
      HF_UNIT(an_address_speaks_tls_for_all_its_servers_or_for_none),
      HF_UNIT(what_only_the_default_server_can_say_is_told),
      HF_UNIT(the_bundle_of_the_master_holds_all_that_the_child_needs),
      HF_UNIT(https_to_a_backend_verifies_with_the_systems_authorities),
      HF_UNIT(every_proxy_ssl_setting_is_read_and_inherited),
      HF_UNIT(one_upstream_may_be_spoken_to_in_several_ways),
      HF_UNIT(what_is_only_spoken_to_by_tls_is_there_once),
      HF_UNIT(a_renewed_file_changes_the_fingerprint_and_not_the_identity),
      HF_UNIT(mistakes_in_proxy_ssl_are_told_with_their_place),
  };
  return HF_RUN(tests);
}
