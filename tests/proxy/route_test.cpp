// Which server and location a request meets, and which Host and Origin are answered at all.
#include "proxy/route.h"

#include "tests/support/hf_test.h"

using namespace holdfast;
using namespace holdfast::proxy;

namespace {

Location location_at(std::string path, bool exact = false) {
  Location location;
  location.path = std::move(path);
  location.exact = exact;
  return location;
}

Server server_named(std::vector<std::string> names) {
  Server server;
  server.names = std::move(names);
  return server;
}

// Three servers that share a listener, the first one its default.
struct Fixture {
  Config config;
  Listener listener;

  Fixture() {
    config.servers = {server_named({"fallback.example"}), server_named({"*.example.com"}),
                      server_named({"www.example.com", "*.deep.example.com"})};
    listener.servers = {0, 1, 2};
    listener.default_server = 0;
  }
  size_t found(std::string_view host) const {
    return static_cast<size_t>(&find_server(config, listener, host) - config.servers.data());
  }
};

struct Access {
  Listener listener;
  Server server;
  ProxySettings settings;

  static Access loopback() {
    Access access;
    access.listener.loopback = true;
    access.server.names = {"mcp.local", "*.dev.local", ""};
    return access;
  }
  bool host(std::string_view value) const {
    return host_allowed(listener, server, settings, value);
  }
  bool origin(std::string_view value) const {
    return origin_allowed(listener, server, settings, value);
  }
};

struct Row {
  std::string_view value;
  bool allowed;
};

// Names the row that is wrong.
template <class Ask>
void check_rows(std::span<const Row> rows, Ask ask) {
  for (const Row &row : rows) {
    if (ask(row.value) != row.allowed) {
      HF_FAIL(std::string(row.value) + (row.allowed ? " should be allowed" : " should be refused"));
    }
  }
}

}  // namespace

// ---- server and location ----

HF_TEST(an_exact_name_beats_every_suffix_and_the_longest_suffix_the_shorter) {
  const Fixture f;
  HF_EQ(f.found("www.example.com"), size_t{2});
  HF_EQ(f.found("a.example.com"), size_t{1});
  HF_EQ(f.found("a.b.example.com"), size_t{1});
  HF_EQ(f.found("a.deep.example.com"), size_t{2});
}

HF_TEST(a_name_is_compared_without_port_and_without_case) {
  const Fixture f;
  HF_EQ(f.found("WWW.Example.COM:8080"), size_t{2});
  HF_EQ(f.found("A.EXAMPLE.com:80"), size_t{1});
}

HF_TEST(a_host_no_server_names_goes_to_the_default_one) {
  const Fixture f;
  for (const std::string_view host :
       {"other.org", "example.com", "xexample.com", "", "[::1]:80", ".example.com.evil.org"}) {
    HF_EQ(f.found(host), size_t{0});
  }
}

HF_TEST(a_suffix_needs_a_label_before_it) {
  const Fixture f;
  HF_EQ(f.found(".example.com"), size_t{0});
}

HF_TEST(a_server_without_a_name_is_never_chosen_by_an_empty_host) {
  Fixture f;
  f.config.servers[1].names = {""};
  HF_EQ(f.found(""), size_t{0});
}

HF_TEST(an_exact_location_beats_the_prefixes_and_the_longest_prefix_wins) {
  Server server;
  // In the order the configuration keeps them: exact ones, then prefixes, longest first.
  server.locations = {location_at("/mcp", true), location_at("/mcp/tools"), location_at("/mcp"),
                      location_at("/")};
  HF_EQ(find_location(server, "/mcp", {}), &server.locations[0]);
  HF_EQ(find_location(server, "/mcp/tools/x", {}), &server.locations[1]);
  HF_EQ(find_location(server, "/mcp/", {}), &server.locations[2]);
  HF_EQ(find_location(server, "/MCP", {}), &server.locations[3]);
}

HF_TEST(a_path_no_location_covers_has_none) {
  Server server;
  server.locations = {location_at("/mcp/"), location_at("/only", true)};
  server.locations[1].exact = true;
  HF_CHECK(find_location(server, "/mcp", {}) == nullptr);
  HF_CHECK(find_location(server, "/only/", {}) == nullptr);
  HF_CHECK(find_location(server, "", {}) == nullptr);
}

// ---- Host ----

HF_TEST(a_loopback_listener_answers_to_loopback_names_only) {
  constexpr Row kRows[] = {
      {"localhost", true},
      {"LocalHost:8080", true},
      {"app.localhost:3000", true},
      {"127.0.0.1", true},
      {"127.0.0.1:8080", true},
      {"127.8.9.10:1", true},
      {"[::1]", true},
      {"[::1]:8080", true},
      // Names somebody else may own, and let resolve to 127.0.0.1.
      {"127.evil.com", false},
      {"127.0.0.1.evil.com", false},
      {"127.0.0.1.", false},
      {"127.0.0.", false},
      {"127...", false},
      {"127.0.0.256", false},
      {"127.1", false},
      {"127.0.0.1.2", false},
      {"127.0.0.x", false},
      {"127.0.0.1x", false},
      {"localhost.evil.com", false},
      {"localhost.", false},
      {"evillocalhost", false},
      {"evil.com", false},
      {"evil.com:80", false},
      {"[::2]:8080", false},
      {"[::1.evil", false},
      {"::1", false},
      {"0.0.0.0", false},
      {"10.0.0.1", false},
      {"", false},
      {":8080", false},
  };
  const Access access = Access::loopback();
  check_rows(kRows, [&](std::string_view value) { return access.host(value); });
}

