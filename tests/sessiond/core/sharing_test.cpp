// Sessions that several instances hold (PROTOCOL.md 1.6): how siblings come to hold the same, how
// the end of one is agreed on, and what is left when a holder goes.
#include "sessiond/core/sharing.h"
#include "tests/sessiond/core/core_rig.h"
#include "tests/support/hf_test.h"

using namespace holdfast;
using namespace holdfast::sessiond;
using namespace holdfast::sessiond::test;
using std::chrono::minutes;
using std::chrono::seconds;

namespace {

constexpr Millis kTimeout{minutes{10}};

// Two proxies of one node, and a session that began at the first.
struct Two : Rig {
  LinkId first = hello("i1");
  LinkId second = hello("i2");

  explicit Two(const Settings &settings = expiring()) : Rig(settings) {
    snapshot(first, {});
    snapshot(second, {});
    open(first, sid(1));
    (void)take<link::Restored>(second);
    active(second, sid(1));
  }
  const Session &session() const { return *core.table().find(sid(1)); }
  bool both() const { return session().sharing && session().sharing->holders.size() == 2; }
  // Lets the session become due and be asked about; the round.
  int64_t probed() {
    pass(kTimeout + seconds{30});
    const auto at_first = take<link::Probe>(first);
    const auto at_second = take<link::Probe>(second);
    HF_EQ(at_first.size(), 1u);
    HF_EQ(at_second.size(), 1u);
    HF_EQ(at_first[0].round, at_second[0].round);
    HF_EQ(at_first[0].idle_ms_min, kTimeout.count());
    return at_first[0].round;
  }
  void idle(LinkId link, int64_t round) {
    say(link, link::Idle{sid(1), round, Millis{kTimeout + seconds{1}}.count()});
  }
};

// The same and a third proxy; in the round that ends the session the second has forgotten it, and
// the third is about to.
struct Leaving : Two {
  LinkId third = hello("i3");

  Leaving() {
    (void)take<link::Restored>(third);
    active(third, sid(1));
    const int64_t round = probed();
    for (const LinkId link : {first, second, third}) idle(link, round);
    ended(second, sid(1), EndReason::idle_timeout);
    (void)take<link::Restored>(second);
    HF_EQ(holders(), 2u);
  }
  size_t holders() const { return session().sharing ? session().sharing->holders.size() : 1; }
};

}  // namespace

HF_TEST(a_new_sibling_is_handed_what_the_others_hold_and_all_are_told_of_each_other) {
  Rig rig;
  const LinkId first = rig.hello("i1");
  rig.open(first, sid(1), "alice");
  rig.open(first, sid(2), "-", Transport::sse);
  HF_CHECK(rig.take<link::Siblings>(first).empty());
  const LinkId second = rig.hello("i2");
  const auto handed = rig.take<link::Restored>(second);
  HF_EQ(handed.size(), 1u);  // a legacy session is its stream
  HF_EQ(handed[0].record.session, sid(1));
  HF_EQ(handed[0].record.user, "alice");
  HF_EQ(rig.take<link::RestoredEnd>(second).size(), 1u);
  HF_EQ(rig.take<link::Siblings>(first).at(0).count, 1);
  HF_EQ(rig.take<link::Siblings>(second).at(0).count, 1);
  const LinkId stranger = rig.hello("i3", "elsewhere");
  HF_CHECK(rig.take<link::Restored>(stranger).empty());
  HF_CHECK(rig.take<link::Siblings>(stranger).empty());
  rig.down(second);
  HF_EQ(rig.take<link::Siblings>(first).at(0).count, 0);
}

HF_TEST(what_one_opens_the_others_hold_at_once) {
  Two rig;
  rig.admit(rig.second, sid(2));
  HF_CHECK(rig.take<link::Restored>(rig.first).empty());  // a reservation is no session
  rig.bind(rig.second, sid(2));
  HF_EQ(rig.take<link::Restored>(rig.first).at(0).record.session, sid(2));
  link::Record free = record(sid(3));  // admitted without asking
  free.age_ms = 0;
  rig.say(rig.first, link::Snapshot{free});
  HF_EQ(rig.take<link::Restored>(rig.second).at(0).record.session, sid(3));
  HF_EQ(rig.core.table().session_count(), 3u);
}

