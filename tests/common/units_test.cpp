// Durations, sizes, switches and counts read what nginx reads, refuse the rest by name, and print
// so that they can be read again.
#include "common/units.h"

#include "tests/support/hf_test.h"

using namespace holdfast;

static int64_t ms(std::string_view text, BareUnit bare = BareUnit::seconds) {
  const auto duration = parse_duration(text, bare);
  return duration ? duration->count() : -1;
}

HF_TEST(durations_have_nginx_units_largest_first) {
  HF_EQ(ms("500ms"), 500);
  HF_EQ(ms("30s"), 30'000);
  HF_EQ(ms("10m"), 600'000);
  HF_EQ(ms("1h30m"), 5'400'000);
  HF_EQ(ms("1d"), 86'400'000);
  HF_EQ(ms("1w"), 7 * 86'400'000LL);
  HF_EQ(ms("1M"), 30 * 86'400'000LL);
  HF_EQ(ms("1y"), 365 * 86'400'000LL);
  HF_EQ(ms("1m1ms"), 60'001);
  HF_EQ(ms("0"), 0);
  HF_EQ(ms("30m1h"), -1);
  HF_EQ(ms("1h1h"), -1);
}

HF_TEST(a_bare_number_is_seconds_in_a_conf_and_milliseconds_in_the_environment) {
  HF_EQ(ms("90"), 90'000);
  HF_EQ(ms("90", BareUnit::milliseconds), 90);
  HF_EQ(ms("90s", BareUnit::milliseconds), 90'000);
}

HF_TEST(what_is_not_a_time_is_refused_with_examples) {
  for (const char *text :
       {"", "10q", "s", "-5", "+5", "1h30", "1.5s", " 1s", "1s ", "1h-30m", "0x10"}) {
    HF_EQ(ms(text), -1);
  }
  HF_EQ(parse_duration("10q").error().message,
        std::string("\"10q\" is not a time; write 500ms, 30s, 10m, 1h30m"));
  HF_EQ(parse_duration("x", BareUnit::milliseconds).error().message,
        std::string("\"x\" is not a time; write 1800000 (milliseconds), 30s, 1h30m"));
}

HF_TEST(a_time_beyond_a_hundred_years_does_not_overflow) {
  HF_EQ(ms("100y"), kDurationMax.count());
  HF_EQ(ms("100y1ms"), -1);
  HF_EQ(ms("9223372036854775807"), -1);
  HF_EQ(ms("9223372036854775807y"), -1);
  HF_EQ(ms("99999999999999999999"), -1);
}

HF_TEST(sizes_take_k_m_and_g_in_either_case) {
  HF_EQ(*parse_size("512"), 512u);
  HF_EQ(*parse_size("64k"), 65'536u);
  HF_EQ(*parse_size("8M"), 8u << 20);
  HF_EQ(*parse_size("1g"), 1u << 30);
  for (const char *text : {"", "k", "8mb", "-1", "1.5m", "8t", "9223372036854775807k"}) {
    HF_CHECK(!parse_size(text));
  }
}

HF_TEST(switches_are_on_and_off_and_looser_in_the_environment) {
  HF_CHECK(*parse_switch("on"));
  HF_CHECK(!*parse_switch("off"));
  HF_CHECK(!parse_switch("true"));
  for (const char *yes : {"true", "TRUE", "1", "yes", "On"}) HF_CHECK(*parse_loose_switch(yes));
  for (const char *no : {"false", "0", "No", "OFF"}) HF_CHECK(!*parse_loose_switch(no));
  for (const char *bad : {"", "maybe", "2", "truee", " on"}) HF_CHECK(!parse_loose_switch(bad));
}

HF_TEST(counts_are_digits_within_their_bounds) {
  HF_EQ(*parse_count("7", 1, 10), 7u);
  for (const char *text : {"", "0", "11", "-1", "+1", "1 ", "1e3", "abc", "18446744073709551616"}) {
    HF_CHECK(!parse_count(text, 1, 10));
  }
  HF_EQ(parse_count("abc", 1, 10).error().message,
        std::string("\"abc\" is not a whole number from 1 to 10"));
}

HF_TEST(printed_times_and_sizes_read_as_the_same_value) {
  for (const int64_t value :
       {0LL, 1LL, 999LL, 1'000LL, 61'001LL, 3'600'000LL, 90'061'001LL, 604'800'000LL}) {
    HF_EQ(ms(duration_text(Millis{value})), value);
  }
  HF_EQ(duration_text(Millis{5'400'000}), std::string("1h30m"));
  HF_EQ(duration_text(Millis{0}), std::string("0s"));
  for (const uint64_t value :
       {0ull, 1ull, 1000ull, 1024ull, 8ull << 20, 3ull << 30, (8ull << 20) + 1}) {
    HF_EQ(*parse_size(size_text(value)), value);
  }
  HF_EQ(size_text(8 << 20), std::string("8m"));
}

HF_TEST(policy_names_are_short_words) {
  for (const char *name : {"a", "ci", "team-1.eu_west", "9"}) HF_CHECK(is_policy_name(name));
  for (const char *name : {"", "-a", ".a", "a b", "a\n", "\xc3\xbc", "a/b"})
    HF_CHECK(!is_policy_name(name));
  HF_CHECK(is_policy_name(std::string(64, 'x')));
  HF_CHECK(!is_policy_name(std::string(65, 'x')));
}

int main() {
  const CMUnitTest tests[] = {
      HF_UNIT(durations_have_nginx_units_largest_first),
      HF_UNIT(a_bare_number_is_seconds_in_a_conf_and_milliseconds_in_the_environment),
      HF_UNIT(what_is_not_a_time_is_refused_with_examples),
      HF_UNIT(a_time_beyond_a_hundred_years_does_not_overflow),
      HF_UNIT(sizes_take_k_m_and_g_in_either_case),
      HF_UNIT(switches_are_on_and_off_and_looser_in_the_environment),
      HF_UNIT(counts_are_digits_within_their_bounds),
      HF_UNIT(printed_times_and_sizes_read_as_the_same_value),
      HF_UNIT(policy_names_are_short_words),
  };
  return HF_RUN(tests);
}
