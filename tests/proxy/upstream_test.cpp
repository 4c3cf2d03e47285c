// Which backend a request without a session meets: weights, failures, backups, several addresses.
#include "proxy/upstream.h"

#include <deque>
#include <map>
#include <memory>

#include "tests/support/hf_test.h"

using namespace holdfast;
using namespace holdfast::proxy;
using std::chrono::seconds;

namespace {

constexpr MonoTime kStart{Millis{1'000'000}};

BackendServer server_of_weight(unsigned weight) {
  BackendServer server;
  server.weight = weight;
  return server;
}

BackendServer backup() {
  BackendServer server;
  server.backup = true;
  return server;
}

// What the workers of one process share; a fresh one for every state a test makes.
BackendStats &fresh_stats() {
  static std::deque<std::unique_ptr<BackendStats>> all;
  return *all.emplace_back(std::make_unique<BackendStats>());
}

// Server i has the one backend number i, unless the test says otherwise.
UpstreamState state_of(std::vector<BackendServer> servers) {
  Upstream upstream;
  std::vector<std::vector<BackendId>> backends;
  for (BackendId id = 0; id < servers.size(); ++id) backends.push_back({id});
  upstream.servers = std::move(servers);
  return UpstreamState(upstream, std::move(backends), fresh_stats());
}

BackendId next(UpstreamState &state, MonoTime now = kStart) {
  return state.pick(now, {}).value_or(kNoBackend);
}

std::string picks(UpstreamState &state, int count, MonoTime now = kStart) {
  std::string order;
  for (int i = 0; i < count; ++i) order += static_cast<char>('a' + next(state, now));
  return order;
}

}  // namespace

// ---- weights ----

HF_TEST(equal_servers_take_turns) {
  UpstreamState state = state_of({server_of_weight(1), server_of_weight(1), server_of_weight(1)});
  HF_EQ(picks(state, 6), "abcabc");
}

HF_TEST(a_heavier_server_gets_its_share_spread_out) {
  UpstreamState state = state_of({server_of_weight(5), server_of_weight(1), server_of_weight(1)});
  HF_EQ(picks(state, 14), "aabacaaaabacaa");  // nginx's order for 5, 1, 1
}

HF_TEST(a_server_marked_down_is_never_chosen) {
  BackendServer down = server_of_weight(9);
  down.down = true;
  UpstreamState state = state_of({down, server_of_weight(1)});
  HF_EQ(picks(state, 3), "bbb");
  HF_CHECK(!state.up(0, kStart));
  UpstreamState all_down = state_of({down});
  HF_CHECK(!all_down.pick(kStart, {}));
  HF_CHECK(!all_down.any_up(kStart));
}

// ---- failures ----

HF_TEST(a_server_that_failed_is_left_out_for_its_fail_timeout) {
  UpstreamState state = state_of({server_of_weight(1), server_of_weight(1)});
  state.note_failure(0, kStart);
  HF_CHECK(!state.up(0, kStart + seconds{10} - Millis{1}));
  HF_EQ(picks(state, 3, kStart + seconds{10} - Millis{1}), "bbb");
  HF_CHECK(state.up(0, kStart + seconds{10}));
  const std::string again = picks(state, 4, kStart + seconds{10});
  HF_CHECK(again.find('a') != std::string::npos);
}

HF_TEST(only_max_fails_failures_within_fail_timeout_count_a_server_out) {
  BackendServer patient;
  patient.max_fails = 3;
  UpstreamState state = state_of({patient, server_of_weight(1)});
  state.note_failure(0, kStart);
  state.note_failure(0, kStart + seconds{1});
  HF_CHECK(state.up(0, kStart + seconds{1}));
  // The first two are too long ago by now: counting begins anew.
  state.note_failure(0, kStart + seconds{11});
  state.note_failure(0, kStart + seconds{12});
  HF_CHECK(state.up(0, kStart + seconds{12}));
  state.note_failure(0, kStart + seconds{13});
  HF_CHECK(!state.up(0, kStart + seconds{13}));
}

HF_TEST(a_success_forgets_earlier_failures) {
  BackendServer twice;
  twice.max_fails = 2;
  UpstreamState state = state_of({twice, server_of_weight(1)});
  state.note_failure(0, kStart);
  state.note_success(0);
  state.note_failure(0, kStart + seconds{1});
  HF_CHECK(state.up(0, kStart + seconds{1}));
  state.note_failure(0, kStart + seconds{2});
  HF_CHECK(!state.up(0, kStart + seconds{2}));
  state.note_success(0);  // an exchange that was under way proves it alive
  HF_CHECK(state.up(0, kStart + seconds{2}));
}

HF_TEST(max_fails_zero_never_counts_a_server_out) {
  BackendServer server;
  server.max_fails = 0;
  UpstreamState state = state_of({server, server_of_weight(1)});
  for (int i = 0; i < 100; ++i) state.note_failure(0, kStart);
  HF_CHECK(state.up(0, kStart));
}

HF_TEST(a_lone_server_is_asked_even_after_failures) {
  UpstreamState state = state_of({server_of_weight(1)});
  state.note_failure(0, kStart);
  HF_EQ(next(state), BackendId{0});
  HF_CHECK(!state.any_up(kStart));  // readiness tells the truth meanwhile
}

HF_TEST(when_all_are_counted_out_all_get_another_chance) {
  UpstreamState state = state_of({server_of_weight(1), server_of_weight(1)});
  state.note_failure(0, kStart);
  state.note_failure(1, kStart);
  HF_CHECK(!state.any_up(kStart));
  const std::string order = picks(state, 4);
  HF_CHECK(order.find('a') != std::string::npos && order.find('b') != std::string::npos);
}

