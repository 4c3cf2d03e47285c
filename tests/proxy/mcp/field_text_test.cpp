// What an Mcp-Name means; the encoded examples are the specification's.
#include "proxy/mcp/field_text.h"

#include "tests/support/hf_test.h"

using holdfast::proxy::mcp::name_in_field;

HF_TEST(a_plain_value_is_the_name) {
  for (const char *value : {"get_weather", "file:///projects/myapp/config.json", "", "a b",
                            "=?base64?", "=?base64?=", "?=", "=?BASE64?aGk=?=", "=?utf-8?q?hi?="}) {
    HF_EQ(name_in_field(value).value_or("refused"), value);
  }
}

HF_TEST(an_encoded_value_is_what_it_encodes) {
  HF_EQ(*name_in_field("=?base64?SGVsbG8sIOS4lueVjA==?="), "Hello, \u4e16\u754c");
  HF_EQ(*name_in_field("=?base64?IHBhZGRlZCA=?="), " padded ");
  HF_EQ(*name_in_field("=?base64?bGluZTEKbGluZTI=?="), "line1\nline2");
  HF_EQ(*name_in_field("=?base64?PT9iYXNlNjQ/bGl0ZXJhbD89?="), "=?base64?literal?=");
  HF_EQ(*name_in_field("=?base64?"
                       "?="),
        "");
}

// Two texts for one name would be two ways past a rule.
HF_TEST(an_encoding_that_is_not_the_one_of_its_text_means_nothing) {
  for (const char *value :
       {"=?base64?aGk?=", "=?base64?aGk==?=", "=?base64?aGl=?=", "=?base64?a Gk=?=",
        "=?base64?aGk=\t?=", "=?base64?-_8=?=", "=?base64?%%%?=", "=?base64?//4=?=",
        "=?base64?7aCA?=", "=?base64?wIA=?="}) {
    if (name_in_field(value)) HF_FAIL(std::string(value) + " is taken");
  }
}

int main() {
  const CMUnitTest tests[] = {
      HF_UNIT(a_plain_value_is_the_name),
      HF_UNIT(an_encoded_value_is_what_it_encodes),
      HF_UNIT(an_encoding_that_is_not_the_one_of_its_text_means_nothing),
  };
  return HF_RUN(tests);
}
