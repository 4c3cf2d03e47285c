// The proxy's configuration: every setting and its inheritance, upstreams, locations, listeners,
// and what is refused.
#include "proxy/config.h"

#include "tests/support/hf_test.h"
#include "tests/support/memory_conf_source.h"

using namespace holdfast;
using namespace holdfast::proxy;
using holdfast::test::MemoryConfSource;
using holdfast::test::request_for;

namespace {

struct World {
  MemoryConfSource source;
  ConfRequest request = request_for("proxy.conf");

  explicit World(const std::string &conf) {
    source.files[request.path] = conf;
    source.hosts["backend.example"] = {"10.0.0.1", "2001:db8::1"};
    source.hosts["localhost"] = {"::1", "127.0.0.1"};
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

// A whole configuration around some lines of a server or of a location.
World in_server(const std::string &lines) {
  return World("server { listen 127.0.0.1:8080; " + lines + " }");
}
World in_location(const std::string &lines) {
  return in_server("location / { proxy_pass http://127.0.0.1:3001; " + lines + " }");
}
ProxySettings settings_of(const std::string &lines) {
  return in_location(lines).config().servers[0].locations[0].settings;
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

HF_TEST(the_minimal_file_is_read_as_it_says) {
  const Config config = World(
                            "worker_processes 3;\n"
                            "sessiond unix:run/sessiond.sock;\n"
                            "upstream everything { server 127.0.0.1:3001; keepalive 8; }\n"
                            "server {\n  listen 127.0.0.1:8080;\n"
                            "  location /health { holdfast_health; }\n"
                            "  location / { proxy_pass http://everything; }\n}\n")
                            .config();
  HF_EQ(config.worker_processes, 3u);
  HF_EQ(config.sessiond->link_path, std::string("/etc/holdfast/run/sessiond.sock"));
  HF_EQ(config.sessiond->http_path, std::string("/etc/holdfast/run/http.sock"));
  HF_EQ(config.upstreams.size(), 1u);
  HF_EQ(config.upstreams[0].name, std::string("everything"));
  HF_EQ(config.upstreams[0].keepalive, 8u);
  HF_EQ(config.upstreams[0].servers[0].addresses[0].text(), std::string("127.0.0.1:3001"));
  HF_EQ(config.listeners.size(), 1u);
  HF_EQ(config.listeners[0].text, std::string("127.0.0.1:8080"));
  HF_CHECK(config.listeners[0].loopback && config.listeners[0].trusted_local);
  const Server &server = config.servers[0];
  HF_EQ(server.locations.size(), 2u);
  HF_EQ(server.locations[0].path, std::string("/health"));
  HF_CHECK(server.locations[0].handler == Handler::health);
  HF_CHECK(server.locations[1].handler == Handler::proxy);
  HF_EQ(server.locations[1].pass.upstream, 0u);
  HF_EQ(server.locations[1].pass.host, std::string("everything"));
}

HF_TEST(what_is_not_written_has_the_documented_default) {
  const Config config = in_location("").config();
  HF_CHECK(config.worker_processes >= 1);
  HF_EQ(config.worker_connections, 10'000u);
  HF_EQ(config.connections_per_address, 0u);
  HF_EQ(config.worker_shutdown_timeout.count(), 60'000);
  HF_EQ(config.pid_path, std::string("/etc/holdfast/run/holdfast-proxy.pid"));
  HF_CHECK(!config.sessiond && config.trusts_unix_peers && config.sandbox);
  HF_CHECK(config.is_trusted_proxy(*SocketAddress::numeric("127.9.9.9", 1)));
  HF_CHECK(config.is_trusted_proxy(*SocketAddress::numeric("::1", 1)));
  HF_CHECK(config.is_trusted_proxy(*SocketAddress::unix_path("/x")));
  HF_CHECK(!config.is_trusted_proxy(*SocketAddress::numeric("10.0.0.1", 1)));
  const Server &server = config.servers[0];
  HF_EQ(server.client_header_timeout.count(), 10'000);
  HF_EQ(server.client_body_timeout.count(), 20'000);
  HF_EQ(server.client_body_total.count(), 120'000);
  HF_EQ(server.keepalive_timeout.count(), 60'000);
  const ProxySettings &settings = server.locations[0].settings;
  HF_EQ(settings.sse_heartbeat.count(), 15'000);
  HF_CHECK(settings.session_user == SessionUser{});
  HF_CHECK(settings.session_policy.empty() && !settings.allowed_hosts && !settings.allowed_origins);
  HF_CHECK(settings.when_sessiond_down == WhenSessiondDown::automatic);
  HF_EQ(settings.call_timeout.count(), 0);
  HF_EQ(settings.dead_peer_timeout.count(), 120'000);
  HF_EQ(settings.streams_per_session, 16u);
  HF_CHECK(settings.legacy_sse == LegacySse::automatic);
  HF_CHECK(settings.legacy_sse_initialize_first);
  HF_EQ(settings.legacy_sse_waiting, 1024u);
  HF_CHECK(settings.session_ttl_header);
  HF_EQ(settings.access_log, kNone);
  HF_EQ(settings.client_body_bytes_max, 8u << 20);
  HF_EQ(settings.connect_timeout.count(), 5'000);
  HF_EQ(settings.read_timeout.count(), 300'000);
  HF_EQ(settings.send_timeout.count(), 60'000);
  HF_EQ(settings.client_send_timeout.count(), 60'000);
  HF_EQ(settings.stream_send_timeout.count(), 300'000);
  HF_EQ(settings.stream_idle_timeout.count(), 0);
  HF_EQ(settings.stream_timeout.count(), 0);
  HF_CHECK(settings.set_headers.empty());
}

HF_TEST(every_setting_of_a_location_is_read) {
  const Config config =
      in_location(
          "sse_heartbeat off; session_user header X-User; session_policy ci; when_sessiond_down "
          "serve;"
          "call_timeout 2m; allowed_hosts a.example *.b.example:8443 [::1]; allowed_origins "
          "https://c.example http://localhost:*; streams_per_session 3; session_ttl_header off; "
          "access_log logs/a.log json;"
          "client_max_body_size 1m; proxy_connect_timeout 1s; proxy_read_timeout 2s;"
          "proxy_send_timeout 3s; proxy_set_header X-A \"v$remote_addr-$http_x_b\"; "
          "proxy_buffering off;"
          "dead_peer_timeout 30s; legacy_sse on; legacy_sse_initialize_first off; "
          "legacy_sse_waiting 7;"
          "early_stream 10s; session_recovery on; backend_ping 240s;"
          "send_timeout 4s; stream_send_timeout 5s; stream_idle_timeout 6s; stream_timeout 7s;")
          .config();
  const ProxySettings &settings = config.servers[0].locations[0].settings;
  HF_EQ(settings.sse_heartbeat.count(), 0);
  HF_EQ(settings.early_stream.count(), 10'000);
  HF_CHECK(settings.session_recovery);
  HF_EQ(settings.dead_peer_timeout.count(), 30'000);
  HF_EQ(settings.backend_ping.count(), 240'000);
  HF_CHECK(settings.session_user.kind == SessionUser::Kind::header);
  HF_EQ(settings.session_user.header, std::string("x-user"));
  HF_EQ(settings.session_policy, std::string("ci"));
  HF_CHECK(config.session_policies == (std::vector<std::string>{"ci"}));
  HF_CHECK(settings.when_sessiond_down == WhenSessiondDown::serve);
  HF_EQ(settings.call_timeout.count(), 120'000);
  HF_CHECK(*settings.allowed_hosts ==
           (AllowedNames{{"", "a.example", "*"}, {"", "*.b.example", "8443"}, {"", "[::1]", "*"}}));
  HF_CHECK(*settings.allowed_origins ==
           (AllowedNames{{"https", "c.example", ""}, {"http", "localhost", "*"}}));
  HF_EQ(settings.streams_per_session, 3u);
  HF_CHECK(!settings.session_ttl_header);
  HF_CHECK(settings.legacy_sse == LegacySse::on);
  HF_CHECK(!settings.legacy_sse_initialize_first);
  HF_EQ(settings.legacy_sse_waiting, 7u);
  HF_EQ(config.access_logs.at(settings.access_log).path, std::string("/etc/holdfast/logs/a.log"));
  HF_CHECK(config.access_logs[0].format == AccessLog::Format::json);
  HF_EQ(settings.client_body_bytes_max, 1u << 20);
  HF_EQ(settings.connect_timeout.count(), 1'000);
  HF_EQ(settings.read_timeout.count(), 2'000);
  HF_EQ(settings.send_timeout.count(), 3'000);
  HF_EQ(settings.client_send_timeout.count(), 4'000);
  HF_EQ(settings.stream_send_timeout.count(), 5'000);
  HF_EQ(settings.stream_idle_timeout.count(), 6'000);
  HF_EQ(settings.stream_timeout.count(), 7'000);
  const HeaderRule &rule = settings.set_headers.at(0);
  HF_EQ(rule.name, std::string("X-A"));
  HF_EQ(rule.value.size(), 4u);
  HF_EQ(rule.value[0].text, std::string("v"));
  HF_CHECK(*rule.value[1].variable == Variable::remote_addr);
  HF_EQ(rule.value[2].text, std::string("-"));
  HF_CHECK(*rule.value[3].variable == Variable::http_field);
  HF_EQ(rule.value[3].text, std::string("x-b"));
}

HF_TEST(a_level_inherits_from_the_one_around_it_whatever_the_order_of_lines) {
  const Config config =
      World(
          "server { listen 1.2.3.4:80; location / { return 204; } sse_heartbeat 2s; }\n"
          "http { sse_heartbeat 3s; server { listen 1.2.3.4:81; location / { return 204; } } }\n"
          "sse_heartbeat 1s; call_timeout 9s; keepalive_timeout 5s;")
          .config();
  HF_EQ(config.servers[0].locations[0].settings.sse_heartbeat.count(), 2'000);
  HF_EQ(config.servers[1].locations[0].settings.sse_heartbeat.count(), 3'000);
  HF_EQ(config.servers[1].locations[0].settings.call_timeout.count(), 9'000);
  HF_EQ(config.servers[0].settings.sse_heartbeat.count(), 2'000);
  HF_EQ(config.servers[0].keepalive_timeout.count(), 5'000);
}

HF_TEST(lists_replace_what_was_inherited_and_never_add_up) {
  const Config config =
      in_server(
          "proxy_set_header A 1; proxy_set_header B 2; allowed_hosts a.example; allowed_origins "
          "off;"
          "location /x { return 204; proxy_set_header C 3; allowed_hosts b.example; }"
          "location /y { return 204; }")
          .config();
  const ProxySettings &x = config.servers[0].locations[0].settings;
  const ProxySettings &y = config.servers[0].locations[1].settings;
  HF_EQ(x.set_headers.size(), 1u);
  HF_EQ(x.set_headers[0].name, std::string("C"));
  HF_CHECK(*x.allowed_hosts == (AllowedNames{{"", "b.example", "*"}}));
  HF_EQ(y.set_headers.size(), 2u);
  HF_CHECK(*y.allowed_hosts == (AllowedNames{{"", "a.example", "*"}}));
  HF_CHECK(y.allowed_origins && y.allowed_origins->empty());
}

HF_TEST(backends_have_nginx_parameters_and_all_their_addresses) {
  const Config config =
      World(
          "upstream u { server backend.example:3001 weight=3 max_fails=0 fail_timeout=5s;\n"
          " server unix:run/b.sock backup; server [::1]:9 down; }\n"
          "server { listen 127.0.0.1:1; location / { proxy_pass http://u; } }")
          .config();
  const auto &servers = config.upstreams[0].servers;
  HF_EQ(servers.size(), 3u);
  HF_EQ(servers[0].text, std::string("backend.example:3001"));
  HF_EQ(servers[0].addresses.size(), 2u);
  HF_EQ(servers[0].addresses[1].text(), std::string("[2001:db8::1]:3001"));
  HF_EQ(servers[0].weight, 3u);
  HF_EQ(servers[0].max_fails, 0u);
  HF_EQ(servers[0].fail_timeout.count(), 5'000);
  HF_EQ(servers[1].addresses[0].text(), std::string("unix:/etc/holdfast/run/b.sock"));
  HF_CHECK(servers[1].backup && !servers[1].down);
  HF_CHECK(servers[2].down && !servers[2].backup);
  HF_EQ(config.upstreams[0].keepalive, 64u);
}

HF_TEST(an_address_in_proxy_pass_is_an_upstream_of_its_own_shared_by_all_who_name_it) {
  const Config config =
      in_server(
          "location /a { proxy_pass http://127.0.0.1:3001; } location /b { proxy_pass "
          "http://127.0.0.1:3001; } location /c { proxy_pass http://unix:/run/x.sock; }"
          "location /d { proxy_pass http://backend.example; }")
          .config();
  HF_EQ(config.upstreams.size(), 3u);
  HF_CHECK(config.upstreams[0].anonymous);
  HF_EQ(config.upstreams[0].name, std::string("127.0.0.1:3001"));
  const auto &locations = config.servers[0].locations;
  HF_EQ(locations[0].pass.upstream, locations[1].pass.upstream);
  HF_EQ(config.upstreams[locations[2].pass.upstream].servers[0].addresses[0].text(),
        std::string("unix:/run/x.sock"));
  HF_EQ(locations[2].pass.host, std::string("localhost"));
  HF_EQ(config.upstreams[locations[3].pass.upstream].servers[0].addresses[0].text(),
        std::string("10.0.0.1:80"));
}

HF_TEST(proxy_pass_says_what_is_wrong_with_its_url) {
  const auto pass = [](const std::string &url) {
    return World(
        "upstream everything { server 127.0.0.1:1; }\nserver { listen 127.0.0.1:1;\nlocation / { "
        "proxy_pass " +
        url + "; } }");
  };
  HF_SAYS(pass("http://everything/"),
          "\"proxy_pass\" with a URI part (\"/\") is not supported by this version; write "
          "http://everything in proxy.conf:3:25");
  HF_SAYS(pass("http://everything/a?b"), "URI part (\"/a?b\")");
  HF_SAYS(pass("http://unix:/run/x.sock:/a"), "URI part (\"/a\")");
  HF_SAYS(pass("http://everythng"),
          "unknown upstream \"everythng\"; did you mean \"everything\"? in proxy.conf:3:25");
  HF_SAYS(pass("http://nowhere.example:99"),
          "host not found in upstream \"nowhere.example:99\" in proxy.conf:3:25");
  HF_SAYS(pass("http://zzzzzzz"), "host not found in proxy_pass; there is no upstream \"zzzzzzz\"");
  HF_SAYS(pass("ftp://everything"), "invalid URL prefix in \"ftp://everything\"");
  HF_SAYS(pass("everything"), "invalid URL prefix in \"everything\"; write http://everything");
  HF_SAYS(pass("http://"), "missing");
  HF_SAYS(pass("http://$backend"), "there is no map of \"$backend\"");
  HF_SAYS(pass("http://127.0.0.1:99999"), "invalid port");
}

HF_TEST(upstreams_are_complete_and_named_once) {
  const std::string rest = "server { listen 127.0.0.1:1; location / { return 204; } }";
  HF_SAYS(World("upstream u { }" + rest), "upstream \"u\" has no server in proxy.conf:1:10");
  HF_SAYS(World("upstream u { server 127.0.0.1:1 backup; }" + rest), "has only backup servers");
  HF_SAYS(World("upstream u { server 127.0.0.1:1; }\nupstream u { server 127.0.0.1:2; }" + rest),
          "upstream \"u\" is duplicate (first at proxy.conf:1:10)");
  HF_SAYS(World("upstream u { server 127.0.0.1:1; server 127.0.0.1:1; }" + rest), "stands twice");
  HF_SAYS(World("upstream u { server x.example:1; }" + rest),
          "host not found in upstream \"x.example:1\" in proxy.conf:1:21");
  HF_SAYS(World("upstream u { server 127.0.0.1:1 weigth=2; }" + rest),
          "invalid parameter \"weigth=2\"");
  HF_SAYS(World("upstream u { server 127.0.0.1:1 weight=0; }" + rest),
          "weight=: \"0\" is not a whole number");
  HF_SAYS(World("upstream u { server 127.0.0.1:1 fail_timeout=10q; }" + rest),
          "fail_timeout=: \"10q\" is not a time");
  HF_SAYS(World("upstream u { server 127.0.0.1:1 max_conns=3; }" + rest),
          "\"max_conns=3\" is not supported by this version");
}

HF_TEST(health_checks_have_nginx_plus_names_and_defaults) {
  const auto upstream = [](const std::string &lines, const std::string &servers = "") {
    return World("upstream u { server 127.0.0.1:1; " + servers + lines +
                 " }\nserver { listen 127.0.0.1:1; location / { proxy_pass http://u; } }");
  };
  HF_CHECK(!upstream("").config().upstreams[0].health_check);
  const HealthCheck plain = *upstream("health_check;").config().upstreams[0].health_check;
  HF_CHECK(plain == HealthCheck{});
  HF_CHECK(plain.interval == Millis{5000});
  const HealthCheck full =
      *upstream(
           "health_check interval=2s jitter=100ms timeout=1s fails=3 passes=2 uri=/health?x "
           "port=9000;")
           .config()
           .upstreams[0]
           .health_check;
  HF_CHECK(full.interval == Millis{2000} && full.jitter == Millis{100});
  HF_CHECK(full.timeout == Millis{1000} && full.fails == 3 && full.passes == 2);
  HF_CHECK(full.uri == "/health?x" && full.port == 9000);
  HF_CHECK(upstream("health_check type=tcp;").config().upstreams[0].health_check->kind ==
           HealthCheck::Kind::tcp);

  const HealthCheck bare = *upstream("health_check interval=9;").config().upstreams[0].health_check;
  HF_CHECK(bare.interval == Millis{9000} && bare.jitter == Millis{900});
  HF_SAYS(upstream("health_check interval=1ms;"), "interval=: must be at least 100ms");
  HF_SAYS(upstream("health_check fails=0;"), "fails=: \"0\" is not a whole number");
  HF_SAYS(upstream("health_check uri=health;"), "uri=: begins with \"/\"");
  HF_SAYS(upstream("health_check port=70000;"), "port=: ");
  HF_SAYS(upstream("health_check type=tcp uri=/x;"), "type=tcp only connects");
  HF_SAYS(upstream("health_check mandatory;"), "\"mandatory\" is not supported by this version");
  HF_SAYS(upstream("health_check type=grpc;"), "(type=http, type=tcp)");
  HF_SAYS(upstream("health_check often;"), "invalid parameter \"often\" (interval=, ");
  HF_SAYS(upstream("health_check port=9000;", "server unix:/run/x.sock;"),
          "a Unix socket has no other port");
  HF_SAYS(upstream("health_check; health_check;"), "duplicate");
}

HF_TEST(an_upstream_says_how_it_chooses) {
  const auto upstream = [](const std::string &lines) {
    return World("upstream u { server 127.0.0.1:1; server 127.0.0.1:2; " + lines +
                 " }\nserver { listen 127.0.0.1:1; location / { proxy_pass http://u; } }");
  };
  HF_CHECK(upstream("").config().upstreams[0].balance == Balance::round_robin);
  HF_CHECK(upstream("least_conn;").config().upstreams[0].balance == Balance::least_conn);
  HF_CHECK(upstream("hash $remote_addr;").config().upstreams[0].balance == Balance::hash);
  const Upstream hashed =
      upstream("hash x-$http_X_Team$mcp_user consistent;").config().upstreams[0];
  HF_CHECK(hashed.balance == Balance::consistent_hash);
  HF_EQ(hashed.hash_key.size(), 3u);
  HF_EQ(hashed.hash_key[1].text, std::string("x-team"));

  HF_SAYS(upstream("least_conn; hash $remote_addr;"), "an upstream chooses in one way");
  HF_SAYS(upstream("hash $remote_addr consistant;"),
          "invalid parameter \"consistant\" (consistent)");
  HF_SAYS(upstream("hash $remote_adr;"), "did you mean \"remote_addr\"?");
  HF_SAYS(upstream("hash everybody;"), "\"everybody\" is the same for every request");
  HF_SAYS(upstream("server 127.0.0.1:3 backup; hash $remote_addr consistent;"),
          "\"hash\" does not support parameter \"backup\"");
}

HF_TEST(a_faulty_upstream_is_told_once_and_not_again_where_it_is_named) {
  World world(
      "upstream u { server x.example:1; }\nserver { listen 127.0.0.1:1; location / { proxy_pass "
      "http://u; } }");
  HF_EQ(world.load().report.errors_count(), 1u);
}

HF_TEST(locations_are_ordered_as_requests_try_them) {
  const Config config = in_server(
                            "location / { return 200 a; } location /mcp { return 200 b; } location "
                            "= /mcp { return 200 c; }"
                            "location ^~ /longer { return 200 d; } location =/x { return 200 e; }")
                            .config();
  std::string order;
  for (const Location &location : config.servers[0].locations) order += location.return_text;
  HF_EQ(order, std::string("cedba"));
  HF_CHECK(config.servers[0].locations[1].exact);
  HF_EQ(config.servers[0].locations[1].path, std::string("/x"));
}

HF_TEST(a_location_has_exactly_one_thing_that_answers) {
  HF_SAYS(in_server("location /x { }"), "location \"/x\" has nothing that answers");
  HF_SAYS(in_server("location /x { return 204; holdfast_health; }"),
          "\"holdfast_health\" and \"return\" cannot both answer");
  HF_SAYS(in_server("location /x { return 204; } location /x { return 204; }"),
          "duplicate location \"/x\"");
  HF_SAYS(in_server("location x { return 204; }"), "does not begin with \"/\"");
  HF_SAYS(in_server("location ~ ^/x { return 204; }"), "by regular expression are not supported");
  HF_SAYS(in_server("location + /x { return 204; }"), "invalid location modifier \"+\"");
  HF_SAYS(in_server("location /x { holdfast_health everybody; }"),
          "\"everybody\" is not one of users");
}

HF_TEST(handlers_carry_their_options) {
  const Config config =
      in_server(
          "location /a { holdfast_health users; } location /b { holdfast_status; } location /c { "
          "holdfast_status admin; } location /d { holdfast_metrics; } location /e { return 404 "
          "\"no such "
          "thing\"; } location /f { return 301 https://x.example/; } location /g { return "
          "https://y.example/; }")
          .config();
  const auto &locations = config.servers[0].locations;
  HF_CHECK(locations[0].health_users);
  HF_CHECK(locations[1].handler == Handler::status && !locations[1].status_admin);
  HF_CHECK(locations[2].status_admin);
  HF_CHECK(locations[3].handler == Handler::metrics);
  HF_EQ(locations[4].return_code, 404);
  HF_EQ(locations[4].return_text, std::string("no such thing"));
  HF_EQ(locations[5].return_code, 301);
  HF_EQ(locations[6].return_code, 302);
  HF_EQ(locations[6].return_text, std::string("https://y.example/"));
  HF_EQ(config.warnings.size(), 3u);  // without sessiond three of them can only answer 503
}

HF_TEST(return_takes_codes_of_answers_only) {
  for (const char *code : {"100", "600", "444", "304", "abc"}) {
    HF_SAYS(in_server("location / { return " + std::string(code) + "; }"), "invalid return code");
  }
  HF_SAYS(in_server("location / { return 301; }"), "needs the URL");
  HF_SAYS(in_server("location / { return 301 \"http://a b\"; }"), "a URL holds no blanks");
  HF_SAYS(in_server("location / { return 301 https://$host/; }"), "variables in \"return\"");
}

HF_TEST(the_admin_page_stays_on_this_machine) {
  const std::string location = " location / { holdfast_status admin; } }";
  HF_SAYS(World("server { listen 0.0.0.0:80;" + location),
          "\"holdfast_status admin\" on 0.0.0.0:80 would let anybody end sessions");
  HF_SAYS(World("server { listen 127.0.0.1:80; listen 10.0.0.1:80;" + location), "on 10.0.0.1:80");
  HF_CHECK(World("server { listen 127.0.0.1:80; listen unix:/x; listen [::1]:80;" + location)
               .load()
               .config != nullptr);
}

HF_TEST(servers_share_listeners) {
  const Config config =
      World(
          "server { listen 8080; server_name A.example; location / { return 204; } }\n"
          "server { listen *:8080 default_server backlog=100; listen unix:run/p.sock; listen "
          "[::]:8080;\n"
          " server_name *.example _; location / { return 204; } }\n"
          "server { listen localhost:9000; location / { return 204; } }")
          .config();
  HF_EQ(config.listeners.size(), 5u);
  HF_EQ(config.listeners[0].text, std::string("0.0.0.0:8080"));
  HF_CHECK(config.listeners[0].servers == (std::vector<size_t>{0, 1}));
  HF_EQ(config.listeners[0].default_server, 1u);
  HF_EQ(config.listeners[0].backlog, 100);
  HF_CHECK(!config.listeners[0].loopback && !config.listeners[0].trusted_local);
  HF_EQ(config.listeners[1].text, std::string("unix:/etc/holdfast/run/p.sock"));
  HF_CHECK(!config.listeners[1].loopback && config.listeners[1].trusted_local);
  HF_EQ(config.listeners[2].text, std::string("[::]:8080"));
  HF_EQ(config.listeners[3].text, std::string("[::1]:9000"));
  HF_EQ(config.listeners[4].text, std::string("127.0.0.1:9000"));
  HF_CHECK(config.servers[0].names == (std::vector<std::string>{"a.example"}));
}

HF_TEST(a_listener_may_leave_its_port_to_the_kernel_and_a_backend_may_not) {
  const Config config = World("server { listen 127.0.0.1:0; location / { return 204; } }").config();
  HF_EQ(config.listeners[0].text, std::string("127.0.0.1:0"));
  HF_SAYS(World("upstream u { server 127.0.0.1:0; }"), "invalid port");
}

HF_TEST(listen_says_when_a_silent_client_is_asked_for) {
  const auto keepalive = [](const std::string &args) {
    return World("server { listen 127.0.0.1:80 " + args + "; location / { return 204; } }")
        .config()
        .listeners[0]
        .keepalive;
  };
  const ClientKeepAlive usual;
  HF_CHECK(keepalive("") == usual && usual.on && usual.user_timeout == Millis{0});
  HF_CHECK(keepalive("so_keepalive=on") == usual);
  HF_CHECK(!keepalive("so_keepalive=off").on);
  const ClientKeepAlive all = keepalive("so_keepalive=30m:10s:7 tcp_user_timeout=5m");
  HF_CHECK(all.idle == Millis{1'800'000} && all.interval == Millis{10'000} && all.probes == 7);
  HF_CHECK(all.user_timeout == Millis{300'000});
  const ClientKeepAlive some = keepalive("so_keepalive=30m::10");
  HF_CHECK(some.idle == Millis{1'800'000} && some.interval == usual.interval && some.probes == 10);
  const auto listen = [](const std::string &args) {
    return World("server { listen 127.0.0.1:80 " + args + "; location / { return 204; } }");
  };
  for (const char *wrong : {"maybe", "1s:1s", "1s:1s:1:1", "500ms::", ":9h10m:", "::0", "::128"}) {
    HF_SAYS(listen(std::string("so_keepalive=") + wrong), "so_keepalive=");
  }
  HF_SAYS(listen("tcp_user_timeout=soon"), "tcp_user_timeout=");
  HF_SAYS(listen("tcp_user_timeout=2d"), "tcp_user_timeout= is at most one day");
}

HF_TEST(listen_says_what_is_wrong_with_it) {
  const auto listen = [](const std::string &args) {
    return World("server { listen " + args + "; location / { return 204; } }");
  };
  HF_SAYS(listen("127.0.0.1:8443 quic"),
          "\"quic\" is not supported by this version in proxy.conf:1:32");
  HF_SAYS(listen("127.0.0.1:80 what"), "invalid parameter \"what\"");
  HF_SAYS(listen("nowhere.example:80"), "host not found in listen \"nowhere.example:80\"");
  HF_SAYS(listen("127.0.0.1:65536"), "invalid port");
  HF_SAYS(listen("127.0.0.1:80; listen 127.0.0.1:80"), "a duplicate listen 127.0.0.1:80");
  HF_SAYS(listen("unix:/" + std::string(107, 'x')), "is 108 bytes long");
  HF_SAYS(World("server { location / { return 204; } }"), "this server has no \"listen\"");
  HF_SAYS(World("pid x;"), "there is no \"server\" block: nothing to listen on in proxy.conf:1:1");
  HF_SAYS(World("server { listen 80 default_server; location / { return 204; } }\n"
                "server { listen 80 default_server; location / { return 204; } }"),
          "a duplicate default server for 0.0.0.0:80 (first at proxy.conf:1:17)");
}

HF_TEST(names_that_two_servers_claim_are_warned_about) {
  HF_SAYS(World("server { listen 80; server_name a; location / { return 204; } }\n"
                "server { listen 80; server_name a; location / { return 204; } }"),
          "[warn] conflicting server name \"a\" on 0.0.0.0:80, ignored in proxy.conf:2:21");
  HF_SAYS(in_server("server_name ~^x$;"), "by regular expression are not supported");
  HF_SAYS(in_server("server_name a/b;"), "invalid server name \"a/b\"");
}

HF_TEST(headers_the_proxy_writes_itself_cannot_be_set) {
  HF_SAYS(in_location("proxy_set_header Content-Length 5;"),
          "cannot be set: the proxy writes it itself");
  HF_SAYS(in_location("proxy_set_header Mcp-Session-Id x;"), "cannot be set");
  HF_SAYS(in_location("proxy_set_header Connection upgrade;"), "belongs to the connection");
  HF_SAYS(in_location("proxy_set_header \"a b\" x;"), "is not a header name");
  HF_SAYS(in_location("proxy_set_header X \"a\\nb\";"), "control characters");
  HF_SAYS(in_location("proxy_set_header X $nope;"), "unknown \"nope\" variable in proxy.conf:1:");
  HF_SAYS(in_location("proxy_set_header X $remote_adr;"), "did you mean \"remote_addr\"?");
  HF_SAYS(in_location("proxy_set_header X a$;"), "invalid variable name");
  HF_SAYS(in_location("proxy_set_header X 1; proxy_set_header x 2;"), "is set twice at this level");
  HF_SAYS(in_location("proxy_set_header Host \"\";"), "\"Host\" cannot be empty");
}

HF_TEST(connection_with_an_empty_value_is_what_the_proxy_does_anyway) {
  HF_CHECK(settings_of("proxy_set_header Connection \"\";").set_headers.empty());
  HF_EQ(settings_of("proxy_set_header X-Gone \"\";").set_headers.at(0).value.size(), 0u);
  HF_EQ(settings_of("proxy_set_header X \"${host}y\";").set_headers.at(0).value.size(), 2u);
}

HF_TEST(what_this_version_does_not_do_is_refused_when_switched_on) {
  HF_SAYS(in_location("proxy_buffering on;"), "never buffers");
  HF_SAYS(in_server("ssl_stapling on;"), "\"ssl_stapling\" is not supported by this version");
}

HF_TEST(users_and_policies_are_well_formed) {
  HF_CHECK(settings_of("session_user bearer;").session_user.kind == SessionUser::Kind::bearer);
  HF_CHECK(settings_of("session_user ip;").session_user.kind == SessionUser::Kind::ip);
  HF_SAYS(in_location("session_user header;"), "needs the name of the header");
  HF_SAYS(in_location("session_user bearer x;"), "takes nothing more");
  HF_SAYS(in_location("session_user header \"a b\";"), "is not a header name");
  HF_SAYS(in_location("session_user nobody;"),
          "\"nobody\" is not one of none, header, bearer, jwt, ip");
  HF_SAYS(in_location("session_policy -x;"), "\"-x\" is not a policy name");
}

HF_TEST(trusted_proxies_are_ranges) {
  const Config config = World(
                            "trusted_proxies 10.0.0.0/8 2001:db8::/32; server { listen 80; "
                            "location / { return 204; } }")
                            .config();
  HF_CHECK(config.is_trusted_proxy(*SocketAddress::numeric("10.1.2.3", 1)));
  HF_CHECK(config.is_trusted_proxy(*SocketAddress::numeric("::ffff:10.1.2.3", 1)));
  HF_CHECK(config.is_trusted_proxy(*SocketAddress::numeric("2001:db8:1::1", 1)));
  HF_CHECK(!config.is_trusted_proxy(*SocketAddress::numeric("127.0.0.1", 1)));
  HF_CHECK(!config.is_trusted_proxy(*SocketAddress::unix_path("/x")));
  HF_CHECK(!World("trusted_proxies off; server { listen 80; location / { return 204; } }")
                .config()
                .is_trusted_proxy(*SocketAddress::numeric("127.0.0.1", 1)));
  HF_SAYS(World("trusted_proxies 10.0.0.1/8;"), "\"10.0.0.1/8\" is not an address range");
  HF_SAYS(World("trusted_proxies 10.0.0.0/33;"), "is not an address range");
}

HF_TEST(access_logs_are_opened_once_each) {
  const Config config =
      in_server(
          "access_log a.log; location /x { return 204; access_log a.log combined; } location /y { "
          "return "
          "204; access_log off; } location /z { return 204; access_log a.log mcp; }")
          .config();
  HF_EQ(config.access_logs.size(), 2u);
  HF_EQ(config.servers[0].locations[0].settings.access_log, 0u);
  HF_EQ(config.servers[0].locations[1].settings.access_log, kNone);
  HF_EQ(config.servers[0].locations[2].settings.access_log, 1u);
  HF_SAYS(in_location("access_log a.log apache;"), "unknown log format \"apache\"");
}

HF_TEST(a_pasted_nginx_file_is_answered_by_name) {
  HF_SAYS(in_location("rewrite ^ /x;"), "\"rewrite\" is an nginx directive Holdfast does not have");
  HF_SAYS(in_location("max_sessions 5;"), "\"max_sessions\" belongs in sessiond.conf");
  HF_CHECK(World("events { worker_connections 512; }\nhttp { upstream u { server 127.0.0.1:1; }\n"
                 "server { listen 127.0.0.1:1; location / { proxy_pass http://u; } } }")
               .config()
               .worker_connections == 512u);
}

HF_TEST(g_overrides_the_file) {
  World world = in_location("");
  world.source.files[world.request.path] += " worker_processes 2; sse_heartbeat 1s;";
  world.request.directives = "worker_processes 5; sse_heartbeat 7s;";
  HF_EQ(world.config().worker_processes, 5u);
  HF_EQ(world.config().servers[0].settings.sse_heartbeat.count(), 7'000);
  world.request.directives = "worker_processes 5; worker_processes 6";
  HF_SAYS(world, "\"worker_processes\" is duplicate (first at line 1) in command line:1:21");
}

HF_TEST(a_child_reads_the_same_configuration_from_the_bundle_alone) {
  // The master reads through a recording source; here the recording is made by hand from the same
  // answers, which is what LiveConfSource's own test compares with.
  World world("include sub/*.conf; upstream u { server backend.example:${PORT:-3001}; }");
  world.source.files["/etc/holdfast/sub/a.conf"] =
      "server { listen 127.0.0.1:1; location / { proxy_pass http://u; } }";
  world.source.globs["/etc/holdfast/sub/*.conf"] = {"/etc/holdfast/sub/a.conf"};
  ConfBundle bundle;
  bundle.request = world.request;
  for (const auto &[path, text] : world.source.files)
    bundle.record(ConfBundle::Kind::file, path, {text});
  for (const auto &[pattern, paths] : world.source.globs)
    bundle.record(ConfBundle::Kind::glob, pattern, paths);
  bundle.record(ConfBundle::Kind::environment, "PORT", {});
  bundle.record(ConfBundle::Kind::address, "backend.example 3001", {"10.0.0.1", "2001:db8::1"});
  const auto received = ConfBundle::parse(bundle.serialise());
  HF_CHECK(bool(received));
  BundleConfSource source(*received);
  const auto loaded = load_config(received->request, source);
  if (!loaded.config) HF_FAIL(loaded.report.text(loaded.tree.files, "t"));
  HF_EQ(loaded.config->upstreams[0].servers[0].addresses[1].text(),
        std::string("[2001:db8::1]:3001"));
  HF_EQ(loaded.config->listeners[0].text, world.config().listeners[0].text);
}

int main() {
  const CMUnitTest tests[] = {
      HF_UNIT(the_minimal_file_is_read_as_it_says),
      HF_UNIT(what_is_not_written_has_the_documented_default),
      HF_UNIT(every_setting_of_a_location_is_read),
      HF_UNIT(a_level_inherits_from_the_one_around_it_whatever_the_order_of_lines),
      HF_UNIT(lists_replace_what_was_inherited_and_never_add_up),
      HF_UNIT(backends_have_nginx_parameters_and_all_their_addresses),
      HF_UNIT(an_address_in_proxy_pass_is_an_upstream_of_its_own_shared_by_all_who_name_it),
      HF_UNIT(proxy_pass_says_what_is_wrong_with_its_url),
      HF_UNIT(upstreams_are_complete_and_named_once),
      HF_UNIT(an_upstream_says_how_it_chooses),
      HF_UNIT(health_checks_have_nginx_plus_names_and_defaults),
      HF_UNIT(a_faulty_upstream_is_told_once_and_not_again_where_it_is_named),
      HF_UNIT(locations_are_ordered_as_requests_try_them),
      HF_UNIT(a_location_has_exactly_one_thing_that_answers),
      HF_UNIT(handlers_carry_their_options),
      HF_UNIT(return_takes_codes_of_answers_only),
      HF_UNIT(the_admin_page_stays_on_this_machine),
      HF_UNIT(servers_share_listeners),
      HF_UNIT(a_listener_may_leave_its_port_to_the_kernel_and_a_backend_may_not),
      HF_UNIT(listen_says_when_a_silent_client_is_asked_for),
      HF_UNIT(listen_says_what_is_wrong_with_it),
      HF_UNIT(names_that_two_servers_claim_are_warned_about),
      HF_UNIT(headers_the_proxy_writes_itself_cannot_be_set),
      HF_UNIT(connection_with_an_empty_value_is_what_the_proxy_does_anyway),
      HF_UNIT(what_this_version_does_not_do_is_refused_when_switched_on),
      HF_UNIT(users_and_policies_are_well_formed),
      HF_UNIT(trusted_proxies_are_ranges),
      HF_UNIT(access_logs_are_opened_once_each),
      HF_UNIT(a_pasted_nginx_file_is_answered_by_name),
      HF_UNIT(g_overrides_the_file),
      HF_UNIT(a_child_reads_the_same_configuration_from_the_bundle_alone),
  };
  return HF_RUN(tests);
}
