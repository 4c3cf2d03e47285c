// Every enum of close_reason.h has a word for every value, and every word leads back to its value.
#include "common/close_reason.h"

#include <set>
#include <string>

#include "tests/support/hf_test.h"

using namespace holdfast;

namespace {

// `last` is the enum's last enumerator: a forgotten row makes the count differ.
template <class E>
void check_table(E last) {
  const auto rows = enum_words<E>();
  HF_EQ(rows.size(), static_cast<size_t>(last) + 1);
  std::set<std::string_view> words;
  for (size_t i = 0; i < rows.size(); ++i) {
    HF_EQ(static_cast<size_t>(rows[i].value), i);  // in the enum's order
    HF_EQ(to_word(rows[i].value), rows[i].word);
    HF_CHECK(from_word<E>(rows[i].word) == rows[i].value);
    HF_CHECK(!rows[i].help.empty());
    HF_CHECK(words.insert(rows[i].word).second);
    HF_EQ(rows[i].word.find_first_not_of("abcdefghijklmnopqrstuvwxyz_"), std::string_view::npos);
  }
  HF_CHECK(!from_word<E>("no_such_word"));
  HF_CHECK(!from_word<E>(""));
}

}  // namespace

HF_TEST(every_enum_table_round_trips) {
  check_table(EndReason::unknown);
  check_table(StreamReason::unknown);
  check_table(ReleaseReason::unknown);
  check_table(RefuseReason::unknown);
  check_table(Transport::listen);
  check_table(StreamKind::listen);
}

HF_TEST(clients_are_told_one_of_five_words) {
  const std::set<std::string_view> words = {"idle_timeout", "admin", "capacity", "backend_lost",
                                            "unknown"};
  std::set<std::string_view> said;
  for (const auto &row : enum_words<EndReason>()) said.insert(public_word(row.value));
  HF_CHECK(said == words);
  HF_EQ(public_word(EndReason::orphan_timeout), "idle_timeout");
  HF_EQ(public_word(EndReason::stream_timeout), "idle_timeout");
  HF_EQ(public_word(EndReason::backend_ended), "backend_lost");
  HF_EQ(public_word(EndReason::client_delete), "unknown");
}

HF_TEST(streams_end_as_their_session_does) {
  HF_CHECK(stream_reason_of(EndReason::unused_timeout) == StreamReason::idle_timeout);
  HF_CHECK(stream_reason_of(EndReason::admin) == StreamReason::admin);
  HF_CHECK(stream_reason_of(EndReason::capacity) == StreamReason::session_ended);
}

int main() {
  const CMUnitTest tests[] = {HF_UNIT(every_enum_table_round_trips),
                              HF_UNIT(clients_are_told_one_of_five_words),
                              HF_UNIT(streams_end_as_their_session_does)};
  return HF_RUN(tests);
}
