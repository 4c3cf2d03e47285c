// The left sides of a map: which texts they mean, and which regular expressions are refused.
#include "proxy/text_pattern.h"

#include <span>

#include "tests/support/hf_test.h"

using namespace holdfast::proxy;

namespace {

struct Row {
  std::string_view written;
  std::string_view text;
  bool matches;
};

void check_rows(std::span<const Row> rows) {
  for (const Row &row : rows) {
    const auto pattern = TextPattern::of_map(row.written);
    if (!pattern) HF_FAIL(pattern.error().message);
    if (pattern->matches(row.text) != row.matches) {
      HF_FAIL(std::string(row.written) + (row.matches ? " should meet " : " should not meet ") +
              std::string(row.text));
    }
  }
}

}  // namespace

HF_TEST(a_text_means_itself_in_either_case) {
  constexpr Row kRows[] = {
      {"echo", "echo", true}, {"echo", "ECHO", true}, {"echo", "echo2", false},
      {"echo", "ech", false}, {"echo", "", false},    {"", "", true},
      {"", "x", false},       {"^a", "^a", true},     {"a.b", "axb", false},
      {"a*b", "a*b", true},   {"a*b", "axb", false},
  };
  check_rows(kRows);
}

HF_TEST(a_star_at_the_end_means_whatever_begins_so) {
  constexpr Row kRows[] = {
      {"github_*", "github_issue", true},
      {"github_*", "GitHub_issue", true},
      {"github_*", "github_", true},
      {"github_*", "github", false},
      {"github_*", "xgithub_", false},
      {"*", "", true},
      {"*", "anything", true},
      {"a**", "a*b", true},
      {"a**", "ab", false},
  };
  check_rows(kRows);
}

HF_TEST(an_expression_means_what_nginx_takes_it_for) {
  constexpr Row kRows[] = {
      {"~^github_", "github_issue", true},
      {"~^github_", "GitHub_issue", false},
      {"~*^github_", "GitHub_issue", true},
      {"~^github_.*", "github_issue", true},
      {"~^github_.*$", "github_", true},
      {"~^echo$", "echo", true},
      {"~^echo$", "echo2", false},
      {"~^echo$", "Echo", false},
      {"~*^echo$", "Echo", true},
      {"~^file:///a\\.b\\*$", "file:///a.b*", true},
      {"~^file:///a\\.b\\*$", "file:///axb*", false},
      {"~^a\\\\.*", "a\\b", true},
      {"~^a\\$", "a$b", true},
      {"~^", "anything", true},
      {"~^$", "", true},
      {"~^$", "x", false},
  };
  check_rows(kRows);
}

HF_TEST(an_expression_that_would_have_to_search_is_refused) {
  for (const char *written :
       {"~github", "~", "~*", "~*github", "~^git(hub|lab)", "~^a.b", "~^a+", "~^[ab]", "~^a.*b",
        "~^a|b", "~^a$b", "~^\\d", "~^a\\", "~^a{2}", "~^^a", "~^(a+)+$", "~^a.*?", "~^a\\\\\\"}) {
    const auto pattern = TextPattern::of_map(written);
    if (pattern) HF_FAIL(std::string(written) + " is not refused");
    HF_CHECK(pattern.error().message.find(written) != std::string::npos);
  }
}

int main() {
  const CMUnitTest tests[] = {
      HF_UNIT(a_text_means_itself_in_either_case),
      HF_UNIT(a_star_at_the_end_means_whatever_begins_so),
      HF_UNIT(an_expression_means_what_nginx_takes_it_for),
      HF_UNIT(an_expression_that_would_have_to_search_is_refused),
  };
  return HF_RUN(tests);
}
