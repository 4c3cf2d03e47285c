// Base64 by RFC 4648: its vectors, and that nothing else is taken for them.
#include "common/base64.h"

#include "tests/support/hf_test.h"

using namespace holdfast;

HF_TEST(the_vectors_of_the_rfc_decode) {
  const std::pair<const char *, const char *> rows[] = {{"", ""},
                                                        {"Zg==", "f"},
                                                        {"Zm8=", "fo"},
                                                        {"Zm9v", "foo"},
                                                        {"Zm9vYg==", "foob"},
                                                        {"Zm9vYmE=", "fooba"},
                                                        {"Zm9vYmFy", "foobar"}};
  for (const auto &[text, bytes] : rows) {
    HF_EQ(base64_decode(text, Base64::standard).value_or("?"), bytes);
    std::string bare = text;
    bare.erase(bare.find_last_not_of('=') + 1);
    HF_EQ(base64_decode(bare, Base64::url).value_or("?"), bytes);
  }
}

HF_TEST(each_form_has_its_own_two_characters) {
  HF_EQ(base64_decode("+/+/", Base64::standard).value_or("?"), "\xfb\xff\xbf");
  HF_EQ(base64_decode("-_-_", Base64::url).value_or("?"), "\xfb\xff\xbf");
  HF_CHECK(!base64_decode("-_-_", Base64::standard));
  HF_CHECK(!base64_decode("+/+/", Base64::url));
}

HF_TEST(what_is_not_one_encoding_is_refused) {
  for (const char *text : {"Z", "Zg", "Zg=", "Zg===", "=", "====", "Zm9=v", "Zm 9", "Zm9v\n",
                           "Zm9*", "Zh==", "Zm9="}) {
    HF_CHECK(!base64_decode(text, Base64::standard));
  }
  for (const char *text : {"Z", "Zm9vY", "Zg==", "Zm8=", "Zh", "Zm9", "Z g"}) {
    HF_CHECK(!base64_decode(text, Base64::url));
  }
  HF_CHECK(!base64_decode(std::string_view("Z\0==", 4), Base64::standard));
}

int main() {
  const CMUnitTest tests[] = {
      HF_UNIT(the_vectors_of_the_rfc_decode),
      HF_UNIT(each_form_has_its_own_two_characters),
      HF_UNIT(what_is_not_one_encoding_is_refused),
  };
  return HF_RUN(tests);
}
