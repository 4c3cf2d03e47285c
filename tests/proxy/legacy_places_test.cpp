// Where HTTP+SSE was learned: what makes a place, and that there are only so many.
#include "proxy/legacy_places.h"

#include <set>

#include "tests/support/hf_test.h"

using namespace holdfast;
using namespace holdfast::proxy;

namespace {

Upstream upstream(const char *name, std::initializer_list<const char *> servers) {
  Upstream upstream;
  upstream.name = name;
  for (const char *text : servers) upstream.servers.emplace_back().text = text;
  return upstream;
}

}  // namespace

HF_TEST(a_place_is_known_from_its_lesson_until_it_is_forgotten) {
  LegacyPlaces places;
  HF_CHECK(!places.knows("a"));
  HF_CHECK(places.learn("a"));
  HF_CHECK(!places.learn("a"));
  HF_CHECK(places.knows("a"));
  HF_CHECK(!places.knows("b"));
  HF_CHECK(places.forget("a"));
  HF_CHECK(!places.forget("a"));
  HF_CHECK(!places.knows("a"));
}

HF_TEST(the_place_not_used_for_longest_gives_way) {
  LegacyPlaces places;
  for (size_t i = 0; i < LegacyPlaces::kPlacesMax; ++i) (void)places.learn(std::to_string(i));
  HF_CHECK(places.knows("0"));  // used again
  HF_CHECK(places.learn("one more"));
  HF_EQ(places.size(), LegacyPlaces::kPlacesMax);
  HF_CHECK(places.knows("0"));
  HF_CHECK(!places.knows("1"));
  HF_CHECK(places.knows("2"));
}

HF_TEST(a_place_too_long_to_keep_is_not_learned) {
  LegacyPlaces places;
  HF_CHECK(places.learn(std::string(LegacyPlaces::kPlaceBytesMax, 'p')));
  HF_CHECK(!places.learn(std::string(LegacyPlaces::kPlaceBytesMax + 1, 'p')));
  HF_EQ(places.size(), 1U);
}

HF_TEST(upstream_servers_path_and_credentials_make_a_place) {
  const Upstream one = upstream("u", {"127.0.0.1:1", "127.0.0.1:2"});
  const std::set<std::string> all = {
      legacy_place(one, "/sse", false),
      legacy_place(one, "/sse", true),
      legacy_place(one, "/sse2", false),
      legacy_place(upstream("v", {"127.0.0.1:1", "127.0.0.1:2"}), "/sse", false),
      legacy_place(upstream("u", {"127.0.0.1:1", "127.0.0.1:3"}), "/sse", false),
      legacy_place(upstream("u", {"127.0.0.1:1"}), "/sse", false),
  };
  HF_EQ(all.size(), 6U);
  HF_CHECK(all.contains(legacy_place(one, "/sse", false)));
}

int main() {
  const CMUnitTest tests[] = {
      HF_UNIT(a_place_is_known_from_its_lesson_until_it_is_forgotten),
      HF_UNIT(the_place_not_used_for_longest_gives_way),
      HF_UNIT(a_place_too_long_to_keep_is_not_learned),
      HF_UNIT(upstream_servers_path_and_credentials_make_a_place),
  };
  return HF_RUN(tests);
}
