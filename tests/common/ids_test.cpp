// Session ids: their form, their uniqueness, and the hash and comparison that guard tables.
#include "common/ids.h"

#include <set>
#include <unordered_set>

#include "tests/support/hf_test.h"

using namespace holdfast;

HF_TEST(minted_ids_have_the_documented_form_and_do_not_repeat) {
  std::set<std::string> ids;
  for (int i = 0; i < 1000; ++i) {
    const std::string id = mint_session_id();
    HF_CHECK(is_session_id(id));
    HF_CHECK(id[0] != '-');  // people give handles to commands
    HF_EQ(handle_of(id).size(), kHandleChars);
    HF_CHECK(ids.insert(id).second);
  }
  HF_EQ(mint_instance_id().size(), size_t{16});
  HF_CHECK(mint_instance_id() != mint_instance_id());
}

// 1000 ids of 32 characters use every character of the alphabet: each is missing with a
// probability below 10^-200.
HF_TEST(minted_ids_use_the_whole_alphabet) {
  std::set<char> seen;
  for (int i = 0; i < 1000; ++i) {
    for (const char c : mint_session_id()) seen.insert(c);
  }
  HF_EQ(seen.size(), size_t{64});
}

HF_TEST(only_our_own_form_is_taken_for_a_session_id) {
  const std::string id(kSessionIdChars, 'A');
  HF_CHECK(is_session_id(id));
  HF_CHECK(!is_session_id(id + "A"));
  HF_CHECK(!is_session_id(id.substr(1)));
  HF_CHECK(!is_session_id(""));
  for (const char bad : {'+', '/', '=', ' ', '\0', '\n', '\x80', '"'}) {
    std::string spoiled = id;
    spoiled[7] = bad;
    HF_CHECK(!is_session_id(spoiled));
  }
}

HF_TEST(the_keyed_hash_depends_on_every_byte_and_on_the_length) {
  std::unordered_set<uint64_t> hashes;
  std::string text;
  for (int i = 0; i < 200; ++i) {
    HF_EQ(keyed_hash(text), keyed_hash(std::string(text)));
    HF_CHECK(hashes.insert(keyed_hash(text)).second);
    text += '\0';
  }
  for (size_t i = 0; i < text.size(); ++i) {
    std::string changed = text;
    changed[i] = 'x';
    HF_CHECK(hashes.insert(keyed_hash(changed)).second);
  }
}

HF_TEST(secrets_compare_by_all_their_bytes) {
  HF_CHECK(equal_constant_time("", ""));
  HF_CHECK(equal_constant_time("secret", "secret"));
  HF_CHECK(!equal_constant_time("secret", "secreT"));
  HF_CHECK(!equal_constant_time("secret", "secre"));
  HF_CHECK(!equal_constant_time(std::string_view("a\0b", 3), std::string_view("a\0c", 3)));
}

int main() {
  const CMUnitTest tests[] = {
      HF_UNIT(minted_ids_have_the_documented_form_and_do_not_repeat),
      HF_UNIT(minted_ids_use_the_whole_alphabet),
      HF_UNIT(only_our_own_form_is_taken_for_a_session_id),
      HF_UNIT(the_keyed_hash_depends_on_every_byte_and_on_the_length),
      HF_UNIT(secrets_compare_by_all_their_bytes),
  };
  return HF_RUN(tests);
}
