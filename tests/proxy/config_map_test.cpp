// map blocks: what they may say, what is refused and where, and what proxy_pass makes of them.
#include "proxy/config.h"
#include "proxy/route.h"
#include "tests/support/hf_test.h"
#include "tests/support/memory_conf_source.h"

using namespace holdfast;
using namespace holdfast::proxy;

namespace {

const std::string kUpstreams =
    "upstream everything { server 127.0.0.1:1; } upstream github { server 127.0.0.1:2; }\n";

LoadedConf<Config> load(const std::string &conf) {
  test::MemoryConfSource source;
  const ConfRequest request = test::request_for("proxy.conf");
  source.files[request.path] = conf;
  return load_config(request, source);
}

// The second line is the map's, the third the server's.
std::string with_map(const std::string &map, const std::string &pass = "http://$backend") {
  return kUpstreams + map + "\nserver { listen 127.0.0.1:8080; location / { proxy_pass " + pass +
         "; } }";
}

std::string findings(const std::string &conf) {
  const auto loaded = load(conf);
  return loaded.report.text(loaded.tree.files, "t");
}

Config config(const std::string &conf) {
  const auto loaded = load(conf);
  if (!loaded.config) HF_FAIL(loaded.report.text(loaded.tree.files, "t"));
  return *loaded.config;
}

void says(const std::string &conf, const std::string &part) {
  const std::string text = findings(conf);
  if (text.find(part) == std::string::npos) HF_FAIL("said: " + text);
}

}  // namespace

HF_TEST(a_map_leads_each_text_to_its_upstream) {
  const Config read = config(with_map(
      "map $mcp_name $backend { default everything; ~^gitlab_ github; ~^gitlab_x everything; "
      "git* everything; github_* github; GITHUB_old everything; \"\" github; }"));
  const Location &location = read.servers[0].locations[0];
  const UpstreamMap &map = read.maps[location.map];
  const auto upstream = [&](std::string_view text) {
    return read.upstreams[location.mapped[find_rule(map, text)].upstream].name;
  };
  HF_EQ(upstream("github_old"), "everything");    // exact before masks, in either case
  HF_EQ(upstream("github_issue"), "github");      // the longest mask
  HF_EQ(upstream("gitlab_issue"), "everything");  // a mask before expressions
  HF_EQ(upstream(""), "github");
  HF_EQ(upstream("echo"), "everything");
  HF_EQ(location.mapped[find_rule(map, "github_issue")].host, "github");
  HF_EQ(read.upstreams[location.pass.upstream].name, "everything");
}

HF_TEST(expressions_are_tried_in_the_order_they_stand_in) {
  const Config read =
      config(with_map("map $mcp_method $backend { ~^tools/ github; default everything; "
                      "~^tools/call everything; }"));
  const Location &location = read.servers[0].locations[0];
  const size_t rule = find_rule(read.maps[location.map], "tools/call");
  HF_EQ(read.upstreams[location.mapped[rule].upstream].name, "github");
}

HF_TEST(a_map_goes_by_any_variables_of_the_request) {
  const Config read =
      config(with_map("map $http_x_tenant:$mcp_name $backend { default everything; }"));
  HF_EQ(read.maps[0].source.size(), 3u);
  HF_EQ(read.maps[0].source[0].text, "x-tenant");
  HF_CHECK(read.maps[0].source[2].variable == Variable::mcp_name);
}

HF_TEST(a_map_may_stand_in_http_before_or_after_what_it_names) {
  const Config read = config(
      "http { server { listen 127.0.0.1:1; location / { proxy_pass http://$b; } }\n"
      "map $mcp_name $b { default u; } upstream u { server 127.0.0.1:1; } }");
  HF_EQ(read.servers[0].locations[0].mapped.size(), 1u);
}

HF_TEST(each_way_of_speaking_tls_has_upstreams_of_its_own) {
  const Config read =
      config(kUpstreams +
             "map $mcp_name $backend { default everything; a github; }\n"
             "server { listen 127.0.0.1:8080; proxy_ssl_verify off; location / { proxy_pass "
             "https://$backend; } location /plain { proxy_pass http://github; } }");
  const Location &mapped = read.servers[0].locations[1];
  HF_EQ(read.upstreams[mapped.mapped[0].upstream].name, "https://everything");
  HF_EQ(read.upstreams[mapped.mapped[1].upstream].name, "https://github");
  HF_EQ(read.upstreams[mapped.pass.upstream].name, "https://everything");
  HF_EQ(read.upstreams[read.servers[0].locations[0].pass.upstream].name, "github");
  HF_EQ(read.upstreams.size(), 3u);  // nobody speaks to `everything` without
}

HF_TEST(a_map_names_known_upstreams_only) {
  says(with_map("map $mcp_name $backend { default everything; ~^github_ githb; }"),
       "unknown upstream \"githb\"; did you mean \"github\"? in proxy.conf:2:56");
  says(with_map("map $mcp_name $backend { default 10.0.0.1:80; }"),
       "unknown upstream \"10.0.0.1:80\" in proxy.conf:2:34");
}

