// The smart default of persistent mode: the whole truth table.
#include "sessiond/core/policy.h"

#include "tests/support/hf_test.h"

using namespace holdfast;
using namespace holdfast::sessiond;

static Policy policy(std::optional<uint64_t> max_sessions, std::optional<bool> mode) {
  Policy result;
  result.max_sessions = max_sessions;
  result.persistent_mode = mode;
  return result;
}

HF_TEST(persistence_follows_the_truth_table) {
  struct Row {
    std::optional<uint64_t> max_sessions;
    std::optional<bool> mode;
    bool persistent;
  };
  const Row rows[] = {
      {std::nullopt, std::nullopt, true},  // a single client is never cut off
      {100, std::nullopt, false},          // many clients are cleaned up after
      {std::nullopt, true, true},         {100, true, true},
      {std::nullopt, false, false},       {100, false, false},
  };
  for (const Row &row : rows) {
    HF_EQ(is_persistent(policy(row.max_sessions, row.mode)), row.persistent);
  }
}

HF_TEST(only_a_cap_on_persistent_sessions_can_lock_everybody_out) {
  HF_CHECK(can_lock_everybody_out(policy(1, true)));
  HF_CHECK(!can_lock_everybody_out(policy(1, std::nullopt)));
  HF_CHECK(!can_lock_everybody_out(policy(1, false)));
  HF_CHECK(!can_lock_everybody_out(policy(std::nullopt, true)));
  HF_CHECK(!can_lock_everybody_out(policy(std::nullopt, std::nullopt)));
}

HF_TEST(activity_gives_the_words_it_was_written_with) {
  HF_CHECK(to_words(Activity{}) == (std::vector<std::string>{"tools/call"}));
  HF_CHECK(to_words({Activity::Kind::requests, {}}) == (std::vector<std::string>{"requests"}));
  HF_CHECK(to_words({Activity::Kind::messages, {}}) == (std::vector<std::string>{"messages"}));
  HF_CHECK(to_words({Activity::Kind::methods, {"a", "b"}}) == (std::vector<std::string>{"a", "b"}));
  HF_EQ(to_word(AtCapacity::reject), std::string_view("reject"));
  HF_EQ(to_word(AtCapacity::evict_idle), std::string_view("evict_idle"));
}

int main() {
  const CMUnitTest tests[] = {
      HF_UNIT(persistence_follows_the_truth_table),
      HF_UNIT(only_a_cap_on_persistent_sessions_can_lock_everybody_out),
      HF_UNIT(activity_gives_the_words_it_was_written_with),
  };
  return HF_RUN(tests);
}
