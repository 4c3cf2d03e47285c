// The flat reader against jansson: the same texts are JSON to both, and mean the same.
#include "common/json_doc.h"

#include <random>

#include "common/json.h"
#include "common/limits.h"
#include "tests/support/hf_test.h"

using namespace holdfast;

namespace {

using Kind = JsonNode::Kind;

bool same(const JsonNode &ours, const json_t *theirs);

bool same_members(const JsonNode &ours, const json_t *theirs) {
  if (!json_is_object(theirs) || json_object_size(theirs) != ours.count) return false;
  const JsonNode *at = ours.first();
  for (uint32_t i = 0; i < ours.count; ++i, at = at->next()) {
    const json_t *value = json_object_getn(theirs, at->key.data(), at->key.size());
    if (value == nullptr || !same(*at, value)) return false;
  }
  return true;
}

bool same_entries(const JsonNode &ours, const json_t *theirs) {
  if (!json_is_array(theirs) || json_array_size(theirs) != ours.count) return false;
  const JsonNode *at = ours.first();
  for (uint32_t i = 0; i < ours.count; ++i, at = at->next()) {
    if (!same(*at, json_array_get(theirs, i))) return false;
  }
  return true;
}

bool same(const JsonNode &ours, const json_t *theirs) {
  switch (ours.kind) {
    case Kind::object:
      return same_members(ours, theirs);
    case Kind::array:
      return same_entries(ours, theirs);
    case Kind::text:
      return json_is_string(theirs) &&
             ours.text == std::string_view(json_string_value(theirs), json_string_length(theirs));
    case Kind::integer:
      return json_is_integer(theirs) && json_integer_value(theirs) == ours.integer;
    case Kind::real:
      return json_is_real(theirs);
    case Kind::boolean:
      return json_is_boolean(theirs) && json_is_true(theirs) == (ours.integer != 0);
    case Kind::null:
      return json_is_null(theirs);
  }
  return false;
}

// What jansson refuses for reasons of its own.
bool only_theirs(const std::string &why) {
  return why.find("real number overflow") != std::string::npos ||
         why.find("NUL byte in object key") != std::string::npos;
}

void compare(std::string_view text) {
  const auto ours = JsonDoc::parse(text);
  const auto theirs = json_parse(text);
  if (ours && !theirs && only_theirs(theirs.error().message)) return;
  const bool agreed = bool(ours) == bool(theirs) && (!ours || same(ours->root(), theirs->get()));
  if (!agreed) HF_FAIL("read differently: " + std::string(text));
}

const std::vector<std::string> kTexts{
    R"({})",
    R"([])",
    R"( {"a" : [1, -2, 0, 3.5, 1e9, -0.1E-2, 1E+2], "b":{"c":null,"d":true,"e":false}} )",
    R"({"t":"snapshot","session":"q0Zr","user":"\u00e9\ud83d\ude00\n\t\"\\\/\b\f\r","n":12})",
    R"(["é€😀","","\u0000",[[[]]],{"":{}}])",
    R"({"t":"activity","sessions":[["id",9007199254740991,0,1],["ie",-9223372036854775808,0,1]]})",
};

}  // namespace

HF_TEST(what_is_json_is_read_as_jansson_reads_it) {
  for (const std::string &text : kTexts) {
    HF_CHECK(JsonDoc::parse(text));
    compare(text);
  }
}

