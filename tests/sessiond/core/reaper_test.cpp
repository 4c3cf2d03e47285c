// When a session is looked at and what the look costs: never before its timeout, and a pass pays
// for what is due, not for what exists.
#include "sessiond/core/reaper.h"

#include "sessiond/core/session_table.h"
#include "tests/sessiond/core/core_rig.h"
#include "tests/support/hf_test.h"

using namespace holdfast;
using namespace holdfast::sessiond;
using namespace holdfast::sessiond::test;
using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;

namespace {

// A table with an armed reaper; time is whatever the test says.
struct Reaping {
  explicit Reaping(const Settings &settings = expiring())
      : policies(settings), reaper(policies, settings.sweep_interval, now) {}

  Session &add(int n, std::string_view policy = "") {
    Session &session = table.add(*SessionId::parse(sid(n)), SessionIdentity{"-", {}, {}, {}, {}},
                                 table.instance("node", "i1"), policies.named(policy), now);
    table.open(session);
    reaper.arm(session, now);
    return session;
  }
  void touch(Session &session) {
    session.last_activity = session.last_use = now;
    reaper.arm(session, now);
  }
  // A whole pass; the sessions it found due.
  std::vector<Session *> look() {
    std::vector<Session *> due;
    while (!reaper.look(now, due)) {
    }
    return due;
  }

  MonoTime now{Millis{5'000'123}};
  PolicyTable policies;
  SessionTable table;
  Reaper reaper;
};

Policy rules(Millis timeout, bool persistent) {
  Policy out;
  out.timeout = timeout;
  out.persistent_mode = persistent;
  return out;
}

}  // namespace

HF_TEST(a_session_is_due_from_its_timeout_on_and_not_a_millisecond_before) {
  Reaping r;
  r.add(1);
  r.now += minutes{10} - Millis{1};
  HF_CHECK(r.look().empty());
  r.now += Millis{1};
  HF_EQ(r.look().size(), 1u);
}

HF_TEST(activity_begins_the_time_anew) {
  Reaping r;
  Session &session = r.add(1);
  r.now += minutes{9};
  r.touch(session);
  r.now += minutes{9};
  HF_CHECK(r.look().empty());
  r.now += minutes{1};
  HF_EQ(r.look().size(), 1u);
}

HF_TEST(a_request_in_flight_holds_a_session_however_old_its_activity) {
  Reaping r;
  Session &session = r.add(1);
  session.in_flight = 1;
  r.reaper.arm(session, r.now);
  r.now += hours{5};
  HF_CHECK(r.look().empty());
  HF_CHECK(!due_rule(session, r.now));
  session.in_flight = 0;
  r.reaper.arm(session, r.now);
  HF_EQ(r.look().size(), 1u);
}

HF_TEST(an_open_stream_holds_only_where_the_policy_says_so) {
  Settings settings = expiring();
  Policy keeping = settings.top;
  keeping.stream_keeps_alive = true;
  settings.policies.push_back({"keeping", keeping});
  Reaping r(settings);
  Session &plain = r.add(1);
  Session &kept = r.add(2, "keeping");
  plain.streams = kept.streams = 1;
  r.reaper.arm(plain, r.now);
  r.reaper.arm(kept, r.now);
  r.now += minutes{10};
  const auto due = r.look();
  HF_EQ(due.size(), 1u);
  HF_CHECK(due[0] == &plain);
}

HF_TEST(a_persistent_session_is_never_due_but_counts_as_skipped_while_it_is_overdue) {
  Reaping r(settings_of(rules(minutes{10}, true)));
  Session &session = r.add(1);
  r.now += minutes{10};
  HF_CHECK(r.look().empty());
  HF_EQ(r.reaper.overdue_count(), 1u);
  r.now += hours{1};
  HF_CHECK(r.look().empty());
  HF_EQ(r.reaper.overdue_count(), 1u);
  r.touch(session);
  HF_EQ(r.reaper.overdue_count(), 0u);
  r.now += hours{1};
  (void)r.look();
  r.reaper.disarm(session);
  r.table.remove(session);
  HF_EQ(r.reaper.overdue_count(), 0u);
}

HF_TEST(an_admins_word_overrules_the_policy_both_ways) {
  Reaping r;
  Session &pinned = r.add(1);
  pinned.pin = Pin::persistent;
  r.reaper.arm(pinned, r.now);
  Session &plain = r.add(2);
  r.now += minutes{11};
  const auto due = r.look();
  HF_EQ(due.size(), 1u);
  HF_CHECK(due[0] == &plain);
  pinned.pin = Pin::not_persistent;
  r.reaper.arm(pinned, r.now);
  HF_EQ(r.look().size(), 1u);
}

HF_TEST(an_orphaned_persistent_session_is_due_after_its_own_timeout) {
  Policy policy = rules(minutes{10}, true);
  policy.orphan_timeout = hours{2};
  Reaping r(settings_of(policy));
  Session &orphan = r.add(1);
  Session &watched = r.add(2);
  watched.streams = 1;
  r.reaper.arm(watched, r.now);
  r.now += hours{2} - Millis{1};
  HF_CHECK(r.look().empty());
  r.now += Millis{1};
  const auto due = r.look();
  HF_EQ(due.size(), 1u);
  HF_CHECK(due[0] == &orphan);
  HF_CHECK(due_rule(orphan, r.now)->reason == EndReason::orphan_timeout);
  HF_CHECK(due_rule(orphan, r.now)->idle_min == Millis{hours{2}});
  // Any use, counting or not, begins that time anew.
  watched.streams = 0;
  watched.last_use = r.now;
  r.reaper.arm(watched, r.now);
  r.now += hours{1};
  HF_CHECK(r.look().empty());
}

