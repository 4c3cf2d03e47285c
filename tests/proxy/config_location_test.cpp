// Locations for certain messages: their grammar, their order, and when their fields must be proven.
#include <span>

#include "proxy/config.h"
#include "proxy/route.h"
#include "tests/support/hf_test.h"
#include "tests/support/memory_conf_source.h"

using namespace holdfast;
using namespace holdfast::proxy;

namespace {

LoadedConf<Config> load(const std::string &locations) {
  test::MemoryConfSource source;
  const ConfRequest request = test::request_for("proxy.conf");
  source.files[request.path] = "server { listen 127.0.0.1:8080;\n" + locations + " }";
  return load_config(request, source);
}

Server server(const std::string &locations) {
  const auto loaded = load(locations);
  if (!loaded.config) HF_FAIL(loaded.report.text(loaded.tree.files, "t"));
  return loaded.config->servers[0];
}

void says(const std::string &locations, const std::string &part) {
  const auto loaded = load(locations);
  const std::string text = loaded.report.text(loaded.tree.files, "t");
  if (text.find(part) == std::string::npos) HF_FAIL("said: " + text);
}

void is_good(const std::string &locations) { (void)server(locations); }

// The text the location answers with, "-" where none does.
std::string answer(const Server &from, std::string_view path, const MessageFields &fields = {}) {
  const Location *location = find_location(from, path, fields);
  return location == nullptr ? "-" : location->return_text;
}

const std::string kPass = "proxy_pass http://127.0.0.1:1; ";
const std::string kChecked = kPass + "mcp_header_check on; ";

}  // namespace

HF_TEST(the_first_location_whose_fields_are_met_answers_else_the_one_without) {
  const Server from = server(
      "location /mcp { return 200 all; }\n"
      "location /mcp mcp_method=tools/call mcp_name=git* { return 200 git; }\n"
      "location /mcp mcp_method=tools/call { return 200 call; }\n"
      "location /mcp mcp_name=github { return 200 never; }\n"
      "location /mcp mcp_name=* { return 200 named; }\n"
      "location / { return 200 root; }");
  HF_EQ(answer(from, "/mcp", {"tools/call", "github"}), "git");
  HF_EQ(answer(from, "/mcp", {"tools/call", "gitlab"}), "git");
  HF_EQ(answer(from, "/mcp", {"tools/call", "echo"}), "call");
  HF_EQ(answer(from, "/mcp", {"tools/call", ""}), "call");
  HF_EQ(answer(from, "/mcp", {"prompts/get", "x"}), "named");
  HF_EQ(answer(from, "/mcp", {"tools/list", ""}), "all");
  HF_EQ(answer(from, "/mcp", {}), "all");
  HF_EQ(answer(from, "/mcp", {"Tools/Call", ""}), "all");  // methods have case
  HF_EQ(answer(from, "/other", {"tools/call", "github"}), "root");
  HF_CHECK(from.by_message);
}

HF_TEST(a_path_comes_before_all_fields) {
  const Server from = server(
      "location / { return 200 root; } location / mcp_name=a { return 200 root-a; }\n"
      "location = /mcp { return 200 exact; } location = /mcp mcp_name=a { return 200 exact-a; }\n"
      "location ^~ /mcp mcp_name=b { return 200 prefix-b; }");
  HF_EQ(answer(from, "/mcp", {"m", "a"}), "exact-a");
  HF_EQ(answer(from, "/mcp", {"m", "b"}), "exact");
  HF_EQ(answer(from, "/mcp/x", {"m", "b"}), "prefix-b");
  HF_EQ(answer(from, "/mcp/x", {"m", "a"}), "root-a");  // the longer one is not for it
  HF_EQ(answer(from, "/mcp/x", {}), "root");
}

HF_TEST(where_no_location_is_for_all_messages_others_find_none) {
  const Server from = server("location /mcp mcp_method=tools/call { return 200 call; }");
  HF_EQ(answer(from, "/mcp", {"tools/call", ""}), "call");
  HF_EQ(answer(from, "/mcp", {"tools/list", ""}), "-");
  HF_CHECK(!server("location / { return 204; }").by_message);
}

