// From text to a checked tree: structure, includes, what the checker refuses, how it is printed,
// and the dump, against a small schema of its own.
#include "common/conf_check.h"

#include "common/conf_dump.h"
#include "common/conf_parser.h"
#include "tests/support/hf_test.h"
#include "tests/support/memory_conf_source.h"

using namespace holdfast;
using holdfast::test::MemoryConfSource;
using holdfast::test::request_for;

namespace {

constexpr ConfContexts kInner = 2;
constexpr ConfRow kRows[] = {
    {.name = "pid"},
    {.name = "names", .contexts = kConfMain | kInner, .args_max = kManyArgs},
    {.name = "wait",
     .contexts = kInner,
     .type = ConfType::time,
     .min = 10,
     .max = 60'000,
     .words = "off"},
    {.name = "room", .contexts = kConfMain, .type = ConfType::size, .max = 1024},
    {.name = "count", .contexts = kConfMain, .type = ConfType::count, .min = 1, .max = 9},
    {.name = "flag", .contexts = kConfMain, .type = ConfType::onoff, .words = "smart"},
    {.name = "pick", .contexts = kConfMain, .type = ConfType::choice, .words = "auto|never"},
    {.name = "listen", .contexts = kInner, .args_max = 4, .repeatable = true},
    {.name = "server", .args_min = 0, .args_max = 0, .opens = kInner, .repeatable = true},
    {.name = "header",
     .contexts = kInner,
     .args_min = 2,
     .args_max = 2,
     .repeatable = true,
     .secret_value = true},
    {.name = "include", .contexts = kConfMain | kInner, .repeatable = true},
};
constexpr ConfContextName kNames[] = {{kConfMain, "main"}, {kInner, "server"}};
constexpr std::string_view kForeign[] = {"max_sessions"};
constexpr std::string_view kNginx[] = {"rewrite"};
constexpr std::string_view kLater[] = {"ssl"};
const ConfSchema kSchema{.rows = kRows,
                         .contexts = kNames,
                         .foreign = {"sessiond.conf", kForeign},
                         .nginx_only = kNginx,
                         .later = kLater};

struct World {
  MemoryConfSource source;
  ConfRequest request = request_for("t.conf");
  ConfReport report;
  ConfTree tree;

  explicit World(const std::string &text) { source.files[request.path] = text; }

  std::string findings() {
    report = ConfReport();
    tree = parse_conf(request, kSchema, source, report);
    check_conf(tree, kSchema, report);
    report.sort();
    return report.text(tree.files, "t");
  }
  std::string dump(bool secrets = false) {
    (void)findings();  // ignoring: the dump is what is looked at
    return dump_conf(tree, secrets);
  }
};

bool has(const std::string &text, const std::string &part) {
  return text.find(part) != std::string::npos;
}

#define HF_SAYS(text, part)                             \
  do {                                                  \
    const std::string said_ = World(text).findings();   \
    if (!has(said_, (part))) HF_FAIL("said: " + said_); \
  } while (0)

}  // namespace

HF_TEST(a_finding_has_its_line_and_a_caret) {
  HF_EQ(World("pid a;\n  sevrer {\n  }\n").findings(),
        std::string(
            "t: [emerg] unknown directive \"sevrer\"; did you mean \"server\"? in t.conf:2:3\n"
            "     2 |   sevrer {\n"
            "       |   ^~~~~~\n"));
  HF_EQ(World("\tpidü x;").findings(),
        std::string("t: [emerg] unknown directive \"pidü\" in t.conf:1:2\n"
                    "     1 | \tpidü x;\n"
                    "       | \t^~~~\n"));
}

HF_TEST(a_forgotten_semicolon_is_told_where_it_belongs) {
  HF_SAYS("server {\n  listen 80\n  names a;\n}", "missing \";\" after \"listen\" in t.conf:2:12");
  HF_SAYS("server { listen 80 }", "missing \";\" after \"listen\" in t.conf:1:19");
  HF_SAYS("pid x", "missing \";\" after \"pid\" in t.conf:1:6");
  HF_EQ(World("names a\n  b\n  c;").findings(), std::string());
  HF_EQ(World("names a\n  \"pid\";").findings(), std::string());
}