HF_TEST(a_session_not_known_to_be_used_is_due_earlier_where_the_policy_says_so) {
  Policy policy = rules(hours{1}, false);
  policy.unused_timeout = minutes{2};
  Reaping r(settings_of(policy));
  r.table.instance("node", "i1").link = LinkId{1};
  Session &used = r.add(1);
  used.used = true;
  r.reaper.arm(used, r.now);
  Session &unknown = r.add(2);
  Session &listen = r.add(3);
  listen.transport = Transport::listen;
  r.reaper.arm(listen, r.now);
  Session &persistent = r.add(4);
  persistent.pin = Pin::persistent;
  r.reaper.arm(persistent, r.now);
  r.now += minutes{2} + seconds{1};
  const auto due = r.look();
  HF_EQ(due.size(), 1u);
  HF_CHECK(due[0] == &unknown);
  HF_CHECK(due_rule(unknown, r.now)->reason == EndReason::unused_timeout);
  HF_CHECK(due_rule(unknown, r.now)->idle_min == Millis{minutes{2}});
}

HF_TEST(without_its_proxy_no_session_is_taken_for_unused) {
  Policy policy = rules(hours{1}, false);
  policy.unused_timeout = minutes{2};
  Reaping r(settings_of(policy));
  Session &session = r.add(1);
  r.now += minutes{10};
  HF_CHECK(r.look().empty());
  HF_CHECK(!due_rule(session, r.now));
}

HF_TEST(reservations_and_closing_sessions_have_no_deadline) {
  Reaping r;
  Session &closing = r.add(1);
  closing.state = SessionState::closing;
  r.reaper.arm(closing, r.now);
  HF_CHECK(!next_look(closing));
  r.now += hours{5};
  HF_CHECK(r.look().empty());
}

HF_TEST(a_pass_costs_what_is_due_not_what_exists) {
  Reaping r;
  constexpr int kSessions = 100'000;
  constexpr int kOld = 37;
  for (int i = 0; i < kOld; ++i) r.add(i);
  r.now += minutes{9};
  for (int i = kOld; i < kSessions; ++i) r.add(i);
  const uint64_t before = r.reaper.visited_count();
  r.now += minutes{1};
  HF_EQ(r.look().size(), static_cast<size_t>(kOld));
  HF_EQ(r.reaper.visited_count() - before, static_cast<uint64_t>(kOld));
}

HF_TEST(activity_keeps_a_session_out_of_the_passes_entirely) {
  Reaping r;
  Session &session = r.add(1);
  for (int i = 0; i < 100; ++i) {
    r.now += minutes{5};
    r.touch(session);
    HF_CHECK(r.look().empty());
  }
  HF_EQ(r.reaper.visited_count(), 0u);
}

HF_TEST(a_large_pass_goes_in_pieces) {
  Reaping r;
  const int count = static_cast<int>(kLooksPerPiece) + 10;
  for (int i = 0; i < count; ++i) r.add(i);
  r.now += minutes{10};
  std::vector<Session *> due;
  HF_CHECK(!r.reaper.look(r.now, due));
  HF_EQ(due.size(), kLooksPerPiece);
  HF_CHECK(r.reaper.wants_look(r.now));
  HF_CHECK(r.reaper.next_wake(r.now) == r.now);
  HF_CHECK(r.reaper.look(r.now, due));
  HF_EQ(due.size(), static_cast<size_t>(count));
  HF_CHECK(!r.reaper.wants_look(r.now));
  HF_CHECK(r.reaper.next_wake(r.now) == r.now + minutes{1});
}

HF_TEST(a_shorter_interval_takes_effect_at_once) {
  Reaping r;
  r.reaper.set_interval(seconds{5}, r.now);
  HF_CHECK(r.reaper.next_pass() == r.now + seconds{5});
  r.reaper.set_interval(hours{1}, r.now);
  HF_CHECK(r.reaper.next_pass() == r.now + seconds{5});  // what was promised is kept
}

int main() {
  const CMUnitTest tests[] = {
      HF_UNIT(a_session_is_due_from_its_timeout_on_and_not_a_millisecond_before),
      HF_UNIT(activity_begins_the_time_anew),
      HF_UNIT(a_request_in_flight_holds_a_session_however_old_its_activity),
      HF_UNIT(an_open_stream_holds_only_where_the_policy_says_so),
      HF_UNIT(a_persistent_session_is_never_due_but_counts_as_skipped_while_it_is_overdue),
      HF_UNIT(an_admins_word_overrules_the_policy_both_ways),
      HF_UNIT(an_orphaned_persistent_session_is_due_after_its_own_timeout),
      HF_UNIT(a_session_not_known_to_be_used_is_due_earlier_where_the_policy_says_so),
      HF_UNIT(without_its_proxy_no_session_is_taken_for_unused),
      HF_UNIT(reservations_and_closing_sessions_have_no_deadline),
      HF_UNIT(a_pass_costs_what_is_due_not_what_exists),
      HF_UNIT(activity_keeps_a_session_out_of_the_passes_entirely),
      HF_UNIT(a_large_pass_goes_in_pieces),
      HF_UNIT(a_shorter_interval_takes_effect_at_once),
  };
  return HF_RUN(tests);
}
