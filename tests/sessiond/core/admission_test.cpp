// Who may begin: a slot is reserved when it is asked for and given back when it is not used; over a
// cap the answer is a reason, or the departure of somebody idle.
#include "sessiond/core/admission.h"

#include "tests/sessiond/core/core_rig.h"
#include "tests/support/hf_test.h"

using namespace holdfast;
using namespace holdfast::sessiond;
using namespace holdfast::sessiond::test;
using std::chrono::hours;
using std::chrono::minutes;

namespace {

Settings capped(uint64_t sessions) {
  Settings settings = expiring();
  settings.top.max_sessions = sessions;
  return settings;
}

Settings evicting(uint64_t sessions) {
  Settings settings = capped(sessions);
  settings.top.timeout = std::chrono::hours{1};
  settings.top.at_capacity = AtCapacity::evict_idle;
  settings.top.evict_grace = minutes{5};
  return settings;
}

// The only refusal since the last look.
link::Refused refused(Rig &rig, LinkId link) {
  const auto refusals = rig.take<link::Refused>(link);
  HF_EQ(refusals.size(), 1u);
  return refusals[0];
}

bool admitted(Rig &rig, LinkId link) { return rig.take<link::Admitted>(link).size() == 1; }

}  // namespace

HF_TEST(reservations_count_so_that_concurrent_initializes_cannot_overshoot) {
  Rig rig(capped(2));
  const LinkId link = rig.hello("i1");
  rig.admit(link, sid(1));
  rig.admit(link, sid(2));
  HF_EQ(rig.take<link::Admitted>(link).size(), 2u);
  rig.admit(link, sid(3));
  HF_CHECK(refused(rig, link).reason == RefuseReason::max_sessions);
  HF_EQ(rig.core.table().session_count(), 0u);
  HF_EQ(rig.core.table().opening_count(), 2u);
}

HF_TEST(a_released_reservation_makes_room_and_leaves_no_trace) {
  Rig rig(capped(1));
  const LinkId link = rig.hello("i1");
  rig.admit(link, sid(1));
  rig.say(link, link::Released{sid(1), ReleaseReason::backend_refused});
  HF_EQ(rig.core.table().size(), 0u);
  HF_CHECK(rig.take_lines().empty());
  rig.take<link::Admitted>(link);
  rig.admit(link, sid(2));
  HF_CHECK(admitted(rig, link));
  HF_EQ(rig.core.counters().released[static_cast<size_t>(ReleaseReason::backend_refused)], 1u);
}

HF_TEST(a_session_gives_its_slot_back_when_it_ends) {
  Rig rig(capped(1));
  const LinkId link = rig.hello("i1");
  rig.open(link, sid(1));
  rig.take<link::Admitted>(link);
  rig.admit(link, sid(2));
  (void)refused(rig, link);
  rig.ended(link, sid(1), EndReason::client_delete);
  rig.admit(link, sid(3));
  HF_CHECK(admitted(rig, link));
}

HF_TEST(the_top_level_cap_counts_all_and_a_policys_own_in_addition) {
  Settings settings = capped(3);
  Policy team = settings.top;
  team.max_sessions = 1;
  settings.policies.push_back({"team", team});
  Rig rig(settings);
  const LinkId link = rig.hello("i1", "node", {"team"});
  rig.admit(link, sid(1), "-", Transport::streamable, "team");
  HF_CHECK(admitted(rig, link));
  rig.admit(link, sid(2), "-", Transport::streamable, "team");
  HF_CHECK(refused(rig, link).reason == RefuseReason::max_sessions);
  rig.admit(link, sid(3));
  rig.admit(link, sid(4));
  HF_EQ(rig.take<link::Admitted>(link).size(), 2u);
  rig.admit(link, sid(5));
  HF_CHECK(refused(rig, link).reason == RefuseReason::max_sessions);
}

HF_TEST(listen_streams_and_legacy_sessions_count_like_all_others) {
  Rig rig(capped(2));
  const LinkId link = rig.hello("i1");
  rig.open(link, sid(1), "-", Transport::listen);
  rig.open(link, sid(2), "-", Transport::sse);
  rig.take<link::Admitted>(link);
  rig.admit(link, sid(3));
  (void)refused(rig, link);
}