HF_TEST(braces_are_matched_and_told_at_their_opening) {
  HF_SAYS("server {\n  listen 80;\n", "the block of \"server\" is never closed in t.conf:1:1");
  HF_SAYS("pid x; }", "unexpected \"}\" in t.conf:1:8");
  HF_SAYS("{ }", "unexpected \"{\" in t.conf:1:1");
  HF_SAYS("; pid x;", "unexpected \";\" in t.conf:1:1");
  HF_SAYS("server;", "\"server\" has no opening \"{\"");
  HF_SAYS("pid x { }", "\"pid\" takes no block; end it with \";\"");
}

HF_TEST(a_quote_that_is_never_closed_is_the_only_complaint) {
  World world("server { listen \"80; }\npid x;\n");
  HF_CHECK(has(world.findings(), "this quote is never closed in t.conf:1:17"));
  HF_EQ(world.report.errors_count(), 1u);
}

HF_TEST(words_in_the_wrong_place_are_told_where_they_belong) {
  HF_SAYS("listen 80;", "\"listen\" is not allowed in \"main\" (only in server) in t.conf:1:1");
  HF_SAYS("server { pid x; }", "\"pid\" is not allowed in \"server\" (only in main)");
  HF_SAYS("max_sessions 3;", "\"max_sessions\" belongs in sessiond.conf");
  HF_SAYS("rewrite a b;", "\"rewrite\" is an nginx directive Holdfast does not have");
  HF_SAYS("ssl on;", "\"ssl\" is not supported by this version");
  HF_SAYS("zzz 1;", "unknown directive \"zzz\" in t.conf:1:1");
}

HF_TEST(a_misspelt_block_is_looked_into_all_the_same) {
  HF_SAYS("sevrer { lisen 80; }", "unknown directive \"lisen\"; did you mean \"listen\"?");
}

HF_TEST(arguments_are_counted) {
  HF_SAYS("pid;", "\"pid\" takes 1 argument(s), not 0");
  HF_SAYS("server { listen; }", "\"listen\" takes 1 to 4 argument(s), not 0");
  HF_SAYS("names;", "\"names\" takes at least 1 argument(s), not 0");
  HF_SAYS("server x { }", "\"server\" takes 0 argument(s), not 1");
}

HF_TEST(duplicates_name_the_first_line) {
  HF_SAYS("pid a;\n\npid b;", "\"pid\" is duplicate (first at line 1) in t.conf:3:1");
  HF_EQ(World("server { listen 1; listen 2; } server { }").findings(), std::string());
  World world("pid a; include b.conf;");
  world.source.files["/etc/holdfast/b.conf"] = "pid b;";
  HF_CHECK(has(world.findings(),
               "\"pid\" is duplicate (first at t.conf:1) in /etc/holdfast/b.conf:1:1"));
}

HF_TEST(first_arguments_have_the_type_of_their_row) {
  HF_SAYS("server { wait 10q; }",
          "\"10q\" is not a time; write 500ms, 30s, 10m, 1h30m, or off in t.conf:1:15");
  HF_SAYS("server { wait 1ms; }", "\"wait\" must be at least 10ms, not 1ms");
  HF_SAYS("server { wait 2m; }", "\"wait\" must be at most 1m, not 2m");
  HF_SAYS("room 2k;", "\"room\" must be at most 1k, not 2k");
  HF_SAYS("room x;", "\"x\" is not a size");
  HF_SAYS("count 0;", "\"0\" is not a whole number from 1 to 9");
  HF_SAYS("flag yes;", "\"yes\" is neither \"on\" nor \"off\", nor smart");
  HF_SAYS("pick always;", "\"always\" is not one of auto, never");
  HF_EQ(World("server { wait off; } room 1k; count 9; flag smart; pick auto;").findings(),
        std::string());
}

