// Admin commands: answered once, when what they order has happened, or as pending after a while.
#include "tests/sessiond/core/core_rig.h"
#include "tests/support/hf_test.h"

using namespace holdfast;
using namespace holdfast::sessiond;
using namespace holdfast::sessiond::test;
using std::chrono::minutes;
using std::chrono::seconds;

namespace {

// The only answer since the last look.
CommandDone answer(Rig &rig) {
  const auto done = rig.take_done();
  HF_EQ(done.size(), 1u);
  return done[0];
}

SessionFilter of_user(const std::string &user) {
  SessionFilter filter;
  filter.user = user;
  return filter;
}

}  // namespace

HF_TEST(shutting_down_a_session_is_answered_when_the_proxy_says_ended) {
  Rig rig;
  const LinkId link = rig.hello("i1");
  rig.open(link, sid(1));
  rig.take_lines();
  rig.step(ShutdownSession{Token{1}, sid(1)});
  const auto drops = rig.take<link::Drop>(link);
  HF_EQ(drops.size(), 1u);
  HF_CHECK(drops[0].reason == EndReason::admin);
  HF_CHECK(rig.take_done().empty());
  rig.ended(link, sid(1), EndReason::admin);
  const CommandDone done = answer(rig);
  HF_CHECK(done.token == Token{1});
  HF_CHECK(done.outcome == CommandOutcome::done);
  HF_EQ(done.ended_count, 1);
  HF_EQ(rig.take_lines().at(0),
        R"([SessionManager] session deleted {"sessionId":"s000001_","reason":"admin"})");
}

HF_TEST(a_proxy_that_had_lost_the_session_does_not_change_the_reason) {
  Rig rig;
  const LinkId link = rig.hello("i1");
  rig.open(link, sid(1));
  rig.step(ShutdownSession{Token{1}, sid(1)});
  rig.ended(link, sid(1), EndReason::unknown);
  HF_EQ(rig.core.counters().ended[static_cast<size_t>(EndReason::admin)], 1u);
}

HF_TEST(an_unknown_session_and_a_mere_reservation_are_not_found) {
  Rig rig;
  const LinkId link = rig.hello("i1");
  rig.admit(link, sid(1));
  rig.step(ShutdownSession{Token{1}, sid(2)});
  HF_CHECK(answer(rig).outcome == CommandOutcome::not_found);
  rig.step(ShutdownSession{Token{2}, sid(1)});
  HF_CHECK(answer(rig).outcome == CommandOutcome::not_found);
  rig.step(SetPersistent{Token{3}, sid(2), true});
  HF_CHECK(answer(rig).outcome == CommandOutcome::not_found);
}

HF_TEST(a_proxy_that_hangs_makes_the_command_pending_and_the_session_still_ends) {
  Rig rig;
  const LinkId link = rig.hello("i1");
  rig.open(link, sid(1));
  rig.step(ShutdownSession{Token{1}, sid(1)});
  rig.pass(kCommandPatience - Millis{1});
  HF_CHECK(rig.take_done().empty());
  rig.pass(Millis{1});
  const CommandDone done = answer(rig);
  HF_CHECK(done.outcome == CommandOutcome::pending);
  HF_EQ(done.sessions_count, 1);
  HF_EQ(done.ended_count, 0);
  rig.down(link);  // a silent link is closed
  HF_CHECK(!rig.holds(sid(1)));
  HF_CHECK(rig.take_done().empty());  // answered once
}

HF_TEST(a_link_that_ends_while_a_drop_is_on_its_way_completes_the_command) {
  Rig rig;
  LinkId link = rig.hello("i1");
  rig.open(link, sid(1));
  rig.step(ShutdownSession{Token{1}, sid(1)});
  rig.down(link);
  HF_CHECK(answer(rig).outcome == CommandOutcome::done);
  link = rig.hello("i1");
  rig.snapshot(link, {record(sid(1))});  // the drop never arrived
  HF_CHECK(rig.take<link::Drop>(link).at(0).reason == EndReason::admin);
  HF_CHECK(!rig.holds(sid(1)));
}

HF_TEST(an_order_to_end_a_session_follows_it_to_its_next_holder) {
  Rig rig;
  const LinkId first = rig.hello("i1");
  const LinkId second = rig.hello("i2", "other");
  rig.open(first, sid(1));
  rig.step(ShutdownSession{Token{1}, sid(1)});
  HF_EQ(rig.take<link::Drop>(first).size(), 1u);
  rig.snapshot(second, {record(sid(1))});
  HF_CHECK(rig.take<link::Drop>(second).empty());  // one of them is to end it
  rig.down(first);
  HF_EQ(rig.take<link::Drop>(second).size(), 1u);
}

HF_TEST(two_commands_for_one_session_are_both_answered_and_one_drop_is_sent) {
  Rig rig;
  const LinkId link = rig.hello("i1");
  rig.open(link, sid(1), "alice");
  rig.step(ShutdownSession{Token{1}, sid(1)});
  rig.step(ShutdownSessions{Token{2}, of_user("alice")});
  HF_EQ(rig.take<link::Drop>(link).size(), 1u);
  rig.ended(link, sid(1), EndReason::admin);
  const auto done = rig.take_done();
  HF_EQ(done.size(), 2u);
  HF_CHECK(done[0].token == Token{1});
  HF_CHECK(done[1].token == Token{2});
}