HF_TEST(many_sessions_are_handed_over_in_pieces) {
  Rig rig;
  const LinkId first = rig.hello("i1");
  const int count = 2 * static_cast<int>(kRestoredPerPiece) + 5;
  for (int i = 0; i < count; ++i) rig.open(first, sid(i));
  const LinkId second = rig.hello("i2");
  size_t handed = rig.take<link::Restored>(second).size();
  HF_EQ(handed, kRestoredPerPiece);
  for (int i = 0; i < 5 && rig.take<link::RestoredEnd>(second).empty(); ++i) {
    rig.step(Drained{second});
    handed += rig.take<link::Restored>(second).size();
  }
  HF_EQ(handed, static_cast<size_t>(count));
}

HF_TEST(holders_tell_the_latest_activity_and_all_that_is_open) {
  Two rig;
  rig.say(rig.first, link::Opened{sid(1), 1, StreamKind::get});
  rig.say(rig.second, link::Opened{sid(1), 1, StreamKind::get});
  rig.active(rig.first, sid(1), seconds{50}, 1);
  rig.active(rig.second, sid(1), seconds{20}, 2);
  HF_EQ(rig.session().streams, 2);
  HF_EQ(rig.session().in_flight, 3);
  HF_CHECK(rig.clock.now() - rig.session().last_activity == seconds{20});
  rig.active(rig.first, sid(1), seconds{50}, 0);
  HF_EQ(rig.session().in_flight, 2);
}

HF_TEST(a_session_ends_when_all_are_idle_and_one_tells_the_backend) {
  Two rig;
  const int64_t round = rig.probed();
  rig.idle(rig.second, round);
  HF_CHECK(rig.take<link::DropIfIdle>(rig.second).empty());
  rig.idle(rig.first, round);
  HF_CHECK(rig.take<link::DropIfIdle>(rig.first).empty());
  const auto forget = rig.take<link::DropIfIdle>(rig.second);
  HF_EQ(forget.size(), 1u);
  HF_CHECK(forget[0].keep_backend);
  rig.ended(rig.second, sid(1), EndReason::idle_timeout);
  HF_CHECK(rig.holds(sid(1)));
  const auto last = rig.take<link::DropIfIdle>(rig.first);
  HF_EQ(last.size(), 1u);
  HF_CHECK(!last[0].keep_backend);
  rig.take_lines();
  rig.ended(rig.first, sid(1), EndReason::idle_timeout);
  HF_CHECK(!rig.holds(sid(1)));
  HF_EQ(rig.take_lines().at(0),
        R"([SessionManager] session deleted {"sessionId":"s000001_","reason":"idle_timeout"})");
}

HF_TEST(one_that_is_alive_keeps_it_for_all) {
  Two rig;
  const int64_t round = rig.probed();
  rig.idle(rig.second, round);
  rig.alive(rig.first, sid(1), seconds{5}, 1);
  HF_EQ(rig.take<link::Release>(rig.second).size(), 1u);
  HF_CHECK(rig.both());
  rig.idle(rig.second, round);  // too late
  HF_EQ(rig.take<link::Release>(rig.second).size(), 1u);
  HF_CHECK(rig.take<link::DropIfIdle>(rig.second).empty());
}

HF_TEST(who_forgot_it_too_early_gets_it_back) {
  Leaving rig;
  rig.alive(rig.third, sid(1), Millis{0}, 1);  // its wait was over before it was told to forget
  HF_EQ(rig.take<link::Restored>(rig.second).size(), 1u);
  HF_EQ(rig.take<link::Release>(rig.first).size(), 1u);
  HF_EQ(rig.holders(), 3u);
}

HF_TEST(it_gets_it_back_also_when_the_first_of_its_holders_is_lost) {
  Leaving rig;
  rig.down(rig.first);
  HF_EQ(rig.take<link::Restored>(rig.second).size(), 1u);
  HF_EQ(rig.holders(), 2u);
}

HF_TEST(it_gets_it_back_once_when_a_snapshot_names_the_session) {
  Leaving rig;
  rig.say(rig.first, link::Snapshot{record(sid(1))});
  HF_EQ(rig.take<link::Restored>(rig.second).size(), 1u);
  HF_EQ(rig.holders(), 3u);
}

HF_TEST(who_forgot_it_and_names_it_holds_it_once) {
  Leaving rig;
  rig.active(rig.second, sid(1));
  HF_EQ(rig.holders(), 3u);
}

HF_TEST(it_is_not_given_back_what_an_admin_ends) {
  Leaving rig;
  rig.step(ShutdownSession{Token{1}, sid(1)});
  HF_CHECK(rig.take<link::Restored>(rig.second).empty());
  HF_EQ(rig.take<link::Release>(rig.first).size(), 1u);
  HF_EQ(rig.take<link::Drop>(rig.first).size(), 1u);
  HF_EQ(rig.holders(), 2u);
}