HF_TEST(failures_of_a_backend_that_is_not_ours_change_nothing) {
  UpstreamState state = state_of({server_of_weight(1), server_of_weight(1)});
  state.note_failure(77, kStart);
  state.note_success(77);
  HF_EQ(picks(state, 4), "abab");
}

// ---- backups ----

HF_TEST(a_backup_serves_only_while_every_primary_is_out) {
  UpstreamState state = state_of({server_of_weight(1), server_of_weight(1), backup()});
  HF_EQ(picks(state, 4), "abab");
  state.note_failure(0, kStart);
  HF_EQ(picks(state, 3), "bbb");
  state.note_failure(1, kStart);
  HF_EQ(picks(state, 3), "ccc");
  HF_CHECK(next(state, kStart + seconds{10}) != BackendId{2});
}

HF_TEST(one_request_tries_primaries_then_backups_then_gives_up) {
  UpstreamState state = state_of({server_of_weight(1), server_of_weight(1), backup()});
  std::vector<BackendId> tried;
  std::string order;
  while (const auto id = state.pick(kStart, tried)) {
    order += static_cast<char>('a' + *id);
    tried.push_back(*id);
    state.note_failure(*id, kStart);
    HF_CHECK(tried.size() <= 3);
  }
  HF_EQ(order, "abc");
}

// ---- several addresses of one server ----

HF_TEST(the_addresses_of_a_server_are_tried_in_order_before_the_next_server) {
  Upstream upstream;
  upstream.servers = {server_of_weight(1), server_of_weight(1)};
  UpstreamState state(upstream, {{10, 11, 12}, {20}}, fresh_stats());
  HF_EQ(state.pick(kStart, {}).value_or(kNoBackend), BackendId{10});
  HF_EQ(state.pick(kStart, {10}).value_or(kNoBackend), BackendId{11});
  HF_EQ(state.pick(kStart, {10, 11}).value_or(kNoBackend), BackendId{12});
  HF_EQ(state.pick(kStart, {10, 11, 12}).value_or(kNoBackend), BackendId{20});
  HF_CHECK(!state.pick(kStart, {10, 11, 12, 20}));
}

HF_TEST(several_addresses_weigh_as_much_as_one_server) {
  Upstream upstream;
  upstream.servers = {server_of_weight(1), server_of_weight(1)};
  UpstreamState state(upstream, {{10, 11, 12}, {20}}, fresh_stats());
  std::map<BackendId, int> met;
  for (int i = 0; i < 10; ++i) ++met[next(state)];
  HF_EQ(met[10], 5);
  HF_EQ(met[20], 5);
}

HF_TEST(a_failure_of_any_address_counts_for_its_server) {
  Upstream upstream;
  upstream.servers = {server_of_weight(1), server_of_weight(1)};
  UpstreamState state(upstream, {{10, 11}, {20}}, fresh_stats());
  state.note_failure(11, kStart);
  HF_CHECK(!state.up(0, kStart));
}

HF_TEST(an_upstream_without_any_address_picks_nothing) {
  Upstream upstream;
  upstream.servers = {server_of_weight(1)};
  UpstreamState state(upstream, {{}}, fresh_stats());
  HF_CHECK(!state.pick(kStart, {}));
}

// ---- numbers ----

HF_TEST(addresses_are_interned_once_and_named_after_their_server) {
  BackendDirectory directory;
  Upstream upstream;
  upstream.name = "everything";
  BackendServer one;
  one.text = "localhost:3001";
  one.addresses = {*SocketAddress::numeric("127.0.0.1", 3001)};
  BackendServer two = one;
  two.addresses.push_back(*SocketAddress::numeric("::1", 3001));

  const std::vector<BackendId> first = intern_server(directory, upstream, one);
  HF_EQ(first.size(), size_t{1});
  HF_EQ(directory.at(first[0]).name, "everything/localhost:3001");
  HF_EQ(directory.at(first[0]).server, "localhost:3001");
  HF_CHECK(intern_server(directory, upstream, one) == first);

  // A session sticks to the address it reached, so each has a name of its own.
  const std::vector<BackendId> both = intern_server(directory, upstream, two);
  HF_EQ(both.size(), size_t{2});
  HF_EQ(directory.at(both[0]).name, "everything/127.0.0.1:3001");
  HF_EQ(directory.at(both[1]).name, "everything/[::1]:3001");
}

int main() {
  const CMUnitTest tests[] = {
      HF_UNIT(equal_servers_take_turns),
      HF_UNIT(a_heavier_server_gets_its_share_spread_out),
      HF_UNIT(a_server_marked_down_is_never_chosen),
      HF_UNIT(a_server_that_failed_is_left_out_for_its_fail_timeout),
      HF_UNIT(only_max_fails_failures_within_fail_timeout_count_a_server_out),
      HF_UNIT(a_success_forgets_earlier_failures),
      HF_UNIT(max_fails_zero_never_counts_a_server_out),
      HF_UNIT(a_lone_server_is_asked_even_after_failures),
      HF_UNIT(when_all_are_counted_out_all_get_another_chance),
      HF_UNIT(failures_of_a_backend_that_is_not_ours_change_nothing),
      HF_UNIT(a_backup_serves_only_while_every_primary_is_out),
      HF_UNIT(one_request_tries_primaries_then_backups_then_gives_up),
      HF_UNIT(the_addresses_of_a_server_are_tried_in_order_before_the_next_server),
      HF_UNIT(several_addresses_weigh_as_much_as_one_server),
      HF_UNIT(a_failure_of_any_address_counts_for_its_server),
      HF_UNIT(an_upstream_without_any_address_picks_nothing),
      HF_UNIT(addresses_are_interned_once_and_named_after_their_server),
  };
  return HF_RUN(tests);
}
