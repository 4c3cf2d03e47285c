// What admins say of servers, inside the proxy: it reaches the cells of every backend of that name,
// also of one that comes later.
#include "proxy/server_orders.h"

#include "common/log.h"
#include "tests/support/hf_test.h"

using namespace holdfast;
using namespace holdfast::proxy;

namespace {

struct Rig {
  FakeClock clock;
  BackendDirectory backends;
  std::unique_ptr<BackendStats> stats = std::make_unique<BackendStats>();
  ServerOrders orders{clock, backends, *stats};

  // The same name again is another address of it.
  BackendStats::Cell &add(const std::string &name) {
    Backend backend;
    backend.name = name;
    backend.address.ss_family = AF_INET;
    backend.address_bytes = sizeof(sa_family_t) + ++addresses_count;
    return stats->cells[*backends.intern(backend)];
  }
  socklen_t addresses_count = 0;
};

}  // namespace

HF_TEST(state_and_weight_reach_the_cell_one_by_one) {
  Rig rig;
  BackendStats::Cell &cell = rig.add("u/h:1");
  BackendStats::Cell &other = rig.add("u/h:2");
  rig.orders.obey({"u/h:1", ServerState::drain, {}});
  HF_CHECK(cell.order == ServerOrder::drain);
  HF_EQ(cell.weight.load(), BackendStats::kConfiguredWeight);
  rig.orders.obey({"u/h:1", {}, 7});
  HF_CHECK(cell.order == ServerOrder::drain);
  HF_EQ(cell.weight.load(), 7);
  HF_CHECK(other.order == ServerOrder::none);
  HF_EQ(rig.orders.find("u/h:1")->weight.value_or(0), 7);
  HF_CHECK(rig.orders.find("u/h:2") == nullptr);
}

HF_TEST(an_order_holds_for_a_new_address_of_the_name) {
  Rig rig;
  rig.orders.obey({"u/h:1", ServerState::maint, {}});
  BackendStats::Cell &late = rig.add("u/h:1");
  HF_CHECK(late.order == ServerOrder::none);
  rig.orders.apply();
  HF_CHECK(late.order == ServerOrder::maint);
}

HF_TEST(the_moment_of_a_change_is_kept_and_repetition_is_none) {
  Rig rig;
  BackendStats::Cell &cell = rig.add("u/h:1");
  rig.orders.obey({"u/h:1", ServerState::drain, {}});
  const int64_t changed_ms = cell.changed_ms;
  HF_EQ(changed_ms, rig.clock.now().time_since_epoch().count());
  rig.clock.advance(Millis{500});
  rig.orders.obey({"u/h:1", ServerState::drain, {}});
  HF_EQ(cell.changed_ms.load(), changed_ms);
  rig.orders.obey({"u/h:1", ServerState::ready, {}});
  HF_EQ(cell.changed_ms.load(), changed_ms + 500);
}

HF_TEST(a_weight_beyond_its_bound_is_the_bound) {
  Rig rig;
  BackendStats::Cell &cell = rig.add("u/h:1");
  rig.orders.obey({"u/h:1", {}, int64_t{1} << 40});
  HF_EQ(int64_t{cell.weight.load()}, kServerWeightMax);
}

HF_TEST(only_so_many_names_are_kept) {
  Rig rig;
  for (size_t i = 0; i < kServerOrdersMax; ++i) {
    rig.orders.obey({"u/" + std::to_string(i), ServerState::drain, {}});
  }
  rig.orders.obey({"u/one-more", ServerState::drain, {}});
  HF_CHECK(rig.orders.find("u/one-more") == nullptr);
}

int main() {
  (void)log_open("stderr", LogLevel::error);  // ignoring: stderr always opens
  const CMUnitTest tests[] = {
      HF_UNIT(state_and_weight_reach_the_cell_one_by_one),
      HF_UNIT(an_order_holds_for_a_new_address_of_the_name),
      HF_UNIT(the_moment_of_a_change_is_kept_and_repetition_is_none),
      HF_UNIT(a_weight_beyond_its_bound_is_the_bound),
      HF_UNIT(only_so_many_names_are_kept),
  };
  return HF_RUN(tests);
}
