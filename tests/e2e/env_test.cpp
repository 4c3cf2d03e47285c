// Where sessiond's settings come from, what wins, what it says at start, and how it refuses.
#include "tests/support/hf_test.h"
#include "tests/support/pair.h"

using namespace holdfast::test;

namespace {

struct Setup {
  std::string conf;
  std::string env_file;  // content of .env in the working directory
  std::vector<std::pair<std::string, std::string>> env;
  std::vector<std::string> args;
};

Command sessiond(const TempDir &dir, const Setup &setup) {
  (void)dir.write("sessiond.conf",
                  "control_socket sessiond.sock; admin_socket admin.sock; http_socket http.sock;\n"
                  "pid sessiond.pid;\n" +
                      setup.conf);
  if (!setup.env_file.empty()) (void)dir.write(".env", setup.env_file);
  std::vector<std::string> args = {"-c", dir.file("sessiond.conf")};
  args.insert(args.end(), setup.args.begin(), setup.args.end());
  return {program("holdfast-sessiond"), args, session_environment(setup.env), dir.path()};
}

// What it prints at start, to stdout.
std::string banner(const Setup &setup) {
  const TempDir dir;
  Process process(sessiond(dir, setup));
  (void)process.wait_for_line("event=ready");
  process.signal(SIGTERM);
  HF_EQ(process.wait_exit(), (Exit{false, 0}));
  return process.out();
}

// The first line of the banner that says what is in force.
std::string summary(const Setup &setup) {
  const std::string text = banner(setup);
  const size_t at = text.find("Session: ");
  return text.substr(at, text.find('\n', at) - at);
}

// Refused to start: exit 1, and the reason names these.
void check_refused(const Setup &setup, const std::vector<std::string> &words) {
  const TempDir dir;
  const Finished finished = run(sessiond(dir, setup));
  HF_EQ(finished.exit, (Exit{false, 1}));
  for (const std::string &word : words) {
    if (finished.err.find(word) == std::string::npos) {
      HF_FAIL("\"" + word + "\" is not in: " + finished.err);
    }
  }
}

}  // namespace

HF_TEST(the_banner_is_exact) {
  const std::string without_cap = banner({});
  HF_CHECK(
      without_cap.starts_with("📋 Configuration:\n"
                              "   Session: timeout=3600000ms, cleanup=60000ms, persistent=true\n"));
  HF_CHECK(without_cap.find("maxSessions") == std::string::npos);
  HF_CHECK(banner({"", "", {{"MAX_SESSIONS", "100"}}, {}})
               .starts_with("📋 Configuration:\n"
                            "   Session: timeout=3600000ms, cleanup=60000ms, persistent=false\n"
                            "     - maxSessions: 100\n"));
}

HF_TEST(the_smart_default_of_persistent_mode_is_the_whole_truth_table) {
  struct Row {
    const char *max_sessions;
    const char *persistent_mode;
    bool persistent;
  };
  constexpr Row kTable[] = {{"", "", true},      {"5", "", false},     {"", "true", true},
                            {"5", "true", true}, {"", "false", false}, {"5", "false", false}};
  for (const Row &row : kTable) {
    const std::string line =
        summary({"",
                 "",
                 {{"MAX_SESSIONS", row.max_sessions}, {"PERSISTENT_MODE", row.persistent_mode}},
                 {}});
    HF_EQ(line.substr(line.rfind('=') + 1), row.persistent ? "true" : "false");
  }
}

HF_TEST(each_source_beats_the_one_below_it) {
  Setup setup;
  setup.conf = "session_timeout 1s;\n";
  HF_CHECK(summary(setup).find("timeout=1000ms") != std::string::npos);
  setup.env_file = "SESSION_TIMEOUT=2000\n";
  HF_CHECK(summary(setup).find("timeout=2000ms") != std::string::npos);
  setup.env = {{"SESSION_TIMEOUT", "3000"}};
  HF_CHECK(summary(setup).find("timeout=3000ms") != std::string::npos);
  setup.args = {"-g", "session_timeout 4s;"};
  HF_CHECK(summary(setup).find("timeout=4000ms") != std::string::npos);
}

