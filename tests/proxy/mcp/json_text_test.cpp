// JsonText unescapes JSON strings piece by piece into valid UTF-8 of bounded length.
#include "proxy/mcp/json_text.h"

#include <string>
#include <string_view>

#include "tests/support/hf_test.h"

using holdfast::proxy::mcp::JsonText;
using holdfast::proxy::mcp::utf8_sequence_bytes;

// The text of a string's inside, or "bad" and where.
static std::string unescape(std::string_view inside) {
  JsonText text;
  for (size_t i = 0; i < inside.size(); ++i) {
    if (inside[i] != '\\') {
      text.append(inside.substr(i, 1));
      continue;
    }
    JsonText::Escape state = JsonText::Escape::more;
    while (state == JsonText::Escape::more && ++i < inside.size())
      state = text.feed_escape(inside[i]);
    if (state != JsonText::Escape::done) return "bad at " + std::to_string(i);
  }
  return std::string(text.finish());
}

// Every escape of RFC 8259, and both ends of the surrogate pairs.
HF_TEST(escapes_stand_for_characters) {
  HF_EQ(unescape(R"(a\"\\\/\b\f\n\r\tz)"), "a\"\\/\b\f\n\r\tz");
  HF_EQ(unescape(R"(\u0041\u00e9\u20AC\uFFFF)"), "A\xC3\xA9\xE2\x82\xAC\xEF\xBF\xBF");
  HF_EQ(unescape(R"(\u0000)"), std::string(1, '\0'));
  HF_EQ(unescape(R"(\ud800\udc00\udbff\udfff)"), "\xF0\x90\x80\x80\xF4\x8F\xBF\xBF");
}

// A half alone, whatever follows it, is one U+FFFD and takes nothing else with it.
HF_TEST(half_a_pair_is_a_replacement_character) {
  const std::string replacement = "\xEF\xBF\xBD";
  HF_EQ(unescape(R"(\ud800)"), replacement);
  HF_EQ(unescape(R"(\udc00)"), replacement);
  HF_EQ(unescape(R"(\ud800x)"), replacement + "x");
  HF_EQ(unescape(R"(\ud800\n)"), replacement + "\n");
  HF_EQ(unescape(R"(\ud800\u0041)"), replacement + "A");
  HF_EQ(unescape(R"(\ud800\ud800\udc00)"), replacement + "\xF0\x90\x80\x80");
}

// Anything else after a backslash has no meaning.
HF_TEST(what_is_no_escape_is_bad) {
  HF_EQ(unescape(R"(\q)"), "bad at 1");
  HF_EQ(unescape(R"(\u00g0)"), "bad at 4");
  HF_EQ(unescape(R"(\U0041)"), "bad at 1");
  HF_EQ(unescape(std::string_view("\\\0", 2)), "bad at 1");
}

// One for each byte, so that a text never grows.
HF_TEST(bytes_that_are_not_utf8_become_question_marks) {
  HF_EQ(unescape("\x80"), "?");
  HF_EQ(unescape("a\xC3"), "a?");
  HF_EQ(unescape("\xC3\xA9\xC3\xC3\xA9"), "\xC3\xA9?\xC3\xA9");
  HF_EQ(unescape("12345678\xFF"
                 "12345678\xFE"),
        "12345678?12345678?");
}

// A cut drops the character it went through, and nothing else.
HF_TEST(a_cut_ends_at_a_character) {
  const auto cut = [](size_t ascii_count, std::string_view last) {
    JsonText text;
    text.append(std::string(ascii_count, 'x'));
    text.append(last);
    HF_CHECK(text.cut());
    return std::string(text.finish()).substr(ascii_count);
  };
  HF_EQ(cut(JsonText::kBytesMax, "y"), "");
  HF_EQ(cut(JsonText::kBytesMax - 1, "\xC3\xA9"), "");
  HF_EQ(cut(JsonText::kBytesMax - 3, "\xF0\x9F\x98\x80"), "");
  HF_EQ(cut(JsonText::kBytesMax - 3, "\xE2\x82\xAC\xC3"), "\xE2\x82\xAC");
  HF_EQ(cut(JsonText::kBytesMax - 3,
            "\xE2"
            "abc"),
        "?ab");
  HF_EQ(cut(JsonText::kBytesMax - 2, "\x80\x80\x80"), "??");
  JsonText text;
  text.append(std::string(JsonText::kBytesMax + 1, 'x'));
  text.clear();
  HF_CHECK(!text.cut());
  HF_EQ(text.finish(), "");
}

// RFC 3629: the boundaries of every form.
HF_TEST(utf8_sequences) {
  static const struct {
    const char *text;
    size_t bytes;
  } kCases[] = {
      {"a", 1},
      {"\x7F", 1},
      {"\x80", 0},
      {"\xBF", 0},
      {"\xC1\xBF", 0},
      {"\xC2\x80", 2},
      {"\xDF\xBF", 2},
      {"\xC2", 0},
      {"\xC2\xC0", 0},
      {"\xE0\x9F\xBF", 0},
      {"\xE0\xA0\x80", 3},
      {"\xED\x9F\xBF", 3},
      {"\xED\xA0\x80", 0},
      {"\xEE\x80\x80", 3},
      {"\xEF\xBF\xBF", 3},
      {"\xE2\x82", 0},
      {"\xE2\x82\x7F", 0},
      {"\xF0\x8F\xBF\xBF", 0},
      {"\xF0\x90\x80\x80", 4},
      {"\xF4\x8F\xBF\xBF", 4},
      {"\xF4\x90\x80\x80", 0},
      {"\xF5\x80\x80\x80", 0},
      {"\xFF", 0},
  };
  for (const auto &c : kCases) HF_EQ(utf8_sequence_bytes(c.text), c.bytes);
}

int main() {
  const CMUnitTest tests[] = {
      HF_UNIT(escapes_stand_for_characters), HF_UNIT(half_a_pair_is_a_replacement_character),
      HF_UNIT(what_is_no_escape_is_bad),     HF_UNIT(bytes_that_are_not_utf8_become_question_marks),
      HF_UNIT(a_cut_ends_at_a_character),    HF_UNIT(utf8_sequences),
  };
  return HF_RUN(tests);
}