HF_TEST(a_map_has_one_default_and_each_text_once) {
  says(with_map("map $mcp_name $backend { a github; }"),
       "the map has no \"default\": a request that meets no rule had no server in proxy.conf:2:1");
  says(with_map("map $mcp_name $backend { default github; default everything; }"),
       "the map has a default already (at proxy.conf:2:26) in proxy.conf:2:42");
  says(with_map("map $mcp_name $backend { default github; a github; A everything; }"),
       "\"A\" stands twice in this map in proxy.conf:2:52");
  says(with_map("map $mcp_name $backend { default github; a* github; a* everything; }"),
       "\"a*\" stands twice in this map");
  says(with_map("map $mcp_name $backend { default github; ~^a github; ~^a.* everything; }"),
       "\"~^a.*\" stands twice in this map");
}

HF_TEST(a_rule_is_a_text_and_an_upstream) {
  says(with_map("map $mcp_name $backend { default github; hostnames; }"),
       "a rule of a map is a text and an upstream: hostnames UPSTREAM; in proxy.conf:2:42");
  says(with_map("map $mcp_name $backend { default github; a b c; }"), "a rule of a map is");
  says(with_map("map $mcp_name $backend { default github; a { b c; } }"), "a rule of a map is");
  says(with_map("map $mcp_name $backend { default github; ~git(hub|lab) everything; }"),
       "the regular expression \"~git(hub|lab)\" is not supported by this version; write ~^TEXT or "
       "~^TEXT$");
}

HF_TEST(a_map_goes_from_variables_to_a_new_one) {
  says(with_map("map $mcp_nam $backend { default github; }"), "did you mean \"mcp_name\"?");
  says(with_map("map always $backend { default github; }"), "\"always\" is the same for every");
  says(with_map("map $proxy_host $backend { default github; }"),
       "\"$proxy_host\" is what the map decides about in proxy.conf:2:5");
  says(with_map("map $mcp_name backend { default github; }"),
       "\"backend\" is not a variable; write $NAME in proxy.conf:2:15");
  says(with_map("map $mcp_name $host { default github; }"), "\"$host\" is a variable already");
  says(with_map("map $mcp_name $http_x { default github; }"), "\"$http_x\" is a variable already");
  says(
      with_map("map $mcp_name $backend { default github; } map $host $backend { default github; }"),
      "the variable \"$backend\" has a map already (at proxy.conf:2:15) in proxy.conf:2:54");
  says(with_map("map $mcp_name { default github; }"), "\"map\" takes 2 argument(s), not 1");
  says(with_map("map $mcp_name $backend default github;"), "\"map\" has no opening \"{\"");
}

HF_TEST(proxy_pass_takes_a_variable_that_has_a_map_and_nothing_beside_it) {
  const std::string map = "map $mcp_name $backend { default github; }";
  says(with_map(map, "http://$backnd"),
       "there is no map of \"$backnd\"; did you mean \"$backend\"? in proxy.conf:3:57");
  says(with_map(map, "http://$host"), "there is no map of \"$host\"");
  says(with_map(map, "http://$backend:80"),
       "\"proxy_pass\" takes a map's variable alone: http://$NAME");
  says(with_map(map, "https://x$backend"), "alone: https://$NAME");
  says(with_map(map, "http://$"), "alone: http://$NAME");
}

HF_TEST(a_faulty_map_is_told_of_once_and_not_again_where_it_is_used) {
  HF_EQ(load(with_map("map $mcp_name $backend { default nobody; }")).report.errors_count(), 1u);
  HF_EQ(load("upstream u { server x.example:1; } map $host $b { default u; } server { listen "
             "127.0.0.1:1; location / { proxy_pass http://$b; } }")
            .report.errors_count(),
        1u);
}

int main() {
  const CMUnitTest tests[] = {
      HF_UNIT(a_map_leads_each_text_to_its_upstream),
      HF_UNIT(expressions_are_tried_in_the_order_they_stand_in),
      HF_UNIT(a_map_goes_by_any_variables_of_the_request),
      HF_UNIT(a_map_may_stand_in_http_before_or_after_what_it_names),
      HF_UNIT(each_way_of_speaking_tls_has_upstreams_of_its_own),
      HF_UNIT(a_map_names_known_upstreams_only),
      HF_UNIT(a_map_has_one_default_and_each_text_once),
      HF_UNIT(a_rule_is_a_text_and_an_upstream),
      HF_UNIT(a_map_goes_from_variables_to_a_new_one),
      HF_UNIT(proxy_pass_takes_a_variable_that_has_a_map_and_nothing_beside_it),
      HF_UNIT(a_faulty_map_is_told_of_once_and_not_again_where_it_is_used),
  };
  return HF_RUN(tests);
}