HF_TEST(shutting_down_a_user_counts_who_is_gone_and_who_is_pending) {
  Rig rig;
  const LinkId link = rig.hello("i1");
  const LinkId other = rig.hello("i2", "other");
  rig.open(link, sid(1), "alice");
  rig.open(link, sid(2), "bob");
  rig.open(link, sid(3), "alice");
  rig.open(other, sid(4), "alice");
  rig.down(other);  // ownerless: ends at once
  rig.step(ShutdownSessions{Token{1}, of_user("alice")});
  HF_EQ(rig.take<link::Drop>(link).size(), 2u);
  rig.ended(link, sid(1), EndReason::admin);
  rig.pass(kCommandPatience);
  const CommandDone done = answer(rig);
  HF_CHECK(done.outcome == CommandOutcome::pending);
  HF_EQ(done.sessions_count, 3);
  HF_EQ(done.ended_count, 2);
  HF_CHECK(rig.holds(sid(2)));
}

HF_TEST(a_filter_that_matches_nobody_is_done_with_zero) {
  Rig rig;
  rig.step(ShutdownSessions{Token{1}, of_user("nobody")});
  const CommandDone done = answer(rig);
  HF_CHECK(done.outcome == CommandOutcome::done);
  HF_EQ(done.sessions_count, 0);
}

HF_TEST(filters_look_at_backend_upstream_transport_policy_and_idleness) {
  Rig rig;
  const LinkId link = rig.hello("i1");
  rig.open(link, sid(1));
  rig.say(link, link::Bound{sid(1), "everything/10.0.0.1:80", "", ""});
  rig.open(link, sid(2), "-", Transport::sse);
  rig.pass(minutes{2});
  rig.open(link, sid(3));
  rig.say(link, link::Bound{sid(3), "everything2/10.0.0.1:80", "", ""});
  const auto matching = [&](const SessionFilter &filter) {
    rig.step(ShutdownSessions{Token{1}, filter});
    const size_t count = rig.take<link::Drop>(link).size();
    return count;
  };
  SessionFilter filter;
  filter.backend = "everything/10.0.0.2:80";
  HF_EQ(matching(filter), 0u);
  filter.backend = "everything2";
  HF_EQ(matching(filter), 1u);
  SessionFilter idle;
  idle.idle_min = minutes{2};
  idle.transport = Transport::streamable;
  HF_EQ(matching(idle), 1u);
  SessionFilter policy;
  policy.policy = "team";
  HF_EQ(matching(policy), 0u);
  policy.policy = "";
  HF_EQ(matching(policy), 1u);  // the legacy one; the others are closing already
}

HF_TEST(an_admins_drop_goes_before_everything_that_merely_expired) {
  Rig rig;
  const LinkId link = rig.hello("i1");
  const int count = static_cast<int>(kAsksUnansweredMax) + 10;
  for (int i = 0; i < count; ++i) rig.open(link, sid(i));
  rig.pass(minutes{10});
  rig.take<link::DropIfIdle>(link);
  rig.step(ShutdownSession{Token{1}, sid(count - 1)});
  HF_CHECK(rig.take<link::Drop>(link).empty());  // as many as may be unanswered are
  rig.ended(link, sid(0), EndReason::idle_timeout);
  HF_EQ(rig.take<link::Drop>(link).at(0).session, sid(count - 1));
}

HF_TEST(an_answer_to_an_older_ask_does_not_revive_a_session_ordered_to_end) {
  Rig rig;
  const LinkId link = rig.hello("i1");
  rig.open(link, sid(1));
  rig.pass(minutes{10});
  rig.step(ShutdownSession{Token{1}, sid(1)});
  rig.alive(link, sid(1), Millis{0});
  HF_CHECK(rig.core.table().find(sid(1))->state == SessionState::closing);
  rig.ended(link, sid(1), EndReason::admin);
  HF_EQ(rig.take_done().size(), 1u);
  const Instance &instance = rig.core.table().instances().begin()->second;
  HF_EQ(instance.asks_count, 0u);
}

HF_TEST(persistence_set_by_an_admin_is_told_to_the_proxy_and_outlives_a_policy_change) {
  Rig rig;
  const LinkId link = rig.hello("i1");
  rig.open(link, sid(1));
  rig.step(SetPersistent{Token{1}, sid(1), true});
  HF_CHECK(answer(rig).outcome == CommandOutcome::done);
  HF_CHECK(rig.take<link::Set>(link).at(0).persistent);
  rig.step(SettingsChanged{expiring()});
  rig.pass(minutes{30});
  HF_CHECK(rig.take<link::DropIfIdle>(link).empty());
  rig.step(SetPersistent{Token{2}, sid(1), false});
  rig.pass(minutes{1});
  HF_EQ(rig.take<link::DropIfIdle>(link).size(), 1u);
}

