// What admins say of single servers: every proxy hears it, also one that comes later, and it is
// learned again from the proxies after a restart of sessiond.
#include "sessiond/core/server_orders.h"

#include "tests/sessiond/core/core_rig.h"
#include "tests/support/hf_test.h"

using namespace holdfast;
using namespace holdfast::sessiond;
using namespace holdfast::sessiond::test;

namespace {

constexpr const char *kA = "everything/h:1";
constexpr const char *kB = "everything/h:2";

link::BackendInfo backend(const std::string &server) {
  link::BackendInfo info;
  info.upstream = "everything";
  info.server = server;
  return info;
}

// A linked proxy that has told of the servers h:1 and h:2.
LinkId linked(Rig &rig, const std::string &instance, const std::string &node = "node") {
  const LinkId link = rig.hello(instance, node);
  rig.say(link, link::Stats{{}, {backend("h:1"), backend("h:2")}});
  return link;
}

CommandOutcome outcome(Rig &rig, const SetServer &order) {
  rig.step(order);
  const auto done = rig.take_done();
  HF_EQ(done.size(), 1u);
  return done[0].outcome;
}

}  // namespace

HF_TEST(an_order_reaches_every_linked_proxy_and_is_answered) {
  Rig rig;
  const LinkId one = linked(rig, "i1", "node-1");
  const LinkId two = linked(rig, "i2", "node-2");
  HF_CHECK(outcome(rig, {Token{1}, kA, ServerState::drain, {}}) == CommandOutcome::done);
  for (const LinkId link : {one, two}) {
    const auto told = rig.take<link::SetServer>(link);
    HF_EQ(told.size(), 1u);
    HF_EQ(told[0].server, std::string(kA));
    HF_CHECK(told[0].state == ServerState::drain);
    HF_CHECK(!told[0].weight);
  }
}

HF_TEST(a_server_no_proxy_has_is_not_found_and_nobody_is_told) {
  Rig rig;
  const LinkId link = linked(rig, "i1");
  HF_CHECK(outcome(rig, {Token{1}, "everything/h:9", ServerState::maint, {}}) ==
           CommandOutcome::not_found);
  HF_CHECK(outcome(rig, {Token{2}, "everything", ServerState::maint, {}}) ==
           CommandOutcome::not_found);
  HF_CHECK(rig.take<link::SetServer>(link).empty());
  HF_CHECK(rig.core.server_orders().all().empty());
}

HF_TEST(state_and_weight_are_said_one_by_one_and_kept_together) {
  Rig rig;
  const LinkId link = linked(rig, "i1");
  (void)outcome(rig, {Token{1}, kA, ServerState::drain, {}});
  (void)outcome(rig, {Token{2}, kA, {}, 7});
  const auto told = rig.take<link::SetServer>(link);
  HF_EQ(told.size(), 2u);
  HF_CHECK(told[1].state == ServerState::drain);
  HF_EQ(told[1].weight.value_or(-1), 7);
}

HF_TEST(a_proxy_that_comes_later_is_told_before_its_sessions_are_handed_back) {
  Rig rig;
  (void)linked(rig, "i1", "node-1");
  (void)outcome(rig, {Token{1}, kA, ServerState::maint, {}});
  (void)outcome(rig, {Token{2}, kB, {}, 0});
  const LinkId late = rig.hello("i2", "node-2");
  const auto told = rig.take<link::SetServer>(late);
  HF_EQ(told.size(), 2u);
  HF_EQ(told[0].server, std::string(kA));
  HF_CHECK(told[0].state == ServerState::maint);
  HF_EQ(told[1].server, std::string(kB));
  HF_EQ(told[1].weight.value_or(-1), 0);
}

HF_TEST(ready_is_remembered_too_for_a_proxy_that_was_away) {
  Rig rig;
  const LinkId away = linked(rig, "i1", "node-1");
  (void)linked(rig, "i2", "node-2");
  (void)outcome(rig, {Token{1}, kA, ServerState::drain, {}});
  rig.down(away);
  (void)outcome(rig, {Token{2}, kA, ServerState::ready, {}});
  const LinkId back = rig.hello("i1", "node-1");
  const auto told = rig.take<link::SetServer>(back);
  HF_EQ(told.size(), 1u);
  HF_CHECK(told[0].state == ServerState::ready);
}

HF_TEST(a_new_sessiond_learns_from_a_proxy_what_its_predecessor_was_told) {
  Rig rig;
  const LinkId other = linked(rig, "i2", "node-2");
  const LinkId link = rig.hello("i1", "node-1");
  link::BackendInfo drained = backend("h:1");
  drained.set_state = ServerState::drain;
  rig.say(link, link::Stats{{}, {drained, backend("h:2")}});
  HF_CHECK(rig.core.server_orders().find(kA) != nullptr);
  const auto told = rig.take<link::SetServer>(other);
  HF_EQ(told.size(), 1u);
  HF_CHECK(told[0].state == ServerState::drain);
  HF_CHECK(rig.core.server_orders().find(kB) == nullptr);
}

HF_TEST(what_a_proxy_still_says_does_not_undo_a_newer_order) {
  Rig rig;
  const LinkId link = linked(rig, "i1");
  (void)outcome(rig, {Token{1}, kA, ServerState::ready, {}});
  link::BackendInfo before = backend("h:1");
  before.set_state = ServerState::drain;  // was on its way when the order was given
  rig.say(link, link::Stats{{}, {before}});
  HF_CHECK(rig.core.server_orders().find(kA)->state == ServerState::ready);
}

HF_TEST(only_so_many_servers_are_remembered) {
  ServerOrders orders;
  for (size_t i = 0; i < kServerOrdersMax; ++i) {
    HF_CHECK(orders.set("u/h:" + std::to_string(i), {ServerState::drain, {}}));
  }
  HF_CHECK(!orders.set("u/one-more", {ServerState::drain, {}}));
  HF_CHECK(orders.set("u/h:0", {ServerState::ready, {}}));
  HF_EQ(orders.all().size(), kServerOrdersMax);
}

int main() {
  const CMUnitTest tests[] = {
      HF_UNIT(an_order_reaches_every_linked_proxy_and_is_answered),
      HF_UNIT(a_server_no_proxy_has_is_not_found_and_nobody_is_told),
      HF_UNIT(state_and_weight_are_said_one_by_one_and_kept_together),
      HF_UNIT(a_proxy_that_comes_later_is_told_before_its_sessions_are_handed_back),
      HF_UNIT(ready_is_remembered_too_for_a_proxy_that_was_away),
      HF_UNIT(a_new_sessiond_learns_from_a_proxy_what_its_predecessor_was_told),
      HF_UNIT(what_a_proxy_still_says_does_not_undo_a_newer_order),
      HF_UNIT(only_so_many_servers_are_remembered),
  };
  return HF_RUN(tests);
}
