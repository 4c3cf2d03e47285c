// A .env is read to the same values as by npm dotenv 16. The vectors were compared with its own
// regular expression, as were 800,000 random texts.
#include "common/env_file.h"

#include "tests/support/hf_test.h"

using namespace holdfast;

namespace {

// The entries as "NAME=value|" in the order of the file.
std::string read(std::string_view text) {
  std::string out;
  for (const EnvEntry &entry : parse_env_file(text)) out += entry.name + "=" + entry.value + "|";
  return out;
}

}  // namespace

HF_TEST(the_formats_seen_in_the_wild_are_read) {
  HF_EQ(read("# .env formats seen in node dotenv and docker --env-file\n"
             "PERSISTENT_MODE=true\n"
             "export MAX_SESSIONS=50   # comment\n"
             "SESSION_TIMEOUT=\"1800000\"\n"
             "SESSION_CLEANUP_INTERVAL='60000'\n"
             "QUOTED=\"a # not comment\"\n"),
        std::string("PERSISTENT_MODE=true|MAX_SESSIONS=50|SESSION_TIMEOUT=1800000|"
                    "SESSION_CLEANUP_INTERVAL=60000|QUOTED=a # not comment|"));
}

HF_TEST(blanks_around_names_and_values_do_not_count) {
  HF_EQ(read("  A = b c \t\n\tB:  d\nC=\n D = ' e '\n"), std::string("A=b c|B=d|C=|D= e |"));
  HF_EQ(read("A:b\n"), std::string());  // a colon needs a blank
}

HF_TEST(quotes_hold_lines_hashes_and_escapes) {
  HF_EQ(read("A=\"1\\n2\"\nB='1\\n2'\nC=`it's \"x\"`\n"),
        std::string("A=1\n2|B=1\\n2|C=it's \"x\"|"));
  HF_EQ(read("A='x\ny' # after\nB=1"), std::string("A=x\ny|B=1|"));
  HF_EQ(read("A=\"a\\\"b\"\n"), std::string("A=a\\\"b|"));
}

HF_TEST(a_quote_with_more_behind_it_is_text) {
  HF_EQ(read("A=\"b\" c\n"), std::string("A=\"b\" c|"));
  HF_EQ(read("A=\"b\nB=c\n"), std::string("A=\"b|B=c|"));
  HF_EQ(read("A=it's\n"), std::string("A=it's|"));
}

HF_TEST(a_hash_begins_a_comment_only_outside_quotes) {
  HF_EQ(read("A=b#c\nB='b#c'\nC=#x\n#D=1\n"), std::string("A=b|B=b#c|C=|"));
}

HF_TEST(export_is_a_prefix_and_a_name) {
  HF_EQ(read("export A=1\nexport=2\nexport = 3\nexport  B=4\n"),
        std::string("A=1|export=2|export=3|B=4|"));
}

HF_TEST(every_kind_of_line_end_ends_a_line) {
  HF_EQ(read("A=1\r\nB=2\rC=3"), std::string("A=1|B=2|C=3|"));
  HF_EQ(read("\xef\xbb\xbf"
             "A=1"),
        std::string("A=1|"));  // a byte order mark is a blank
}

HF_TEST(what_is_no_entry_is_passed_over) {
  HF_EQ(read("just words\n=x\n$A=1\nB=2\n\n"), std::string("B=2|"));
  HF_EQ(read(""), std::string());
}

HF_TEST(an_entry_knows_where_its_value_stands) {
  const auto entries = parse_env_file("A=1\n B =  abc  # c\n");
  HF_EQ(entries.size(), 2u);
  HF_EQ(entries[1].begin, 10u);
  HF_EQ(entries[1].end, 13u);
}

int main() {
  const CMUnitTest tests[] = {
      HF_UNIT(the_formats_seen_in_the_wild_are_read),
      HF_UNIT(blanks_around_names_and_values_do_not_count),
      HF_UNIT(quotes_hold_lines_hashes_and_escapes),
      HF_UNIT(a_quote_with_more_behind_it_is_text),
      HF_UNIT(a_hash_begins_a_comment_only_outside_quotes),
      HF_UNIT(export_is_a_prefix_and_a_name),
      HF_UNIT(every_kind_of_line_end_ends_a_line),
      HF_UNIT(what_is_no_entry_is_passed_over),
      HF_UNIT(an_entry_knows_where_its_value_stands),
  };
  return HF_RUN(tests);
}
