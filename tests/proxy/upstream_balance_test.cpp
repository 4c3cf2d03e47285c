// least_conn and hash: how new sessions spread over servers, and which of them would go elsewhere
// when the list of servers changes.
#include <algorithm>
#include <cmath>
#include <deque>
#include <map>
#include <memory>
#include <string>

#include "proxy/balance.h"
#include "proxy/upstream.h"
#include "tests/support/hf_test.h"

using namespace holdfast;
using namespace holdfast::proxy;

namespace {

constexpr MonoTime kStart{Millis{1'000'000}};
constexpr int kKeys = 10'000;

// An upstream whose servers are named by letters: "abc". Letters keep their number over changes.
struct Group {
  std::unique_ptr<BackendStats> stats = std::make_unique<BackendStats>();
  Upstream upstream;

  Group(Balance balance, std::string_view names) {
    upstream.balance = balance;
    for (const char name : names) {
      BackendServer server;
      server.text = std::string("10.0.0.") + name + ":80";
      upstream.servers.push_back(server);
    }
    names_ = names;
  }
  UpstreamState state() const {
    std::vector<std::vector<BackendId>> backends;
    for (const char name : names_) backends.push_back({static_cast<BackendId>(name - 'a')});
    return UpstreamState(upstream, std::move(backends), *stats);
  }
  BackendStats::Cell &cell(char name) const {
    return stats->cells[static_cast<size_t>(name - 'a')];
  }

 private:
  std::string names_;
};

char pick(UpstreamState &state, std::optional<uint64_t> key = std::nullopt) {
  const auto id = state.pick(kStart, {}, key);
  return id ? static_cast<char>('a' + *id) : '-';
}

std::optional<uint64_t> key_of(int user) { return balance_key("user-" + std::to_string(user)); }

// Where each of kKeys users goes.
std::string places(const Group &group) {
  UpstreamState state = group.state();
  std::string all;
  for (int i = 0; i < kKeys; ++i) all += pick(state, key_of(i));
  return all;
}

double share(const std::string &all, char name) {
  return static_cast<double>(std::count(all.begin(), all.end(), name)) / kKeys;
}

size_t moved(const std::string &before, const std::string &after) {
  size_t count = 0;
  for (size_t i = 0; i < before.size(); ++i) count += before[i] != after[i] ? 1 : 0;
  return count;
}

void check_near(double value, double wanted, double tolerance) {
  if (std::abs(value - wanted) <= tolerance) return;
  HF_FAIL(std::to_string(value) + " is not near " + std::to_string(wanted));
}

}  // namespace

// ---- least_conn ----

HF_TEST(the_least_loaded_server_gets_the_next_session) {
  const Group group(Balance::least_conn, "abc");
  UpstreamState state = group.state();
  group.cell('a').sessions = 5;
  group.cell('b').sessions = 2;
  group.cell('b').running = 2;
  group.cell('c').sessions = 3;
  HF_EQ(pick(state), 'c');
  group.cell('c').sessions = 6;
  HF_EQ(pick(state), 'b');
}

HF_TEST(load_is_measured_by_weight) {
  Group group(Balance::least_conn, "ab");
  group.upstream.servers[0].weight = 3;
  UpstreamState state = group.state();
  group.cell('a').sessions = 5;
  group.cell('b').sessions = 2;
  HF_EQ(pick(state), 'a');  // 5/3 is less than 2/1
  group.cell('a').sessions = 7;
  HF_EQ(pick(state), 'b');
}

HF_TEST(equally_loaded_servers_take_turns) {
  const Group group(Balance::least_conn, "abc");
  UpstreamState state = group.state();
  std::string order;
  for (int i = 0; i < 6; ++i) order += pick(state);
  HF_EQ(order, "abcabc");
}

HF_TEST(sessions_that_stay_spread_evenly_whoever_came_first) {
  Group group(Balance::least_conn, "abc");
  group.upstream.servers[1].weight = 2;
  UpstreamState one = group.state();
  UpstreamState two = group.state();  // another worker
  group.cell('c').sessions = 40;
  for (int i = 0; i < 160; ++i) group.cell(pick(i % 2 == 0 ? one : two)).sessions += 1;
  HF_EQ(group.cell('a').sessions.load(), 50);
  HF_EQ(group.cell('b').sessions.load(), 100);
  HF_EQ(group.cell('c').sessions.load(), 50);
}

HF_TEST(an_exchange_counts_at_its_backend_while_it_lasts) {
  const Group group(Balance::least_conn, "ab");
  const UpstreamState state = group.state();
  {
    RunningMark first = state.mark_running(0);
    RunningMark second = state.mark_running(0);
    HF_EQ(group.cell('a').running.load(), 2);
    first = state.mark_running(1);  // it went elsewhere
    HF_EQ(group.cell('a').running.load(), 1);
    HF_EQ(group.cell('b').running.load(), 1);
    second.end();
    HF_EQ(group.cell('a').running.load(), 0);
  }
  HF_EQ(group.cell('b').running.load(), 0);
}