HF_TEST(an_empty_variable_is_an_unset_one) {
  Setup setup;
  setup.env_file = "SESSION_TIMEOUT=2000\n";
  setup.env = {{"SESSION_TIMEOUT", ""}};
  HF_CHECK(summary(setup).find("timeout=2000ms") != std::string::npos);
}

HF_TEST(an_env_file_is_read_as_dotenv_reads_it) {
  Setup setup;
  setup.env_file =
      "# .env formats seen in node dotenv and docker --env-file\n"
      "PERSISTENT_MODE=true\n"
      "export MAX_SESSIONS=50   # comment\n"
      "SESSION_TIMEOUT=\"1800000\"\n"
      "SESSION_CLEANUP_INTERVAL='60000'\n"
      "QUOTED=\"a # not comment\"\n";
  HF_CHECK(
      banner(setup).starts_with("📋 Configuration:\n"
                                "   Session: timeout=1800000ms, cleanup=60000ms, persistent=true\n"
                                "     - maxSessions: 50\n"));
}

HF_TEST(another_env_file_can_be_named) {
  const TempDir dir;
  const std::string path = dir.write("other.env", "MAX_SESSIONS=7\n");
  HF_CHECK(banner({"env_file " + path + ";\n", "", {}, {}}).find("maxSessions: 7\n") !=
           std::string::npos);
}

HF_TEST(a_bad_value_is_refused_naming_the_variable_and_where_it_came_from) {
  check_refused({"", "", {{"MAX_SESSIONS", "abc"}}, {}}, {"MAX_SESSIONS", "abc"});
  check_refused({"", "", {{"MAX_SESSIONS", "0"}}, {}}, {"MAX_SESSIONS"});
  check_refused({"", "", {{"SESSION_TIMEOUT", "-5"}}, {}}, {"SESSION_TIMEOUT", "-5"});
  check_refused({"", "", {{"PERSISTENT_MODE", "maybe"}}, {}}, {"PERSISTENT_MODE", "maybe"});
  check_refused({"", "A=1\nSESSION_CLEANUP_INTERVAL=soon\n", {}, {}},
                {"SESSION_CLEANUP_INTERVAL", "soon", ".env:2"});
}

HF_TEST(a_bad_conf_is_refused_with_every_error_and_its_place) {
  check_refused({"sesion_timeout 1h;\nmax_sessions many;\n", "", {}, {}},
                {"sesion_timeout", "did you mean \"session_timeout\"", "sessiond.conf:3:1", "many",
                 "sessiond.conf:4:14"});
}

HF_TEST(named_policies_have_their_own_block) {
  const std::string text =
      banner({"max_sessions 10;\npolicy team { session_timeout 5m; }\n", "", {}, {}});
  HF_CHECK(text.find("team") != std::string::npos);
  HF_CHECK(text.find("timeout=300000ms") != std::string::npos);
}

int main() {
  const CMUnitTest tests[] = {
      HF_UNIT(the_banner_is_exact),
      HF_UNIT(the_smart_default_of_persistent_mode_is_the_whole_truth_table),
      HF_UNIT(each_source_beats_the_one_below_it),
      HF_UNIT(an_empty_variable_is_an_unset_one),
      HF_UNIT(an_env_file_is_read_as_dotenv_reads_it),
      HF_UNIT(another_env_file_can_be_named),
      HF_UNIT(a_bad_value_is_refused_naming_the_variable_and_where_it_came_from),
      HF_UNIT(a_bad_conf_is_refused_with_every_error_and_its_place),
      HF_UNIT(named_policies_have_their_own_block),
  };
  return HF_RUN(tests);
}
