// Streams that wait for an initialize: found by their own user alone, and only while they are
// there.
#include "proxy/legacy_streams.h"

#include "tests/support/hf_test.h"

using namespace holdfast;
using namespace holdfast::proxy;

HF_TEST(a_stream_is_found_by_its_id_and_user) {
  LegacyStreams streams;
  const LegacyStreams::Place place = streams.enter("id-1", "alice", {1, 7});
  HF_CHECK(streams.find("id-1", "alice") == (ExchangeRef{1, 7}));
  HF_CHECK(!streams.find("id-2", "alice"));
}

HF_TEST(to_another_user_it_does_not_exist) {
  LegacyStreams streams;
  const LegacyStreams::Place place = streams.enter("id-1", "alice", {1, 7});
  for (const char *user : {"bob", "-", "", "alic", "alice "}) {
    HF_CHECK(!streams.find("id-1", user));
  }
}

HF_TEST(a_place_that_goes_takes_the_stream_along) {
  LegacyStreams streams;
  LegacyStreams::Place kept;
  {
    LegacyStreams::Place place = streams.enter("id-1", "-", {0, 1});
    const LegacyStreams::Place other = streams.enter("id-2", "-", {0, 2});
    HF_EQ(streams.size(), 2U);
    kept = std::move(place);
  }
  HF_EQ(streams.size(), 1U);
  HF_CHECK(streams.find("id-1", "-").has_value());
  HF_CHECK(!streams.find("id-2", "-"));
  kept = {};
  HF_EQ(streams.size(), 0U);
}

int main() {
  const CMUnitTest tests[] = {
      HF_UNIT(a_stream_is_found_by_its_id_and_user),
      HF_UNIT(to_another_user_it_does_not_exist),
      HF_UNIT(a_place_that_goes_takes_the_stream_along),
  };
  return HF_RUN(tests);
}