HF_TEST(the_per_user_cap_is_each_users_own_and_nobodys_for_the_anonymous) {
  Settings settings = expiring();
  settings.top.max_sessions_per_user = 2;
  Rig rig(settings);
  const LinkId link = rig.hello("i1");
  rig.admit(link, sid(1), "alice");
  rig.admit(link, sid(2), "alice");
  rig.admit(link, sid(3), "bob");
  HF_EQ(rig.take<link::Admitted>(link).size(), 3u);
  rig.admit(link, sid(4), "alice");
  HF_CHECK(refused(rig, link).reason == RefuseReason::max_sessions_per_user);
  for (int i = 10; i < 20; ++i) rig.admit(link, sid(i), "-");
  HF_EQ(rig.take<link::Admitted>(link).size(), 10u);
}

HF_TEST(a_policys_per_user_cap_counts_that_users_sessions_of_the_policy) {
  Settings settings = expiring();
  Policy team = settings.top;
  team.max_sessions_per_user = 1;
  settings.policies.push_back({"team", team});
  Rig rig(settings);
  const LinkId link = rig.hello("i1", "node", {"team"});
  rig.admit(link, sid(1), "alice");
  rig.admit(link, sid(2), "alice", Transport::streamable, "team");
  HF_EQ(rig.take<link::Admitted>(link).size(), 2u);
  rig.admit(link, sid(3), "alice", Transport::streamable, "team");
  HF_CHECK(refused(rig, link).reason == RefuseReason::max_sessions_per_user);
}

HF_TEST(asking_twice_for_one_id_takes_one_slot) {
  Rig rig(capped(1));
  const LinkId link = rig.hello("i1");
  rig.admit(link, sid(1));
  rig.admit(link, sid(1));
  HF_EQ(rig.take<link::Admitted>(link).size(), 2u);
  HF_EQ(rig.core.table().size(), 1u);
}

HF_TEST(an_overshoot_told_by_a_snapshot_is_counted_and_nobody_is_evicted_for_it) {
  Rig rig(capped(1));
  const LinkId link = rig.hello("i1");
  rig.snapshot(link, {record(sid(1)), record(sid(2)), record(sid(3))});
  HF_EQ(rig.core.table().session_count(), 3u);
  rig.admit(link, sid(4));
  (void)refused(rig, link);
  HF_EQ(rig.take<link::Drop>(link).size(), 0u);
}

// The proxy admits by itself from `restored_end` on, where there is no cap.
HF_TEST(a_new_link_hears_of_a_drain_before_it_may_admit_by_itself) {
  Rig rig;
  rig.step(SetDrain{Token{1}, true});
  const LinkId link = rig.connect();
  link::Hello hello;
  hello.node = "node";
  hello.instance = "i1";
  Actions actions;
  rig.core.step(Message{link, hello}, rig.clock.now(), actions);
  const auto place = [&]<class M>(const M &) {
    return std::find_if(actions.begin(), actions.end(), [](const Action &action) {
      const auto *const send = std::get_if<Send>(&action);
      return send != nullptr && std::holds_alternative<M>(send->message);
    });
  };
  HF_CHECK(place(link::RestoredEnd{}) != actions.end());
  HF_CHECK(place(link::Drain{}) < place(link::RestoredEnd{}));
}

HF_TEST(while_draining_nobody_begins) {
  Rig rig;
  const LinkId link = rig.hello("i1");
  rig.open(link, sid(1));
  rig.step(SetDrain{Token{1}, true});
  HF_CHECK(rig.take<link::Drain>(link).at(0).on);
  rig.take<link::Admitted>(link);
  rig.admit(link, sid(2));
  HF_CHECK(refused(rig, link).reason == RefuseReason::draining);
  const LinkId late = rig.hello("i2", "other");
  HF_CHECK(rig.take<link::Drain>(late).at(0).on);
  rig.step(SetDrain{Token{2}, false});
  rig.admit(link, sid(3));
  HF_CHECK(admitted(rig, link));
}

HF_TEST(the_retry_hint_is_the_time_to_the_next_pass) {
  Rig rig(capped(0));
  const LinkId link = rig.hello("i1");
  rig.clock.advance(std::chrono::seconds{20});
  rig.admit(link, sid(1));
  HF_EQ(refused(rig, link).retry_after_s, 40);
}