HF_TEST(what_is_none_is_refused_as_jansson_refuses_it) {
  for (const char *text : {"",
                           " ",
                           "1",
                           "\"a\"",
                           "null",
                           "{",
                           "[",
                           "[1",
                           "[1,",
                           "[1,]",
                           "[,1]",
                           "{\"a\"}",
                           "{\"a\":}",
                           "{\"a\":1,}",
                           "{a:1}",
                           "{\"a\":1}x",
                           "[1]]",
                           "[01]",
                           "[-]",
                           "[1.]",
                           "[.5]",
                           "[1e]",
                           "[+1]",
                           "[0x1]",
                           "[tru]",
                           "[nul]",
                           "[truefalse]",
                           "[NaN]",
                           "[\"\\x\"]",
                           "[\"\\u12\"]",
                           "[\"\\ud800\"]",
                           "[\"\\udc00\"]",
                           "[\"\\ud800\\u0041\"]",
                           "[\"a\n\"]",
                           "[\"\xff\"]",
                           "[\"\xc0\x80\"]",
                           "[\"\xed\xa0\x80\"]",
                           "{\"a\":1,\"a\":2}",
                           "{\"a\":1,\"\\u0061\":2}",
                           "[9223372036854775808]",
                           "{\"a\":{\"b\":1,\"b\":1}}",
                           "[1 2]"}) {
    HF_CHECK(!JsonDoc::parse(text));
    compare(text);
  }
}

HF_TEST(depth_and_duplicates_among_many_members_are_bounded) {
  const auto nested = [](size_t levels) {
    return std::string(levels, '[') + std::string(levels, ']');
  };
  HF_CHECK(JsonDoc::parse(nested(kJsonDepthMax)));
  HF_CHECK(!JsonDoc::parse(nested(kJsonDepthMax + 1)));
  // Few members are told apart by length, first and last byte before they are compared.
  HF_CHECK(JsonDoc::parse(R"({"acb":1,"adb":2,"":3})"));
  HF_CHECK(!JsonDoc::parse(R"({"acb":1,"adb":2,"acb":3})"));
  HF_CHECK(!JsonDoc::parse(R"({"":1,"adb":2,"":3})"));
  std::string many = "{";
  for (int i = 0; i < 1000; ++i) many += '"' + std::to_string(i) + "\":1,";
  HF_CHECK(JsonDoc::parse(many + "\"x\":1}"));
  HF_CHECK(!JsonDoc::parse(many + "\"500\":1}"));
}

HF_TEST(members_are_found_by_name_and_siblings_skip_what_lies_between) {
  const auto doc = JsonDoc::parse(R"({"a":[1,[2,3],{"b":4}],"c":5})");
  HF_CHECK(doc);
  const JsonNode &root = doc->root();
  HF_EQ(root.member("c")->integer, 5);
  HF_CHECK(root.member("b") == nullptr);
  HF_EQ(root.member("a")->count, 3U);
  HF_EQ(root.member("a")->first()->next()->next()->member("b")->integer, 4);
}

// Whatever is done to a line, both read it the same.
HF_TEST(mutated_texts_are_read_as_jansson_reads_them) {
  std::minstd_rand random(1);
  const auto below = [&](size_t n) { return random() % n; };
  constexpr std::string_view kBytes = "{}[]\",:\\u0019-.eEtfn \n\xc3\xa9\xff\x01";
  for (int round = 0; round < 20'000; ++round) {
    std::string text = kTexts[below(kTexts.size())];
    for (size_t left = 1 + below(3); left > 0; --left) {
      const size_t at = below(text.size());
      const char byte = kBytes[below(kBytes.size())];
      switch (below(3)) {
        case 0:
          text[at] = byte;
          break;
        case 1:
          text.insert(at, 1, byte);
          break;
        default:
          text.erase(at, 1 + below(4));
      }
      if (text.empty()) text = "[";
    }
    compare(text);
  }
}

int main() {
  const CMUnitTest tests[] = {
      HF_UNIT(what_is_json_is_read_as_jansson_reads_it),
      HF_UNIT(what_is_none_is_refused_as_jansson_refuses_it),
      HF_UNIT(depth_and_duplicates_among_many_members_are_bounded),
      HF_UNIT(members_are_found_by_name_and_siblings_skip_what_lies_between),
      HF_UNIT(mutated_texts_are_read_as_jansson_reads_them),
  };
  return HF_RUN(tests);
}
