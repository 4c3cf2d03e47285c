// The JSON wrapper and the writer: strict in, safe out, bounded depth.
#include "common/json.h"

#include "common/json_writer.h"
#include "common/limits.h"
#include "common/utf8.h"
#include "tests/support/hf_test.h"

using namespace holdfast;

HF_TEST(typed_getters_refuse_other_types_and_absence) {
  const auto parsed = json_parse(R"({"s":"text","n":42,"b":true,"f":1.0,"z":null})");
  HF_CHECK(parsed);
  const json_t *object = parsed->get();
  HF_CHECK(json_get_text(object, "s") == "text");
  HF_CHECK(json_get_int(object, "n") == 42);
  HF_CHECK(json_get_bool(object, "b") == true);
  HF_CHECK(!json_get_text(object, "n"));
  HF_CHECK(!json_get_int(object, "s"));
  HF_CHECK(!json_get_int(object, "f"));
  HF_CHECK(!json_get_bool(object, "z"));
  HF_CHECK(!json_get_text(object, "absent"));
  HF_CHECK(!json_get_int(nullptr, "n"));
}

HF_TEST(what_is_not_exactly_one_document_is_refused) {
  for (const char *text : {"", "   ", "{", "{} {}", "{\"a\":1,\"a\":2}", "nonsense", "\"text\"",
                           "{\"a\":\xff}", "{\"a\":\"\xff\"}", "{\"a\":\"\\ud800\"}"}) {
    const auto parsed = json_parse(text);
    HF_CHECK(!parsed);
    HF_EQ(parsed.error().code, Errc::protocol);
    HF_CHECK(!parsed.error().message.empty());
  }
}

HF_TEST(depth_is_bounded_and_brackets_in_strings_do_not_count) {
  const auto nested = [](size_t depth) {
    return std::string(depth, '[') + std::string(depth, ']');
  };
  HF_CHECK(json_parse(nested(kJsonDepthMax)));
  HF_CHECK(!json_parse(nested(kJsonDepthMax + 1)));
  HF_CHECK(!json_parse(nested(1'000'000)));
  HF_CHECK(json_parse("[\"" + std::string(100, '[') + "\\\"" + std::string(100, '{') + "\"]"));
}

HF_TEST(text_that_is_not_utf8_becomes_replacement_characters) {
  JsonPtr object(json_object());
  json_put(object.get(), "bad", std::string_view("a\xff\xc0z"));
  json_put(object.get(), "nul", std::string_view("a\0b", 3));
  json_put(object.get(), "n", int64_t{7});
  json_put(object.get(), "yes", true);
  json_put(object.get(), "word", "plain");
  HF_EQ(json_dump(object.get()),
        "{\"bad\":\"a\xef\xbf\xbd\xef\xbf\xbdz\",\"nul\":\"a\\u0000b\",\"n\":7,\"yes\":true,"
        "\"word\":\"plain\"}");
}

HF_TEST(utf8_characters_are_judged_as_rfc_3629_has_it) {
  HF_EQ(utf8_char_bytes("a"), size_t{1});
  HF_EQ(utf8_char_bytes("\xc3\xa4"), size_t{2});
  HF_EQ(utf8_char_bytes("\xe2\x82\xac"), size_t{3});
  HF_EQ(utf8_char_bytes("\xf0\x9f\x93\x8b"), size_t{4});
  for (const char *bad :
       {"\x80", "\xc0\x80", "\xc1\xbf", "\xe0\x9f\xbf", "\xed\xa0\x80", "\xf0\x8f\xbf\xbf",
        "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xe2\x82", "\xc3(", "\xff"}) {
    HF_EQ(utf8_char_bytes(bad), size_t{0});
  }
  HF_EQ(utf8_char_bytes(""), size_t{0});
}

HF_TEST(a_prefix_never_splits_a_character) {
  const std::string_view text =
      "ab\xe2\x82\xac"
      "c";
  HF_EQ(utf8_prefix(text, 6), text);
  HF_EQ(utf8_prefix(text, 5), "ab\xe2\x82\xac");
  HF_EQ(utf8_prefix(text, 4), "ab");
  HF_EQ(utf8_prefix(text, 3), "ab");
  HF_EQ(utf8_prefix(text, 0), "");
}

// The writer is ours, so an independent parser judges it.
HF_TEST(the_writer_writes_what_a_parser_reads_back) {
  std::string every_byte;
  for (int c = 0; c < 0x80; ++c) every_byte += static_cast<char>(c);
  every_byte += "\xe2\x82\xac";
  std::string out;
  JsonWriter w(out);
  w.begin_object();
  w.key("text").text(every_byte).key("list").begin_array();
  w.number(int64_t{-5}).number(INT64_MAX).boolean(false).null().number(0.5, 3).text("");
  w.begin_object().end_object().begin_array().end_array().end_array();
  w.key("we\"ird").text("\xff", 3);
  w.end_object();
  HF_EQ(out.find('\n'), std::string::npos);
  const auto parsed = json_parse(out);
  HF_CHECK(parsed);
  HF_CHECK(json_get_text(parsed->get(), "text") == every_byte);
  HF_CHECK(json_get_text(parsed->get(), "we\"ird") == "\xef\xbf\xbd");
  const json_t *list = json_object_get(parsed->get(), "list");
  HF_EQ(json_array_size(list), size_t{8});
  HF_EQ(json_integer_value(json_array_get(list, 1)), INT64_MAX);
}

// In UTF-8 they are 0xc2 and a byte below 0xa0; U+009B begins a command as ESC [ does.
HF_TEST(the_writer_escapes_every_control_character) {
  std::string out;
  JsonWriter w(out);
  w.text("a\x1b[1m\x7f|\xc2\x80\xc2\x9b|\xc2\xa0\xc3\xa9");
  HF_EQ(out, "\"a\\u001b[1m\\u007f|\\u0080\\u009b|\xc2\xa0\xc3\xa9\"");
}

HF_TEST(the_writer_cuts_after_repair_so_that_the_bound_holds) {
  std::string out;
  JsonWriter w(out);
  w.text(std::string(100, '\xff'), 10);
  HF_EQ(out, "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"");
}

int main() {
  const CMUnitTest tests[] = {
      HF_UNIT(typed_getters_refuse_other_types_and_absence),
      HF_UNIT(what_is_not_exactly_one_document_is_refused),
      HF_UNIT(depth_is_bounded_and_brackets_in_strings_do_not_count),
      HF_UNIT(text_that_is_not_utf8_becomes_replacement_characters),
      HF_UNIT(utf8_characters_are_judged_as_rfc_3629_has_it),
      HF_UNIT(a_prefix_never_splits_a_character),
      HF_UNIT(the_writer_writes_what_a_parser_reads_back),
      HF_UNIT(the_writer_escapes_every_control_character),
      HF_UNIT(the_writer_cuts_after_repair_so_that_the_bound_holds),
  };
  return HF_RUN(tests);
}
