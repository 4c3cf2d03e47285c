// holdfastctl's command line: verbs, options in any place, and exit codes that are ours, not the
// parser library's.
#include "sessiond/ctl/command_line.h"

#include "tests/support/hf_test.h"

using namespace holdfast;
using namespace holdfast::ctl;

namespace {

CommandLine parse(std::vector<const char *> words) {
  words.insert(words.begin(), "holdfastctl");
  return parse_command_line(static_cast<int>(words.size()), words.data());
}

Options options_of(std::vector<const char *> words) {
  CommandLine line = parse(std::move(words));
  if (!line.options) HF_FAIL(line.text);
  return *std::move(line.options);
}

std::string usage_error(std::vector<const char *> words) {
  const CommandLine line = parse(std::move(words));
  HF_CHECK(!line.options);
  HF_EQ(line.exit, Exit::usage);
  HF_CHECK(line.text.starts_with("holdfastctl: ") && line.text.ends_with("\n"));
  return line.text;
}

}  // namespace

HF_TEST(without_a_verb_sessions_are_listed) {
  const Options options = options_of({});
  HF_EQ(options.verb, Verb::list_sessions);
  HF_EQ(options.output, Output::table);
  HF_CHECK(options.legend && !options.full && !options.quiet && !options.yes);
}

HF_TEST(options_may_stand_before_and_after_the_verb) {
  const Options before = options_of({"-s", "a.sock", "-o", "json", "--no-legend", "status"});
  const Options after = options_of({"status", "-s", "a.sock", "-o", "json", "--no-legend"});
  for (const Options &options : {before, after}) {
    HF_EQ(options.verb, Verb::status);
    HF_EQ(options.socket, "a.sock");
    HF_EQ(options.output, Output::json);
    HF_CHECK(!options.legend);
  }
}

HF_TEST(verbs_take_their_arguments) {
  const Options many = options_of({"terminate-session", "abcd", "efgh", "-y"});
  HF_EQ(many.verb, Verb::terminate_session);
  HF_CHECK(many.args == (std::vector<std::string>{"abcd", "efgh"}));
  HF_CHECK(many.yes);
  const Options set = options_of({"set", "abcd", "persistent", "on"});
  HF_CHECK(set.args == (std::vector<std::string>{"abcd", "persistent", "on"}));
  const Options show = options_of({"show-session", "abcd", "-p", "user", "-p", "state", "--value"});
  HF_CHECK(show.properties == (std::vector<std::string>{"user", "state"}));
  HF_CHECK(show.args == std::vector<std::string>{"abcd"});
  HF_CHECK(show.values_only);
  const Options drain = options_of({"drain", "--wait", "1m30s"});
  HF_CHECK(drain.wait == std::chrono::seconds(90));
  HF_CHECK(options_of({"show-config", "--origin"}).origin);
  HF_CHECK(options_of({"session-status", "--", "-abc"}).args == std::vector<std::string>{"-abc"});
}

HF_TEST(filters_become_words_of_the_admin_socket) {
  const Options options =
      options_of({"list-sessions", "--user", "two words", "--idle-over", "10m", "--state", "idle"});
  const std::vector<std::pair<std::string, std::string>> expected = {
      {"idle_over", "10m"}, {"state", "idle"}, {"user", "two words"}};
  HF_CHECK(options.filters == expected);
}

HF_TEST(mistakes_exit_with_2_and_say_what_was_meant) {
  HF_CHECK(usage_error({"lst-sessions"}).find("did you mean \"list-sessions\"?") !=
           std::string::npos);
  (void)usage_error({"terminate-session"});  // ignoring: the helper checks
  (void)usage_error({"set", "abcd", "persistent"});
  (void)usage_error({"status", "--bogus"});
  (void)usage_error({"status", "extra"});
  (void)usage_error({"-o", "xml", "status"});
  (void)usage_error({"drain", "--wait", "soon"});
  (void)usage_error({"show-session", "a\nb c d"});
  (void)usage_error({"list-sessions", "--user", "a\x1b[2J"});
  (void)usage_error({"-s"});
}

HF_TEST(help_and_version_exit_with_0) {
  for (const char *word : {"--help", "-h", "--version"}) {
    const CommandLine line = parse({word});
    HF_CHECK(!line.options);
    HF_EQ(line.exit, Exit::done);
    HF_CHECK(!line.text.empty());
  }
  HF_CHECK(parse({"--help"}).text.find("terminate-session") != std::string::npos);
}

int main() {
  const CMUnitTest tests[] = {
      HF_UNIT(without_a_verb_sessions_are_listed),
      HF_UNIT(options_may_stand_before_and_after_the_verb),
      HF_UNIT(verbs_take_their_arguments),
      HF_UNIT(filters_become_words_of_the_admin_socket),
      HF_UNIT(mistakes_exit_with_2_and_say_what_was_meant),
      HF_UNIT(help_and_version_exit_with_0),
  };
  return HF_RUN(tests);
}