// ---- evict_idle ----

HF_TEST(the_longest_idle_session_is_asked_to_make_room) {
  Rig rig(evicting(2));
  const LinkId link = rig.hello("i1");
  rig.open(link, sid(1));
  rig.open(link, sid(2));
  rig.take<link::Admitted>(link);
  rig.pass(minutes{10});
  rig.active(link, sid(1), minutes{6});
  rig.admit(link, sid(3));
  const auto asks = rig.take<link::DropIfIdle>(link);
  HF_EQ(asks.size(), 1u);
  HF_EQ(asks[0].session, sid(2));
  HF_EQ(asks[0].idle_ms_min, 300'000);
  HF_CHECK(asks[0].reason == EndReason::capacity);
  HF_CHECK(rig.take<link::Admitted>(link).empty());
  rig.ended(link, sid(2), EndReason::capacity);
  HF_CHECK(admitted(rig, link));
  HF_EQ(rig.core.counters().evictions, 1u);
}

HF_TEST(a_deadline_of_another_kind_does_not_make_a_session_the_longest_idle) {
  Settings settings = evicting(2);
  settings.top.timeout = hours{1};
  settings.top.unused_timeout = minutes{20};
  Rig rig(settings);
  const LinkId link = rig.hello("i1");
  rig.open(link, sid(1));
  rig.say(link, link::Alive{sid(1), 0, 0, 0, true});  // used
  rig.pass(minutes{10});
  rig.open(link, sid(2));  // looked at sooner than the first, and idle for less long
  rig.pass(minutes{6});
  rig.admit(link, sid(3));
  HF_EQ(rig.take<link::DropIfIdle>(link).at(0).session, sid(1));
}

HF_TEST(the_callers_own_session_goes_first_but_not_among_the_anonymous) {
  Rig rig(evicting(2));
  const LinkId link = rig.hello("i1");
  rig.open(link, sid(1), "-");
  rig.pass(minutes{1});
  rig.open(link, sid(2), "alice");
  rig.pass(minutes{10});
  rig.admit(link, sid(3), "alice");
  HF_EQ(rig.take<link::DropIfIdle>(link).at(0).session, sid(2));  // younger, but hers
  rig.alive(link, sid(2), Millis{0});
  HF_EQ(rig.take<link::DropIfIdle>(link).at(0).session, sid(1));
  rig.ended(link, sid(1), EndReason::capacity);
  HF_EQ(rig.core.table().opening_count(), 1u);
}

HF_TEST(nobody_within_the_grace_nobody_held_and_nobody_persistent_is_asked) {
  Rig rig(evicting(3));
  const LinkId link = rig.hello("i1");
  rig.open(link, sid(1));
  rig.open(link, sid(2));
  rig.open(link, sid(3));
  rig.pass(minutes{10});
  rig.active(link, sid(1), minutes{4});      // within the grace
  rig.active(link, sid(2), minutes{10}, 1);  // a request in flight
  rig.step(SetPersistent{Token{1}, sid(3), true});
  rig.admit(link, sid(4));
  HF_CHECK(refused(rig, link).reason == RefuseReason::max_sessions);
  HF_CHECK(rig.take<link::DropIfIdle>(link).empty());
}

HF_TEST(when_everybody_refuses_to_go_the_admission_is_refused_before_the_proxy_gives_up) {
  Rig rig(evicting(1));
  const LinkId link = rig.hello("i1");
  rig.open(link, sid(1));
  rig.pass(minutes{10});
  rig.admit(link, sid(2));
  HF_EQ(rig.take<link::DropIfIdle>(link).size(), 1u);
  rig.pass(kEvictionPatience - Millis{1});
  HF_CHECK(rig.take<link::Refused>(link).empty());
  rig.pass(Millis{1});
  (void)refused(rig, link);
  rig.take<link::Admitted>(link);
  rig.ended(link, sid(1), EndReason::capacity);  // too late for that one
  HF_CHECK(rig.take<link::Admitted>(link).empty());
}

HF_TEST(a_waiting_admission_takes_any_slot_that_becomes_free) {
  Rig rig(evicting(2));
  const LinkId link = rig.hello("i1");
  rig.open(link, sid(1));
  rig.pass(minutes{10});
  rig.open(link, sid(2));
  rig.take<link::Admitted>(link);
  rig.admit(link, sid(3));
  HF_EQ(rig.take<link::DropIfIdle>(link).at(0).session, sid(1));
  rig.ended(link, sid(2), EndReason::client_delete);
  HF_CHECK(admitted(rig, link));
}

HF_TEST(an_ownerless_idle_session_goes_at_once) {
  Rig rig(evicting(1));
  LinkId link = rig.hello("i1");
  rig.open(link, sid(1));
  rig.down(link);
  rig.pass(minutes{6});
  link = rig.hello("x", "elsewhere");
  rig.admit(link, sid(2));
  HF_CHECK(admitted(rig, link));
  HF_CHECK(!rig.holds(sid(1)));
  HF_CHECK(rig.core.tombstones().find(sid(1))->reason == EndReason::capacity);
  HF_EQ(rig.core.counters().evictions, 1u);
}

HF_TEST(an_admission_given_up_or_whose_link_ended_waits_no_more) {
  Rig rig(evicting(1));
  const LinkId link = rig.hello("i1");
  const LinkId other = rig.hello("x", "elsewhere");
  rig.open(link, sid(1));
  rig.take<link::Admitted>(link);
  rig.pass(minutes{10});
  rig.admit(link, sid(2));
  rig.say(link, link::Released{sid(2), ReleaseReason::client_gone});
  rig.admit(other, sid(3));
  rig.down(other);
  rig.ended(link, sid(1), EndReason::capacity);
  HF_EQ(rig.core.table().size(), 0u);
}

HF_TEST(for_a_full_user_only_the_users_own_sessions_may_go) {
  Settings settings = evicting(100);
  settings.top.max_sessions_per_user = 1;
  Rig rig(settings);
  const LinkId link = rig.hello("i1");
  rig.open(link, sid(1), "bob");
  rig.pass(minutes{10});
  rig.open(link, sid(2), "alice");
  rig.take<link::Admitted>(link);
  rig.admit(link, sid(3), "alice");
  HF_CHECK(refused(rig, link).reason == RefuseReason::max_sessions_per_user);
  rig.pass(minutes{6});
  rig.admit(link, sid(4), "alice");
  HF_EQ(rig.take<link::DropIfIdle>(link).at(0).session, sid(2));
}

int main() {
  const CMUnitTest tests[] = {
      HF_UNIT(reservations_count_so_that_concurrent_initializes_cannot_overshoot),
      HF_UNIT(a_released_reservation_makes_room_and_leaves_no_trace),
      HF_UNIT(a_session_gives_its_slot_back_when_it_ends),
      HF_UNIT(the_top_level_cap_counts_all_and_a_policys_own_in_addition),
      HF_UNIT(listen_streams_and_legacy_sessions_count_like_all_others),
      HF_UNIT(the_per_user_cap_is_each_users_own_and_nobodys_for_the_anonymous),
      HF_UNIT(a_policys_per_user_cap_counts_that_users_sessions_of_the_policy),
      HF_UNIT(asking_twice_for_one_id_takes_one_slot),
      HF_UNIT(an_overshoot_told_by_a_snapshot_is_counted_and_nobody_is_evicted_for_it),
      HF_UNIT(a_new_link_hears_of_a_drain_before_it_may_admit_by_itself),
      HF_UNIT(while_draining_nobody_begins),
      HF_UNIT(the_retry_hint_is_the_time_to_the_next_pass),
      HF_UNIT(the_longest_idle_session_is_asked_to_make_room),
      HF_UNIT(a_deadline_of_another_kind_does_not_make_a_session_the_longest_idle),
      HF_UNIT(the_callers_own_session_goes_first_but_not_among_the_anonymous),
      HF_UNIT(nobody_within_the_grace_nobody_held_and_nobody_persistent_is_asked),
      HF_UNIT(when_everybody_refuses_to_go_the_admission_is_refused_before_the_proxy_gives_up),
      HF_UNIT(a_waiting_admission_takes_any_slot_that_becomes_free),
      HF_UNIT(an_ownerless_idle_session_goes_at_once),
      HF_UNIT(an_admission_given_up_or_whose_link_ended_waits_no_more),
      HF_UNIT(for_a_full_user_only_the_users_own_sessions_may_go),
  };
  return HF_RUN(tests);
}
