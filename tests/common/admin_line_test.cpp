// The admin socket's lines: words, quotes, commands, and errors that stay one line.
#include "common/admin_line.h"

#include "tests/support/hf_test.h"

using namespace holdfast;

namespace {

using Commands = std::vector<AdminWords>;

Commands split(std::string_view line) {
  auto commands = split_admin_line(line);
  if (!commands) HF_FAIL(commands.error().message);
  return *std::move(commands);
}

}  // namespace

HF_TEST(a_line_is_commands_of_words) {
  HF_CHECK(split("show sess") == (Commands{{"show", "sess"}}));
  HF_CHECK(split("  show \t info ; help;;quit ") ==
           (Commands{{"show", "info"}, {"help"}, {"quit"}}));
  HF_CHECK(split("").empty());
  HF_CHECK(split(" ;; ; ").empty());
}

HF_TEST(quotes_and_backslashes_keep_what_they_hold) {
  HF_CHECK(split(R"(show sess user "a b;c")") == (Commands{{"show", "sess", "user", "a b;c"}}));
  HF_CHECK(split(R"(x "" y)") == (Commands{{"x", "", "y"}}));
  HF_CHECK(split(R"(a\;b a\ b "q\"q" ab"cd"ef)") == (Commands{{"a;b", "a b", "q\"q", "abcdef"}}));
}

HF_TEST(what_cannot_be_read_is_refused) {
  for (const std::string_view line :
       {std::string_view("show \"sess"), std::string_view("show \\"), std::string_view("a\x1b[m"),
        std::string_view("a\0b", 3), std::string_view("a\x7f")}) {
    const auto commands = split_admin_line(line);
    HF_CHECK(!commands);
    HF_EQ(commands.error().code, Errc::protocol);
  }
}

HF_TEST(a_line_holds_a_bounded_number_of_commands) {
  std::string line;
  for (size_t i = 0; i < kAdminCommandsPerLineMax; ++i) line += "help;";
  HF_EQ(split(line).size(), kAdminCommandsPerLineMax);
  HF_CHECK(!split_admin_line(line + "help"));
}

HF_TEST(every_word_survives_being_written_and_read) {
  for (const std::string word : {"plain", "", "two words", "semi;colon", "quo\"te", "back\\slash",
                                 "-dash", "\xc3\xa4", "tab\there"}) {
    if (!is_admin_word_possible(word)) continue;
    HF_CHECK(split("cmd " + admin_word(word)) == (Commands{{"cmd", word}}));
  }
  HF_CHECK(!is_admin_word_possible("line\nend"));
  HF_CHECK(!is_admin_word_possible("tab\there"));
}

HF_TEST(an_error_is_one_line_with_its_word) {
  HF_EQ(admin_error(AdminFault::not_found, "no session\nabc"),
        "error: [not_found] no session abc\n");
  for (const auto &row : enum_words<AdminFault>()) {
    HF_CHECK(from_word<AdminFault>(row.word) == row.value);
  }
  HF_EQ(enum_words<AdminFault>().size(), static_cast<size_t>(AdminFault::denied) + 1);
}

int main() {
  const CMUnitTest tests[] = {
      HF_UNIT(a_line_is_commands_of_words),
      HF_UNIT(quotes_and_backslashes_keep_what_they_hold),
      HF_UNIT(what_cannot_be_read_is_refused),
      HF_UNIT(a_line_holds_a_bounded_number_of_commands),
      HF_UNIT(every_word_survives_being_written_and_read),
      HF_UNIT(an_error_is_one_line_with_its_word),
  };
  return HF_RUN(tests);
}