HF_TEST(a_holder_that_is_lost_calls_the_round_off_and_its_clock_begins_anew) {
  Two rig;
  const int64_t round = rig.probed();
  rig.idle(rig.second, round);
  rig.down(rig.first);
  HF_EQ(rig.take<link::Release>(rig.second).size(), 1u);
  const auto told = rig.take<link::Restored>(rig.second);
  HF_EQ(told.size(), 1u);
  HF_EQ(told[0].record.idle_ms, 0);
  HF_CHECK(!rig.session().sharing);
  HF_CHECK(rig.session().last_activity == rig.clock.now());
  rig.pass(kTimeout + seconds{30});
  HF_EQ(rig.take<link::DropIfIdle>(rig.second).size(), 1u);  // as any that one holds
}

HF_TEST(a_proxy_that_does_not_answer_holds_nothing_up_but_this_session) {
  Two rig;
  const int64_t round = rig.probed();
  rig.idle(rig.second, round);
  rig.pass(minutes{1});  // no link is silent for so long: its answer was lost
  HF_EQ(rig.take<link::Probe>(rig.second).size(), 1u);
}

HF_TEST(nor_does_a_report_that_came_late_put_off_the_next_round) {
  Two rig;
  const int64_t round = rig.probed();
  rig.active(rig.second, sid(1));
  rig.idle(rig.first, round);
  rig.idle(rig.second, round);
  HF_EQ(rig.take<link::DropIfIdle>(rig.second).size(), 1u);  // whose answer was lost
  rig.pass(minutes{1});
  HF_EQ(rig.take<link::Probe>(rig.second).size(), 1u);
}

HF_TEST(a_clients_delete_ends_it_for_all_for_ever) {
  Two rig;
  rig.ended(rig.second, sid(1), EndReason::client_delete);
  HF_CHECK(!rig.holds(sid(1)));
  const auto drops = rig.take<link::Drop>(rig.first);
  HF_EQ(drops.size(), 1u);
  HF_CHECK(drops[0].keep_backend);
  rig.active(rig.first, sid(1));  // said before it heard
  HF_EQ(rig.take<link::Drop>(rig.first).size(), 1u);
  HF_CHECK(!rig.holds(sid(1)));
}

HF_TEST(a_delete_that_is_told_late_reaches_who_holds_it_now) {
  Two rig;
  rig.down(rig.first);
  const LinkId again = rig.hello("i1");
  rig.ended(again, sid(1), EndReason::client_delete);
  HF_CHECK(!rig.holds(sid(1)));
  HF_EQ(rig.take<link::Drop>(rig.second).size(), 1u);
}

HF_TEST(a_delete_is_remembered_although_nobody_has_named_the_session_yet) {
  Rig rig;  // started anew
  const LinkId first = rig.hello("i1");
  rig.ended(first, sid(1), EndReason::client_delete);
  const LinkId second = rig.hello("i2");
  rig.snapshot(second, {record(sid(1))});
  HF_CHECK(!rig.holds(sid(1)));
  HF_EQ(rig.take<link::Drop>(second).size(), 1u);
}

// The end came from the only holder that sessiond, started anew, had heard of.
HF_TEST(who_missed_a_delete_does_not_bring_the_session_back) {
  Rig rig;
  const LinkId first = rig.hello("i1");
  rig.snapshot(first, {record(sid(1))});
  rig.ended(first, sid(1), EndReason::client_delete);
  const LinkId second = rig.hello("i2");
  rig.snapshot(second, {record(sid(1))});
  HF_CHECK(!rig.holds(sid(1)));
  HF_EQ(rig.take<link::Drop>(second).size(), 1u);
}

HF_TEST(who_cannot_hold_it_speaks_for_itself) {
  Two rig;
  rig.ended(rig.second, sid(1), EndReason::backend_lost);
  HF_CHECK(rig.holds(sid(1)));
  HF_CHECK(!rig.session().sharing);
  HF_CHECK(rig.take<link::Restored>(rig.second).empty());  // it would refuse again
}

