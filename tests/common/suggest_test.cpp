// The word a person probably meant: near enough, and the nearest.
#include "common/suggest.h"

#include "tests/support/hf_test.h"

using namespace holdfast;

HF_TEST(the_nearest_word_is_suggested_when_it_is_near) {
  HF_EQ(edit_distance("sevrer", "server"), 1u);
  HF_EQ(edit_distance("", "abc"), 3u);
  HF_EQ(edit_distance("abc", "abc"), 0u);
  constexpr std::string_view kWords[] = {"server", "listen", "pid", "proxy_read_timeout"};
  HF_EQ(nearest("sevrer", kWords), std::string_view("server"));
  HF_EQ(nearest("pdi", kWords), std::string_view("pid"));
  HF_EQ(nearest("xy", kWords), std::string_view());
  HF_EQ(nearest("proxy_raed_timout", kWords), std::string_view("proxy_read_timeout"));
  HF_EQ(nearest(std::string(100'000, 'x'), kWords), std::string_view());
  HF_EQ(did_you_mean("lisen", kWords), std::string("; did you mean \"listen\"?"));
  HF_EQ(did_you_mean("zzzzzz", kWords), std::string());
}

int main() {
  const CMUnitTest tests[] = {HF_UNIT(the_nearest_word_is_suggested_when_it_is_near)};
  return HF_RUN(tests);
}
