// nginx's grammar as tokens: words, quotes, escapes, comments, ${VAR}, and where each token stands.
#include "common/conf_lexer.h"

#include "tests/support/hf_test.h"
#include "tests/support/memory_conf_source.h"

using namespace holdfast;

namespace {

struct Lexed {
  std::string text;    // words in <>, the rest as it is
  std::string faults;  // with their place
  std::vector<ConfToken> tokens;
};

Lexed lex(const std::string &text) {
  test::MemoryConfSource source;
  source.variables = {{"PORT", "3001"}, {"EMPTY", ""}, {"WILD", "a b; } {"}, {"A_1", "x"}};
  ConfReport report;
  ConfLexer lexer(0, text, source, report);
  Lexed result;
  for (ConfToken token = lexer.next(); token.kind != ConfToken::Kind::end; token = lexer.next()) {
    switch (token.kind) {
      case ConfToken::Kind::word:
        result.text += "<" + token.text + ">";
        break;
      case ConfToken::Kind::semicolon:
        result.text += ";";
        break;
      case ConfToken::Kind::open:
        result.text += "{";
        break;
      case ConfToken::Kind::close:
        result.text += "}";
        break;
      case ConfToken::Kind::end:
        break;
    }
    result.tokens.push_back(std::move(token));
  }
  result.faults = report.text({{"f", text, ConfFile::Kind::conf, ""}}, "t");
  return result;
}

bool has(const std::string &text, const std::string &part) {
  return text.find(part) != std::string::npos;
}

}  // namespace

HF_TEST(words_end_at_blanks_semicolons_and_braces) {
  HF_EQ(lex("a b;c{d}\n\te;").text, std::string("<a><b>;<c>{<d>}<e>;"));
  HF_EQ(lex("listen [::1]:80;").text, std::string("<listen><[::1]:80>;"));
  HF_EQ(lex("").text, std::string());
}

HF_TEST(a_hash_begins_a_comment_where_a_token_could_begin) {
  HF_EQ(lex("a#b c; # d;\n#e\nf;").text, std::string("<a#b><c>;<f>;"));
  HF_EQ(lex("a;# no line end").text, std::string("<a>;"));
}

HF_TEST(quotes_keep_everything_and_only_at_the_beginning_of_a_word) {
  HF_EQ(lex("a \"b ;{}#'\" 'c \"d';").text, std::string("<a><b ;{}#'><c \"d>;"));
  HF_EQ(lex("a it's;").text, std::string("<a><it's>;"));
  HF_EQ(lex("a \"\" '';").text, std::string("<a><><>;"));
  HF_CHECK(lex("a \"b\";").tokens[1].quoted);
}

HF_TEST(backslashes_are_nginx_escapes) {
  HF_EQ(lex("a \"\\\"\\\\\\t\\n\\r\\d\";").text, std::string("<a><\"\\\t\n\r\\d>;"));
  HF_EQ(lex("a b\\ c\\;d\\\"e;").text, std::string("<a><b c;d\"e>;"));
  HF_EQ(lex("a '\\'';").text, std::string("<a><'>;"));
  HF_EQ(lex("a\\").text, std::string("<a\\>"));
}

HF_TEST(environment_variables_are_replaced_in_bare_words_and_double_quotes) {
  HF_EQ(lex("p ${PORT} \"x${PORT}y\" h:${PORT}/${A_1};").text,
        std::string("<p><3001><x3001y><h:3001/x>;"));
  HF_EQ(lex("p '${PORT}';").text, std::string("<p><${PORT}>;"));
}

HF_TEST(a_default_serves_for_unset_and_empty_variables) {
  HF_EQ(lex("p ${NOPE:-d} ${EMPTY:-e} ${PORT:-f} ${NOPE:-} \"${NOPE:-a b}\";").text,
        std::string("<p><d><e><3001><><a b>;"));
}

HF_TEST(other_variables_stay_as_they_are) {
  HF_EQ(lex("h $host ${remote_addr} ${Mixed} $PORT;").text,
        std::string("<h><$host><${remote_addr}><${Mixed}><$PORT>;"));
}

HF_TEST(a_value_never_ends_a_word) {
  HF_EQ(lex("p ${WILD} c;").text, std::string("<p><a b; } {><c>;"));
}

HF_TEST(an_unset_variable_is_an_error_that_teaches_the_cure) {
  HF_CHECK(has(lex("p ${REDIS_URL};").faults,
               "environment variable \"REDIS_URL\" is not set (write ${REDIS_URL:-default} to give "
               "one) in f:1:3"));
  HF_CHECK(has(lex("p ${EMPTY};").faults, "\"EMPTY\" is not set"));
  HF_CHECK(has(lex("p ${PORT;\nq;").faults, "\"${\" is never closed in f:1:3"));
}

HF_TEST(columns_count_characters_and_not_bytes) {
  const Lexed lexed = lex("ä \"öö\" 'x");
  HF_CHECK(has(lexed.faults, "this quote is never closed in f:1:8"));
  HF_EQ(lexed.tokens[1].span.begin, 3u);
  HF_CHECK(has(lex("\xef\xbb\xbf"
                   "a \"")
                   .faults,
               "never closed"));
}

HF_TEST(what_follows_a_closing_quote_directly_is_an_error) {
  HF_CHECK(
      has(lex("a \"b\"c;").faults, "unexpected \"c\" directly after a closing quote in f:1:6"));
  HF_CHECK(lex("a \"b\"; c \"d\"{e}").faults.empty());
}

HF_TEST(control_characters_are_told_once_and_passed_over) {
  const Lexed lexed = lex(std::string("a\0 \x01 b;", 7));
  HF_EQ(lexed.text, std::string("<a><b>;"));
  HF_EQ(lexed.faults.find("control character"), lexed.faults.rfind("control character"));
}

HF_TEST(a_token_knows_whether_it_begins_its_line) {
  const auto tokens = lex("a b\n  c d").tokens;
  HF_CHECK(tokens[0].first_on_line && !tokens[1].first_on_line && tokens[2].first_on_line);
}

int main() {
  const CMUnitTest tests[] = {
      HF_UNIT(words_end_at_blanks_semicolons_and_braces),
      HF_UNIT(a_hash_begins_a_comment_where_a_token_could_begin),
      HF_UNIT(quotes_keep_everything_and_only_at_the_beginning_of_a_word),
      HF_UNIT(backslashes_are_nginx_escapes),
      HF_UNIT(environment_variables_are_replaced_in_bare_words_and_double_quotes),
      HF_UNIT(a_default_serves_for_unset_and_empty_variables),
      HF_UNIT(other_variables_stay_as_they_are),
      HF_UNIT(a_value_never_ends_a_word),
      HF_UNIT(an_unset_variable_is_an_error_that_teaches_the_cure),
      HF_UNIT(columns_count_characters_and_not_bytes),
      HF_UNIT(what_follows_a_closing_quote_directly_is_an_error),
      HF_UNIT(control_characters_are_told_once_and_passed_over),
      HF_UNIT(a_token_knows_whether_it_begins_its_line),
  };
  return HF_RUN(tests);
}
