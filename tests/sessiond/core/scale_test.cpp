// What many sessions cost: memory for each, and a pass over a large table. The bounds are the
// design's; a session that grows or a pass that walks the table fails here.
#include <malloc.h>

#include <string>

#include "sessiond/core/session_table.h"
#include "tests/sessiond/core/core_rig.h"
#include "tests/support/hf_test.h"

using namespace holdfast;
using namespace holdfast::sessiond;
using namespace holdfast::sessiond::test;
using std::chrono::minutes;

namespace {

constexpr int kSessions = 100'000;
constexpr size_t kBytesPerSessionMax = 400;

// As a fleet has them: ten sessions a user and peer, a UUID from the backend, few clients.
link::Record realistic(int n) {
  link::Record out = record(sid(n));
  const int who = n / 10;
  out.user = "user-" + std::to_string(who) + "@example.com";
  out.peer = "10." + std::to_string(who >> 16) + "." + std::to_string((who >> 8) & 255) + "." +
             std::to_string(who & 255);
  out.backend = "everything/10.0.0." + std::to_string(n % 8) + ":3001";
  out.backend_session = "2574303c-9d6e-4b8e-9d0c-" + std::to_string(100'000'000'000 + n);
  out.target = "/mcp";
  out.client_name = "some-ide-" + std::to_string(n % 5);
  out.client_version = "1.2." + std::to_string(n % 20);
  return out;
}

}  // namespace

HF_TEST(a_session_costs_at_most_400_bytes_with_all_its_indices) {
  // Sanitizers bring their own allocator, which this cannot ask.
  const size_t before = mallinfo2().uordblks;
  Rig rig;
  const LinkId link = rig.hello("i1");
  rig.say(link, link::SnapshotBegin{});
  for (int i = 0; i < kSessions; ++i) rig.say(link, link::Snapshot{realistic(i)});
  rig.say(link, link::SnapshotEnd{});
  const size_t bytes = (mallinfo2().uordblks - before) / kSessions;
  print_message("%zu bytes per session\n", bytes);
  HF_EQ(rig.core.table().session_count(), static_cast<size_t>(kSessions));
  HF_CHECK(bytes <= kBytesPerSessionMax);
}

HF_TEST(a_pass_over_a_large_table_pays_for_the_expired_only) {
  Rig rig;
  const LinkId link = rig.hello("i1");
  for (int i = 0; i < kSessions; ++i) {
    link::Record told = realistic(i);
    told.idle_ms = i < 100 ? 599'000 : i % 500'000;
    rig.say(link, link::Snapshot{told});
  }
  const uint64_t before = rig.core.reaper().visited_count();
  rig.clock.advance(minutes{1});
  rig.step(Tick{});
  HF_EQ(rig.take<link::DropIfIdle>(link).size(), 100u);
  HF_EQ(rig.core.reaper().visited_count() - before, 100u);
}

int main() {
  const CMUnitTest tests[] = {
      HF_UNIT(a_session_costs_at_most_400_bytes_with_all_its_indices),
      HF_UNIT(a_pass_over_a_large_table_pays_for_the_expired_only),
  };
  return HF_RUN(tests);
}