HF_TEST(where_nobody_asks_nothing_is_counted) {
  const Group group(Balance::round_robin, "ab");
  const RunningMark mark = group.state().mark_running(0);
  HF_EQ(group.cell('a').running.load(), 0);
}

// ---- hash ----

HF_TEST(a_key_goes_to_the_same_server_in_every_worker) {
  for (const Balance balance : {Balance::hash, Balance::consistent_hash}) {
    const Group group(balance, "abcde");
    HF_EQ(places(group), places(group));
    UpstreamState state = group.state();
    const char first = pick(state, key_of(1));
    for (int i = 0; i < 10; ++i) HF_EQ(pick(state, key_of(1)), first);
  }
}

HF_TEST(keys_spread_by_weight) {
  for (const Balance balance : {Balance::hash, Balance::consistent_hash}) {
    Group group(balance, "abc");
    group.upstream.servers[1].weight = 2;
    const std::string all = places(group);
    check_near(share(all, 'a'), 0.25, 0.02);
    check_near(share(all, 'b'), 0.5, 0.02);
    check_near(share(all, 'c'), 0.25, 0.02);
  }
}

HF_TEST(a_key_that_is_empty_goes_round) {
  HF_CHECK(!balance_key(""));
  for (const Balance balance : {Balance::hash, Balance::consistent_hash}) {
    const Group group(balance, "ab");
    UpstreamState state = group.state();
    std::string order;
    for (int i = 0; i < 4; ++i) order += pick(state);
    HF_EQ(order, "abab");
  }
}

HF_TEST(with_consistent_a_new_server_takes_its_share_and_moves_nothing_else) {
  const std::string before = places(Group(Balance::consistent_hash, "abcd"));
  const std::string after = places(Group(Balance::consistent_hash, "abcde"));
  for (size_t i = 0; i < before.size(); ++i) HF_CHECK(after[i] == before[i] || after[i] == 'e');
  check_near(static_cast<double>(moved(before, after)) / kKeys, 0.2, 0.02);
}

HF_TEST(with_consistent_a_server_that_goes_moves_only_its_own_keys) {
  const std::string before = places(Group(Balance::consistent_hash, "abcd"));
  const std::string after = places(Group(Balance::consistent_hash, "abd"));
  for (size_t i = 0; i < before.size(); ++i) HF_CHECK(after[i] == before[i] || before[i] == 'c');
  check_near(share(after, 'a'), 1.0 / 3, 0.02);  // and they spread over all that stay
}

HF_TEST(with_consistent_the_order_of_the_list_is_of_no_account) {
  HF_EQ(places(Group(Balance::consistent_hash, "abcd")),
        places(Group(Balance::consistent_hash, "dbca")));
}

HF_TEST(with_consistent_more_weight_only_draws_keys_to_itself) {
  Group group(Balance::consistent_hash, "abc");
  const std::string before = places(group);
  group.cell('b').weight = 3;  // as an admin would say
  const std::string after = places(group);
  for (size_t i = 0; i < before.size(); ++i) HF_CHECK(after[i] == before[i] || after[i] == 'b');
  check_near(share(after, 'b'), 0.6, 0.02);
}

HF_TEST(a_server_that_is_out_gives_its_keys_away_for_that_time_only) {
  for (const Balance balance : {Balance::hash, Balance::consistent_hash}) {
    const Group group(balance, "abcd");
    const std::string before = places(group);
    group.state().note_failure(2, kStart);
    const std::string during = places(group);
    HF_EQ(std::count(during.begin(), during.end(), 'c'), 0);
    for (size_t i = 0; i < before.size(); ++i) HF_CHECK(during[i] == before[i] || before[i] == 'c');
    group.state().note_success(2);
    HF_EQ(places(group), before);
  }
}

HF_TEST(without_consistent_a_change_of_the_list_moves_most_keys) {
  const std::string before = places(Group(Balance::hash, "abcd"));
  const std::string after = places(Group(Balance::hash, "abcde"));
  HF_CHECK(moved(before, after) > kKeys / 2);  // why consistent exists
}

// ---- what an admin says, seen by every worker ----

HF_TEST(weight_zero_admits_nobody) {
  for (const Balance balance :
       {Balance::round_robin, Balance::least_conn, Balance::hash, Balance::consistent_hash}) {
    const Group group(balance, "ab");
    UpstreamState state = group.state();
    group.cell('a').weight = 0;
    for (int i = 0; i < 50; ++i) HF_EQ(pick(state, key_of(i)), 'b');
    group.cell('b').weight = 0;
    HF_EQ(pick(state, key_of(1)), '-');
  }
}