HF_TEST(a_session_pinned_in_time_is_not_ended_by_the_ask_that_follows) {
  Rig rig;
  const LinkId link = rig.hello("i1");
  rig.open(link, sid(1));
  rig.pass(minutes{9});
  rig.step(SetPersistent{Token{1}, sid(1), true});
  rig.pass(minutes{5});
  HF_CHECK(rig.take<link::DropIfIdle>(link).empty());
}

HF_TEST(reloading_the_proxies_collects_every_outcome) {
  Rig rig;
  const LinkId first = rig.hello("i1", "a");
  const LinkId second = rig.hello("i2", "b");
  rig.step(ReloadProxies{Token{9}});
  HF_EQ(rig.take<link::Reload>(first).at(0).token, 9);
  rig.say(first, link::Reloaded{9, true, "applied"});
  HF_CHECK(rig.take_done().empty());
  rig.say(second, link::Reloaded{9, false, "bad.conf:1:1"});
  const CommandDone done = answer(rig);
  HF_EQ(done.proxies.size(), 2u);
  HF_CHECK(done.proxies[0].state == ProxyOutcome::State::ok);
  HF_CHECK(done.proxies[1].state == ProxyOutcome::State::failed);
  HF_EQ(done.proxies[1].message, "bad.conf:1:1");
}

HF_TEST(a_drain_is_done_when_every_proxy_has_heard_of_it) {
  Rig rig;
  const LinkId first = rig.hello("i1", "a");
  const LinkId second = rig.hello("i2", "b");
  rig.step(SetDrain{Token{9}, true});
  HF_CHECK(rig.take<link::Drain>(first).at(0).token == 9);
  HF_CHECK(rig.core.draining());
  rig.say(first, link::Obeyed{9});
  HF_CHECK(rig.take_done().empty());
  rig.down(second);
  HF_CHECK(answer(rig).outcome == CommandOutcome::done);
  rig.step(SetDrain{Token{10}, false});
  rig.pass(kCommandPatience);
  HF_CHECK(answer(rig).outcome == CommandOutcome::pending);
}

HF_TEST(a_proxy_that_goes_or_keeps_silent_during_a_reload_is_told_so) {
  Rig rig;
  const LinkId first = rig.hello("i1", "a");
  rig.hello("i2", "b");
  rig.step(ReloadProxies{Token{1}});
  rig.down(first);
  HF_CHECK(rig.take_done().empty());
  rig.pass(kCommandPatience);
  const CommandDone done = answer(rig);
  HF_CHECK(done.outcome == CommandOutcome::pending);
  HF_CHECK(done.proxies[0].state == ProxyOutcome::State::failed);
  HF_CHECK(done.proxies[1].state == ProxyOutcome::State::pending);
  rig.say(first, link::Reloaded{1, true, ""});  // too late: nobody listens
  rig.step(ReloadProxies{Token{2}});
  rig.pass(kCommandPatience);
  HF_EQ(rig.take_done().size(), 1u);
}

HF_TEST(without_proxies_a_reload_of_them_is_done_at_once) {
  Rig rig;
  rig.step(ReloadProxies{Token{1}});
  HF_CHECK(answer(rig).outcome == CommandOutcome::done);
}

int main() {
  const CMUnitTest tests[] = {
      HF_UNIT(shutting_down_a_session_is_answered_when_the_proxy_says_ended),
      HF_UNIT(a_proxy_that_had_lost_the_session_does_not_change_the_reason),
      HF_UNIT(an_unknown_session_and_a_mere_reservation_are_not_found),
      HF_UNIT(a_proxy_that_hangs_makes_the_command_pending_and_the_session_still_ends),
      HF_UNIT(a_link_that_ends_while_a_drop_is_on_its_way_completes_the_command),
      HF_UNIT(an_order_to_end_a_session_follows_it_to_its_next_holder),
      HF_UNIT(two_commands_for_one_session_are_both_answered_and_one_drop_is_sent),
      HF_UNIT(shutting_down_a_user_counts_who_is_gone_and_who_is_pending),
      HF_UNIT(a_filter_that_matches_nobody_is_done_with_zero),
      HF_UNIT(filters_look_at_backend_upstream_transport_policy_and_idleness),
      HF_UNIT(an_admins_drop_goes_before_everything_that_merely_expired),
      HF_UNIT(an_answer_to_an_older_ask_does_not_revive_a_session_ordered_to_end),
      HF_UNIT(persistence_set_by_an_admin_is_told_to_the_proxy_and_outlives_a_policy_change),
      HF_UNIT(a_session_pinned_in_time_is_not_ended_by_the_ask_that_follows),
      HF_UNIT(reloading_the_proxies_collects_every_outcome),
      HF_UNIT(a_drain_is_done_when_every_proxy_has_heard_of_it),
      HF_UNIT(a_proxy_that_goes_or_keeps_silent_during_a_reload_is_told_so),
      HF_UNIT(without_proxies_a_reload_of_them_is_done_at_once),
  };
  return HF_RUN(tests);
}
