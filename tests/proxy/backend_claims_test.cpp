// Which user's sessions a backend session carries: one user's at a time, as long as one lives.
#include "proxy/backend_claims.h"

#include <map>
#include <random>
#include <string>
#include <utility>

#include "tests/support/hf_test.h"

using namespace holdfast::proxy;

HF_TEST(a_backend_session_carries_one_user_at_a_time) {
  BackendClaims claims;
  HF_CHECK(claims.claim(0, "s", "alice"));
  HF_CHECK(!claims.claim(0, "s", "bob"));
  HF_CHECK(!claims.claim(0, "s", "-"));
  claims.release(0, "s", "alice");
  HF_CHECK(claims.claim(0, "s", "bob"));
  HF_CHECK(!claims.claim(0, "s", "alice"));
}

HF_TEST(a_user_may_have_several_sessions_on_it_and_holds_it_until_the_last_ends) {
  BackendClaims claims;
  HF_CHECK(claims.claim(0, "s", "alice"));
  HF_CHECK(claims.claim(0, "s", "alice"));
  claims.release(0, "s", "alice");
  HF_CHECK(!claims.claim(0, "s", "bob"));
  claims.release(0, "s", "alice");
  HF_CHECK(claims.claim(0, "s", "bob"));
}

HF_TEST(the_same_id_of_another_backend_is_another_session) {
  BackendClaims claims;
  HF_CHECK(claims.claim(1, "2 s", "alice"));
  HF_CHECK(claims.claim(12, "s", "bob"));
  HF_CHECK(claims.claim(2, "2 s", "bob"));
  HF_EQ(claims.size(), size_t{3});
}

HF_TEST(who_holds_nothing_releases_nothing) {
  BackendClaims claims;
  claims.release(0, "s", "alice");
  HF_CHECK(claims.claim(0, "s", "alice"));
  claims.release(0, "s", "bob");
  claims.release(1, "s", "alice");
  HF_CHECK(!claims.claim(0, "s", "bob"));
}

HF_TEST(without_a_backend_session_there_is_nothing_to_share) {
  BackendClaims claims;
  HF_CHECK(claims.claim(0, "", "alice"));
  HF_CHECK(claims.claim(0, "", "bob"));
  HF_EQ(claims.size(), size_t{0});
}

// Against a map: tables grow, shrink and close their gaps without losing or inventing anything.
HF_TEST(any_history_gives_what_a_map_would) {
  constexpr int kSteps = 200'000;
  BackendClaims claims;
  std::map<std::pair<BackendId, std::string>, std::pair<std::string, int>> model;
  std::minstd_rand random(7);
  for (int step = 0; step < kSteps; ++step) {
    // The table fills in the first third of the history and empties in the last.
    const unsigned bias = step < kSteps / 3 ? 90 : step < 2 * kSteps / 3 ? 50 : 10;
    const auto backend = static_cast<BackendId>(random() % 3);
    const std::string session = std::to_string(random() % 2000);
    const std::string user(1, static_cast<char>('a' + random() % 2));
    const auto at = model.find({backend, session});
    if (random() % 100 < bias) {
      const bool expected = at == model.end() || at->second.first == user;
      HF_EQ(claims.claim(backend, session, user), expected);
      if (!expected) continue;
      auto &entry = model[{backend, session}];
      entry.first = user;
      ++entry.second;
    } else {
      claims.release(backend, session, user);
      if (at != model.end() && at->second.first == user && --at->second.second == 0)
        model.erase(at);
    }
  }
  HF_EQ(claims.size(), model.size());
  for (auto &[place, held] : model) {
    HF_CHECK(!claims.claim(place.first, place.second, held.first + "'"));
    for (; held.second > 0; --held.second) claims.release(place.first, place.second, held.first);
  }
  HF_EQ(claims.size(), size_t{0});
}

int main() {
  const CMUnitTest tests[] = {
      HF_UNIT(a_backend_session_carries_one_user_at_a_time),
      HF_UNIT(a_user_may_have_several_sessions_on_it_and_holds_it_until_the_last_ends),
      HF_UNIT(the_same_id_of_another_backend_is_another_session),
      HF_UNIT(who_holds_nothing_releases_nothing),
      HF_UNIT(without_a_backend_session_there_is_nothing_to_share),
      HF_UNIT(any_history_gives_what_a_map_would),
  };
  return HF_RUN(tests);
}