HF_TEST(an_admin_ends_it_at_one_which_tells_the_backend_and_then_at_the_others) {
  Two rig;
  rig.step(ShutdownSession{Token{1}, sid(1)});
  HF_CHECK(!rig.take<link::Drop>(rig.first).at(0).keep_backend);
  HF_CHECK(rig.take<link::Drop>(rig.second).empty());
  rig.ended(rig.first, sid(1), EndReason::admin);
  HF_CHECK(rig.take<link::Drop>(rig.second).at(0).keep_backend);
  HF_EQ(rig.take_done().at(0).ended_count, 1);
}

HF_TEST(it_is_not_handed_over_while_its_only_holder_is_asked_to_end_it) {
  Rig rig;
  const LinkId first = rig.hello("i1");
  rig.open(first, sid(1));
  rig.pass(kTimeout + seconds{30});
  HF_EQ(rig.take<link::DropIfIdle>(first).size(), 1u);
  const LinkId second = rig.hello("i2");
  HF_CHECK(rig.take<link::Restored>(second).empty());
  rig.alive(first, sid(1), Millis{0});
  HF_EQ(rig.take<link::Restored>(second).size(), 1u);
}

HF_TEST(a_backend_session_found_by_one_is_told_to_the_others) {
  Two rig;
  rig.say(rig.first, link::Bound{sid(1), "everything/127.0.0.1:3002", "recovered", "/mcp"});
  const auto told = rig.take<link::Restored>(rig.second);
  HF_EQ(told.at(0).record.backend_session, "recovered");
  HF_EQ(told.at(0).record.backend, "everything/127.0.0.1:3002");
}

HF_TEST(the_longest_idle_makes_room_also_when_several_hold_it) {
  Policy top;
  top.timeout = minutes{10};
  top.persistent_mode = false;
  top.max_sessions = 1;
  top.at_capacity = AtCapacity::evict_idle;
  top.evict_grace = Millis{0};
  Two rig(settings_of(top));
  rig.clock.advance(seconds{10});
  rig.admit(rig.second, sid(2));
  const auto probe = rig.take<link::Probe>(rig.first);
  HF_EQ(probe.size(), 1u);
  HF_CHECK(probe[0].reason == EndReason::capacity);
  rig.say(rig.first, link::Idle{sid(1), probe[0].round, 10'000});
  rig.say(rig.second, link::Idle{sid(1), probe[0].round, 10'000});
  rig.ended(rig.second, sid(1), EndReason::capacity);
  rig.ended(rig.first, sid(1), EndReason::capacity);
  HF_EQ(rig.take<link::Admitted>(rig.second).size(), 1u);
}

int main() {
  const CMUnitTest tests[] = {
      HF_UNIT(a_new_sibling_is_handed_what_the_others_hold_and_all_are_told_of_each_other),
      HF_UNIT(what_one_opens_the_others_hold_at_once),
      HF_UNIT(many_sessions_are_handed_over_in_pieces),
      HF_UNIT(holders_tell_the_latest_activity_and_all_that_is_open),
      HF_UNIT(a_session_ends_when_all_are_idle_and_one_tells_the_backend),
      HF_UNIT(one_that_is_alive_keeps_it_for_all),
      HF_UNIT(who_forgot_it_too_early_gets_it_back),
      HF_UNIT(it_gets_it_back_also_when_the_first_of_its_holders_is_lost),
      HF_UNIT(it_gets_it_back_once_when_a_snapshot_names_the_session),
      HF_UNIT(who_forgot_it_and_names_it_holds_it_once),
      HF_UNIT(it_is_not_given_back_what_an_admin_ends),
      HF_UNIT(a_holder_that_is_lost_calls_the_round_off_and_its_clock_begins_anew),
      HF_UNIT(a_proxy_that_does_not_answer_holds_nothing_up_but_this_session),
      HF_UNIT(nor_does_a_report_that_came_late_put_off_the_next_round),
      HF_UNIT(a_clients_delete_ends_it_for_all_for_ever),
      HF_UNIT(a_delete_that_is_told_late_reaches_who_holds_it_now),
      HF_UNIT(a_delete_is_remembered_although_nobody_has_named_the_session_yet),
      HF_UNIT(who_missed_a_delete_does_not_bring_the_session_back),
      HF_UNIT(who_cannot_hold_it_speaks_for_itself),
      HF_UNIT(an_admin_ends_it_at_one_which_tells_the_backend_and_then_at_the_others),
      HF_UNIT(it_is_not_handed_over_while_its_only_holder_is_asked_to_end_it),
      HF_UNIT(a_backend_session_found_by_one_is_told_to_the_others),
      HF_UNIT(the_longest_idle_makes_room_also_when_several_hold_it),
  };
  return HF_RUN(tests);
}
