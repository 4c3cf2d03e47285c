// What stands in a JSON string as it is: the same answer for whole blocks as byte by byte.
#include "common/json_plain.h"

#include <string>

#include "tests/support/hf_test.h"

using namespace holdfast;

HF_TEST(every_byte_is_plain_or_not_wherever_it_stands) {
  for (int value = 0; value < 256; ++value) {
    const char c = static_cast<char>(value);
    const bool plain = value >= 0x20 && value < 0x7f && value != '"' && value != '\\';
    HF_EQ(is_json_plain(c), plain);
    for (size_t at = 0; at < 40; ++at) {
      std::string text(40, 'a');
      text[at] = c;
      HF_EQ(json_plain_bytes(text), plain ? text.size() : at);
      for (size_t bytes = at + 1; bytes <= text.size(); ++bytes) {
        HF_EQ(is_json_plain(std::string_view(text).substr(0, bytes)), plain);
      }
    }
  }
}

HF_TEST(a_run_ends_with_the_text) {
  const std::string text(64, 'a');
  for (size_t bytes = 0; bytes <= text.size(); ++bytes) {
    HF_EQ(json_plain_bytes(std::string_view(text).substr(0, bytes)), bytes);
    HF_CHECK(is_json_plain(std::string_view(text).substr(0, bytes)));
  }
}

int main() {
  const CMUnitTest tests[] = {
      HF_UNIT(every_byte_is_plain_or_not_wherever_it_stands),
      HF_UNIT(a_run_ends_with_the_text),
  };
  return HF_RUN(tests);
}