HF_TEST(a_loopback_listener_answers_to_its_server_names) {
  constexpr Row kRows[] = {
      {"mcp.local", true},           {"MCP.local:9000", true}, {"a.dev.local", true},
      {"mcp.local.evil.com", false}, {"dev.local", false},     {"xmcp.local", false},
      {"a.dev.local.evil", false},
  };
  const Access access = Access::loopback();
  check_rows(kRows, [&](std::string_view value) { return access.host(value); });
}

HF_TEST(allowed_hosts_extends_what_a_loopback_listener_answers) {
  Access access = Access::loopback();
  access.settings.allowed_hosts = AllowedNames{
      {"", "mcp.example.com", "*"}, {"", "plain.example.com", ""}, {"", "p.example.com", "8443"}};
  constexpr Row kRows[] = {
      {"mcp.example.com:1234", true},
      {"mcp.example.com", true},
      {"plain.example.com", true},
      {"plain.example.com:80", true},
      {"plain.example.com:8080", false},
      {"p.example.com:8443", true},
      {"p.example.com", false},
      {"localhost", true},
      {"evil.com", false},
  };
  check_rows(kRows, [&](std::string_view value) { return access.host(value); });
}

HF_TEST(elsewhere_every_host_is_answered_until_a_list_is_set) {
  Access access;
  HF_CHECK(access.host("anything.example"));
  HF_CHECK(access.host(""));
  access.settings.allowed_hosts = AllowedNames{{"", "*.example.com", "*"}};
  constexpr Row kRows[] = {
      {"a.example.com:80", true},
      {"example.com", false},
      {"localhost", false},
      {"127.0.0.1", false},
  };
  check_rows(kRows, [&](std::string_view value) { return access.host(value); });
}

HF_TEST(a_list_switched_off_allows_every_host_and_origin) {
  Access access = Access::loopback();
  access.settings.allowed_hosts = AllowedNames{};
  access.settings.allowed_origins = AllowedNames{};
  HF_CHECK(access.host("evil.com"));
  HF_CHECK(access.origin("https://evil.com"));
  HF_CHECK(access.origin("null"));
}

// ---- Origin ----

HF_TEST(a_loopback_listener_answers_loopback_origins_only) {
  constexpr Row kRows[] = {
      {"http://localhost", true},
      {"http://localhost:5173", true},
      {"https://127.0.0.1:8443", true},
      {"http://[::1]:3000", true},
      {"http://mcp.local", true},
      {"http://127.evil.com", false},
      {"http://localhost.evil.com", false},
      {"http://localhost@evil.com", false},
      {"http://evil.com/localhost", false},
      {"http://evil.com:80", false},
      {"http://[::1].evil.com", false},
      {"null", false},
      {"", false},
      {"localhost", false},
      {"file://", false},
      {"://localhost.evil", false},
  };
  const Access access = Access::loopback();
  check_rows(kRows, [&](std::string_view value) { return access.origin(value); });
}

HF_TEST(allowed_origins_compares_scheme_host_and_port) {
  Access access;
  access.settings.allowed_origins =
      AllowedNames{{"https", "app.example.com", ""}, {"", "any.example.com", "*"}};
  constexpr Row kRows[] = {
      {"https://app.example.com", true},
      {"HTTPS://APP.example.com:443", true},
      {"https://app.example.com:8443", false},
      {"http://app.example.com", false},
      {"http://any.example.com:81", true},
      {"https://any.example.com", true},
      {"https://evil.com", false},
      {"null", false},
      {"http://localhost", false},
  };
  check_rows(kRows, [&](std::string_view value) { return access.origin(value); });
}

HF_TEST(elsewhere_every_origin_is_answered_until_a_list_is_set) {
  const Access access;
  HF_CHECK(access.origin("https://evil.com"));
  HF_CHECK(access.origin("null"));
}

int main() {
  const CMUnitTest tests[] = {
      HF_UNIT(an_exact_name_beats_every_suffix_and_the_longest_suffix_the_shorter),
      HF_UNIT(a_name_is_compared_without_port_and_without_case),
      HF_UNIT(a_host_no_server_names_goes_to_the_default_one),
      HF_UNIT(a_suffix_needs_a_label_before_it),
      HF_UNIT(a_server_without_a_name_is_never_chosen_by_an_empty_host),
      HF_UNIT(an_exact_location_beats_the_prefixes_and_the_longest_prefix_wins),
      HF_UNIT(a_path_no_location_covers_has_none),
      HF_UNIT(a_loopback_listener_answers_to_loopback_names_only),
      HF_UNIT(a_loopback_listener_answers_to_its_server_names),
      HF_UNIT(allowed_hosts_extends_what_a_loopback_listener_answers),
      HF_UNIT(elsewhere_every_host_is_answered_until_a_list_is_set),
      HF_UNIT(a_list_switched_off_allows_every_host_and_origin),
      HF_UNIT(a_loopback_listener_answers_loopback_origins_only),
      HF_UNIT(allowed_origins_compares_scheme_host_and_port),
      HF_UNIT(elsewhere_every_origin_is_answered_until_a_list_is_set),
  };
  return HF_RUN(tests);
}