HF_TEST(only_what_is_right_gets_a_row) {
  World world("pid; count 3; server { wait 1q; listen 80; }");
  (void)world.findings();  // ignoring: the tree is what is looked at
  HF_CHECK(world.tree.directives[0].row == nullptr);
  HF_CHECK(world.tree.directives[1].row == &kRows[4]);
  HF_CHECK(world.tree.directives[2].children[0].row == nullptr);
  HF_CHECK(world.tree.directives[2].children[1].row != nullptr);
}

HF_TEST(all_errors_are_counted_and_twenty_are_shown) {
  std::string text;
  for (int i = 0; i < 23; ++i) text += "zzz;\n";
  World world(text);
  const std::string said = world.findings();
  HF_EQ(world.report.errors_count(), 23u);
  HF_CHECK(has(said, "t.conf:20:1") && !has(said, "t.conf:21:1"));
  HF_CHECK(has(said, "t: 3 more errors are not shown"));
}

HF_TEST(included_files_stand_where_their_include_stood) {
  World world("include a.conf;\nserver { include sub/*.conf; include nothere/*.conf; }");
  world.source.files["/etc/holdfast/a.conf"] = "pid x;";
  world.source.files["/etc/holdfast/sub/1.conf"] = "listen 1;";
  world.source.files["/etc/holdfast/sub/2.conf"] = "listen 2;";
  world.source.globs["/etc/holdfast/sub/*.conf"] = {"/etc/holdfast/sub/1.conf",
                                                    "/etc/holdfast/sub/2.conf"};
  HF_EQ(world.findings(), std::string());
  HF_EQ(world.tree.directives.size(), 2u);
  HF_EQ(world.tree.directives[1].children.size(), 2u);
  HF_EQ(world.tree.directives[1].children[1].args[0].text, std::string("2"));
  HF_EQ(world.tree.files.size(), 4u);
}

HF_TEST(an_include_that_is_not_there_or_never_ends_is_an_error) {
  HF_SAYS("include nothere.conf;",
          "open() \"/etc/holdfast/nothere.conf\" failed (No such file or directory) in t.conf:1:9");
  HF_SAYS("include t.conf;", "\"/etc/holdfast/t.conf\" includes itself in t.conf:1:9");
  HF_SAYS("include;", "\"include\" takes 1 argument(s), not 0");
  World world("include 1;");
  for (int i = 1; i <= 20; ++i) {
    world.source.files["/etc/holdfast/" + std::to_string(i)] =
        "include " + std::to_string(i + 1) + ";";
  }
  HF_CHECK(has(world.findings(), "includes are nested more than 16 deep in /etc/holdfast/16:1:1"));
}

HF_TEST(blocks_end_in_the_file_they_begin_in) {
  World world("server { include a; ");
  world.source.files["/etc/holdfast/a"] = "}";
  HF_CHECK(has(world.findings(), "unexpected \"}\" in /etc/holdfast/a:1:1"));
}

HF_TEST(nesting_is_bounded) {
  std::string text;
  for (size_t i = 0; i < kConfBlockDepthMax + 1; ++i) text += "server {";
  World world(text + std::string(kConfBlockDepthMax + 1, '}'));
  HF_CHECK(has(world.findings(), "blocks are nested more than 16 deep in t.conf:1:"));
  std::string bottomless;
  for (int i = 0; i < 5000; ++i) bottomless += "server {";
  HF_SAYS(bottomless, "blocks are nested more than 16 deep");
}

HF_TEST(a_file_that_cannot_be_read_is_told) {
  World world("");
  world.source.files.clear();
  HF_EQ(world.findings(),
        std::string(
            "t: [emerg] open() \"/etc/holdfast/t.conf\" failed (No such file or directory)\n"));
}

HF_TEST(g_stands_behind_the_file_and_overrides_it) {
  World world("pid a;");
  world.request.directives = "pid b";
  HF_EQ(world.findings(), std::string());
  HF_EQ(world.tree.directives.size(), 2u);
  HF_CHECK(world.tree.from_command_line(world.tree.directives[1]));
  world.request.directives = "zzz 1;";
  HF_CHECK(has(world.findings(), "unknown directive \"zzz\" in command line:1:1"));
}