HF_TEST(what_stands_behind_a_path_must_be_a_field_and_its_text) {
  says("location /mcp mcp_nam=x { return 204; }",
       "invalid parameter \"mcp_nam=x\" (mcp_method=TEXT, mcp_name=TEXT) in proxy.conf:2:15");
  says("location = /mcp x mcp_name=y { return 204; }", "invalid parameter \"x\"");
  says("location /mcp mcp_name= { return 204; }", "mcp_name=: a text is missing");
  says("location /mcp mcp_name=~^x { return 204; }",
       "mcp_name=: regular expressions are not supported by this version; write TEXT or TEXT*");
  says("location /mcp mcp_name=a mcp_name=b { return 204; }", "mcp_name=: stands twice");
  says("location /mcp mcp_name=a x { return 204; }", "invalid parameter \"x\"");
  says("location mcp_name=a { return 204; }", "does not begin with \"/\"");
  says("location /a b { return 204; }", "invalid location modifier \"/a\"");
  is_good(
      "location /a=b { return 204; } location = /a=b { return 204; } location =/c { return "
      "204; }");
}

HF_TEST(the_same_place_for_the_same_messages_is_a_duplicate) {
  says("location /mcp mcp_name=a { return 204; } location /mcp mcp_name=a { return 204; }",
       "duplicate location \"/mcp\" mcp_name=a in proxy.conf:2:42");
  is_good("location /mcp mcp_name=a { return 204; } location /mcp mcp_name=a* { return 204; }");
}

HF_TEST(fields_that_choose_between_rights_must_be_proven) {
  const std::string deny = "location /mcp mcp_name=rm { return 403; }\n";
  says(
      deny + "location /mcp { " + kPass + "}",
      "location \"/mcp\" mcp_name=rm and location \"/mcp\" differ in what answers, and clients say "
      "in their headers what they like: where the two pass requests on they need "
      "\"mcp_header_check on;\" in proxy.conf:2:1");
  is_good(deny + "location /mcp { " + kChecked + "}");
  // Another one for certain messages stands between them.
  says(deny + "location /mcp mcp_name=a { " + kPass + "} location /mcp { " + kChecked + "}",
       "differ in what answers");
  // So does the next place, if there is none for all.
  says(deny + "location / { " + kPass + "}", "and location \"/\" differ in what answers");
  says("location /mcp mcp_name=a { " + kPass + "session_user ip; } location /mcp { " + kChecked +
           "}",
       "differ in session_user");
  for (const char *right : {"session_policy p;", "allowed_hosts a.b;", "allowed_origins off;"}) {
    says("location /mcp mcp_name=a { " + kChecked + right + " } location /mcp { " + kPass + "}",
         "differ in " + std::string(right).substr(0, std::string(right).find(' ')));
    is_good("location /mcp mcp_name=a { " + kChecked + right + " } location /mcp { " + kChecked +
            "}");
  }
}

HF_TEST(fields_that_choose_between_anything_else_need_not) {
  is_good(
      "location /mcp mcp_name=a { proxy_pass http://127.0.0.1:2; call_timeout 1s; }\n"
      "location /mcp { " +
      kPass + "}");
  // Elsewhere is elsewhere.
  is_good("location /mcp mcp_name=a { " + kPass + "} location /mcp { " + kPass +
          "} location /health { holdfast_health; } location = /mcp { return 204; }");
}

HF_TEST(what_lets_only_certain_messages_in_must_be_proven) {
  says("location /mcp mcp_method=tools/list { " + kPass + "}",
       "besides location \"/mcp\" mcp_method=tools/list nothing answers there, and clients say in "
       "their headers what they like: it needs \"mcp_header_check on;\", or another location for "
       "all else");
  is_good("location /mcp mcp_method=tools/list { " + kChecked + "}");
  is_good("mcp_header_check on; location /mcp mcp_method=tools/list { " + kPass + "}");
}

int main() {
  const CMUnitTest tests[] = {
      HF_UNIT(the_first_location_whose_fields_are_met_answers_else_the_one_without),
      HF_UNIT(a_path_comes_before_all_fields),
      HF_UNIT(where_no_location_is_for_all_messages_others_find_none),
      HF_UNIT(what_stands_behind_a_path_must_be_a_field_and_its_text),
      HF_UNIT(the_same_place_for_the_same_messages_is_a_duplicate),
      HF_UNIT(fields_that_choose_between_rights_must_be_proven),
      HF_UNIT(fields_that_choose_between_anything_else_need_not),
      HF_UNIT(what_lets_only_certain_messages_in_must_be_proven),
  };
  return HF_RUN(tests);
}