HF_TEST(a_drained_server_is_never_chosen_and_says_so) {
  for (const ServerOrder order : {ServerOrder::drain, ServerOrder::maint}) {
    const Group group(Balance::round_robin, "ab");
    UpstreamState state = group.state();
    group.cell('a').order = order;
    for (int i = 0; i < 4; ++i) HF_EQ(pick(state), 'b');
    HF_CHECK(!state.admits(0, kStart));
    // Not even when all others failed: an admin's word is no failure.
    state.note_failure(1, kStart);
    HF_EQ(pick(state), 'b');
    group.cell('b').order = order;
    HF_EQ(pick(state), '-');
    HF_CHECK(!state.any_up(kStart));
    group.cell('a').order = ServerOrder::ready;
    HF_EQ(pick(state), 'a');
  }
}

HF_TEST(ready_overrides_down_in_the_configuration) {
  Group group(Balance::round_robin, "ab");
  group.upstream.servers[0].down = true;
  UpstreamState state = group.state();
  for (int i = 0; i < 4; ++i) HF_EQ(pick(state), 'b');
  group.cell('a').order = ServerOrder::ready;
  HF_EQ(pick(state), 'a');
}

HF_TEST(a_server_whose_checks_fail_is_out_even_when_it_is_alone) {
  const Group group(Balance::round_robin, "a");
  UpstreamState state = group.state();
  HF_EQ(pick(state), 'a');
  group.cell('a').check = CheckResult::bad_status;
  HF_EQ(pick(state), '-');
  group.cell('a').check = CheckResult::ok;
  HF_EQ(pick(state), 'a');
}

// ---- failures ----

HF_TEST(failures_one_worker_sees_count_for_all) {
  Group group(Balance::round_robin, "ab");
  group.upstream.servers[0].max_fails = 2;
  UpstreamState one = group.state();
  UpstreamState two = group.state();
  one.note_failure(0, kStart);
  two.note_failure(0, kStart);
  HF_CHECK(!one.up(0, kStart));
  HF_CHECK(!two.up(0, kStart));
  two.note_success(0);
  HF_CHECK(one.up(0, kStart));
}

HF_TEST(a_lost_sessions_new_server_is_never_its_old_one) {
  const Group group(Balance::round_robin, "ab");
  UpstreamState state = group.state();
  for (int i = 0; i < 4; ++i) HF_EQ(state.pick_other(kStart, 0).value_or(kNoBackend), BackendId{1});
  HF_CHECK(state.admits(0, kStart));
  HF_CHECK(state.admits_elsewhere(0, kStart));
  state.note_failure(1, kStart);
  HF_CHECK(!state.admits(1, kStart));
  HF_CHECK(!state.admits_elsewhere(0, kStart));
  // A server that is no longer configured leaves the choice to all.
  HF_CHECK(!state.admits(9, kStart));
  HF_CHECK(state.admits_elsewhere(9, kStart));
  HF_CHECK(state.pick_other(kStart, 9).has_value());
}

int main() {
  const CMUnitTest tests[] = {
      HF_UNIT(the_least_loaded_server_gets_the_next_session),
      HF_UNIT(load_is_measured_by_weight),
      HF_UNIT(equally_loaded_servers_take_turns),
      HF_UNIT(sessions_that_stay_spread_evenly_whoever_came_first),
      HF_UNIT(an_exchange_counts_at_its_backend_while_it_lasts),
      HF_UNIT(where_nobody_asks_nothing_is_counted),
      HF_UNIT(a_key_goes_to_the_same_server_in_every_worker),
      HF_UNIT(keys_spread_by_weight),
      HF_UNIT(a_key_that_is_empty_goes_round),
      HF_UNIT(with_consistent_a_new_server_takes_its_share_and_moves_nothing_else),
      HF_UNIT(with_consistent_a_server_that_goes_moves_only_its_own_keys),
      HF_UNIT(with_consistent_the_order_of_the_list_is_of_no_account),
      HF_UNIT(with_consistent_more_weight_only_draws_keys_to_itself),
      HF_UNIT(a_server_that_is_out_gives_its_keys_away_for_that_time_only),
      HF_UNIT(without_consistent_a_change_of_the_list_moves_most_keys),
      HF_UNIT(weight_zero_admits_nobody),
      HF_UNIT(a_drained_server_is_never_chosen_and_says_so),
      HF_UNIT(ready_overrides_down_in_the_configuration),
      HF_UNIT(a_server_whose_checks_fail_is_out_even_when_it_is_alone),
      HF_UNIT(failures_one_worker_sees_count_for_all),
      HF_UNIT(a_lost_sessions_new_server_is_never_its_old_one),
  };
  return HF_RUN(tests);
}