HF_TEST(the_dump_holds_every_file_and_is_itself_a_configuration) {
  World world("include a.conf; server {\n  include b.conf; listen 3; }");
  world.source.files["/etc/holdfast/a.conf"] = "pid x;";
  world.source.files["/etc/holdfast/b.conf"] = "listen 1;\nlisten 2;\n";
  const std::string dump = world.dump();
  HF_EQ(dump, std::string("# configuration file /etc/holdfast/t.conf:\n"
                          "# include a.conf;\n"
                          "# configuration file /etc/holdfast/a.conf:\n"
                          "pid x;\n"
                          "# configuration file /etc/holdfast/t.conf:\n"
                          " server {\n  \n"
                          "# include b.conf;\n"
                          "# configuration file /etc/holdfast/b.conf:\n"
                          "listen 1;\nlisten 2;\n"
                          "# configuration file /etc/holdfast/t.conf:\n"
                          " listen 3; }\n"));
  World again(dump);
  HF_EQ(again.findings(), std::string());
  HF_EQ(again.tree.directives.size(), 2u);
  HF_EQ(again.tree.directives[1].children.size(), 3u);
}

HF_TEST(secrets_are_not_dumped_unless_asked_for) {
  World world(
      "server { header Authorization \"Bearer x\"; header X-Api-Key k; header X-Other o; }");
  HF_CHECK(has(world.dump(),
               "header Authorization \"***\"; header X-Api-Key \"***\"; header X-Other o;"));
  HF_CHECK(has(world.dump(true), "\"Bearer x\"; header X-Api-Key k;"));
}

HF_TEST(an_env_file_is_dumped_as_comments_without_other_peoples_secrets) {
  World world("pid x;");
  (void)world.findings();  // ignoring: the tree is what is needed
  world.tree.files.push_back(
      {"/e/.env", "MAX_SESSIONS=5\nTOKEN='a\nb'\n", ConfFile::Kind::env_file, ""});
  world.tree.known_variables = {"MAX_SESSIONS"};
  HF_CHECK(has(dump_conf(world.tree, false),
               "# configuration file /e/.env:\n# MAX_SESSIONS=5\n# TOKEN=***\n"));
  HF_CHECK(has(dump_conf(world.tree, true), "# TOKEN=a b\n"));
}

HF_TEST(a_terminal_is_not_obeyed) {
  HF_CHECK(!has(World("zzz \"\x1b[31m\";\nz\x1b").findings(), "\x1b"));
}

int main() {
  const CMUnitTest tests[] = {
      HF_UNIT(a_finding_has_its_line_and_a_caret),
      HF_UNIT(a_forgotten_semicolon_is_told_where_it_belongs),
      HF_UNIT(braces_are_matched_and_told_at_their_opening),
      HF_UNIT(a_quote_that_is_never_closed_is_the_only_complaint),
      HF_UNIT(words_in_the_wrong_place_are_told_where_they_belong),
      HF_UNIT(a_misspelt_block_is_looked_into_all_the_same),
      HF_UNIT(arguments_are_counted),
      HF_UNIT(duplicates_name_the_first_line),
      HF_UNIT(first_arguments_have_the_type_of_their_row),
      HF_UNIT(only_what_is_right_gets_a_row),
      HF_UNIT(all_errors_are_counted_and_twenty_are_shown),
      HF_UNIT(included_files_stand_where_their_include_stood),
      HF_UNIT(an_include_that_is_not_there_or_never_ends_is_an_error),
      HF_UNIT(blocks_end_in_the_file_they_begin_in),
      HF_UNIT(nesting_is_bounded),
      HF_UNIT(a_file_that_cannot_be_read_is_told),
      HF_UNIT(g_stands_behind_the_file_and_overrides_it),
      HF_UNIT(the_dump_holds_every_file_and_is_itself_a_configuration),
      HF_UNIT(secrets_are_not_dumped_unless_asked_for),
      HF_UNIT(an_env_file_is_dumped_as_comments_without_other_peoples_secrets),
      HF_UNIT(a_terminal_is_not_obeyed),
  };
  return HF_RUN(tests);
}
