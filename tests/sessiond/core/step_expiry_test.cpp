// The expiry contract (SPEC section 1): never earlier than the timeout, at most one cleanup
// interval and a second later; the proxy is asked and may refuse; what is logged.
#include <random>

#include "tests/sessiond/core/core_rig.h"
#include "tests/support/hf_test.h"

using namespace holdfast;
using namespace holdfast::sessiond;
using namespace holdfast::sessiond::test;
using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

namespace {

Settings persistent() {
  Policy top;
  top.timeout = minutes{10};
  top.persistent_mode = true;
  return settings_of(top);
}

// Answers as a proxy does whose clock agrees: what is idle enough ends, the rest is alive.
void answer_asks(Rig &rig, LinkId link, const std::map<std::string, MonoTime> &last_activity) {
  for (const link::DropIfIdle &ask : rig.take<link::DropIfIdle>(link)) {
    const Millis idle = rig.clock.now() - last_activity.at(ask.session);
    if (idle.count() >= ask.idle_ms_min) {
      rig.ended(link, ask.session, EndReason::idle_timeout);
    } else {
      rig.alive(link, ask.session, idle);
    }
  }
}

}  // namespace

HF_TEST(every_session_ends_after_its_timeout_and_within_one_interval_and_a_second) {
  // Sessions that begin and move at random instants; a tick is never late by more than the core
  // asks for, a proxy answers at once.
  Rig rig;
  std::mt19937 random(7);
  const LinkId link = rig.hello("i1");
  std::map<std::string, MonoTime> last;
  int ended_count = 0;
  for (int i = 0; i < 400; ++i) {
    rig.open(link, sid(i));
    last[sid(i)] = rig.clock.now();
    const int moved = static_cast<int>(random() % 400);
    if (rig.holds(sid(moved))) {
      rig.active(link, sid(moved));
      last[sid(moved)] = rig.clock.now();
    }
    const MonoTime until = rig.clock.now() + milliseconds{random() % 9000};
    while (rig.clock.now() < until) {
      rig.pass(std::min<Millis>(until - rig.clock.now(), seconds{1}));
      answer_asks(rig, link, last);
      for (auto at = last.begin(); at != last.end();) {
        const Millis idle = rig.clock.now() - at->second;
        if (rig.holds(at->first)) {
          HF_CHECK(idle <= minutes{11} + seconds{1});
          ++at;
        } else {
          HF_CHECK(idle >= minutes{10});
          ++ended_count;
          at = last.erase(at);
        }
      }
    }
  }
  HF_CHECK(ended_count > 50);
  HF_EQ(rig.core.counters().ended[static_cast<size_t>(EndReason::idle_timeout)],
        static_cast<uint64_t>(ended_count));
}

HF_TEST(an_alive_answer_arms_anew_from_the_age_it_tells) {
  Rig rig;
  const LinkId link = rig.hello("i1");
  rig.open(link, sid(1));
  rig.pass(minutes{10});
  HF_EQ(rig.take<link::DropIfIdle>(link).size(), 1u);
  rig.alive(link, sid(1), minutes{4});
  HF_EQ(rig.core.counters().asks_refused, 1u);
  rig.pass(minutes{6} - seconds{1});
  HF_CHECK(rig.take<link::DropIfIdle>(link).empty());
  rig.pass(seconds{1});
  HF_EQ(rig.take<link::DropIfIdle>(link).size(), 1u);
}

HF_TEST(an_alive_answer_with_a_request_in_flight_waits_for_its_end) {
  Rig rig;
  const LinkId link = rig.hello("i1");
  rig.open(link, sid(1));
  rig.pass(minutes{10});
  rig.take<link::DropIfIdle>(link);
  rig.alive(link, sid(1), minutes{10}, 1);
  rig.pass(hours{3});
  HF_CHECK(rig.take<link::DropIfIdle>(link).empty());
  rig.active(link, sid(1), Millis{0}, 0);
  rig.pass(minutes{10});
  HF_EQ(rig.take<link::DropIfIdle>(link).size(), 1u);
}

HF_TEST(an_unanswered_ask_is_asked_again_at_the_next_pass) {
  Rig rig;
  const LinkId link = rig.hello("i1");
  rig.open(link, sid(1));
  rig.pass(minutes{10});
  HF_EQ(rig.take<link::DropIfIdle>(link).size(), 1u);
  rig.pass(minutes{1});
  HF_EQ(rig.take<link::DropIfIdle>(link).size(), 1u);
  HF_CHECK(rig.holds(sid(1)));
}

HF_TEST(a_persistent_session_is_never_asked_about) {
  Rig rig(persistent());
  const LinkId link = rig.hello("i1");
  rig.open(link, sid(1));
  rig.pass(hours{100});
  HF_CHECK(rig.take<link::DropIfIdle>(link).empty());
  HF_CHECK(rig.holds(sid(1)));
}

HF_TEST(a_pass_says_that_it_skipped_persistent_sessions_only_when_there_were_some) {
  Rig rig(persistent());
  const LinkId link = rig.hello("i1");
  rig.open(link, sid(1));
  rig.take_lines();
  rig.pass(minutes{9});
  HF_CHECK(rig.take_lines().empty());
  rig.pass(minutes{3});
  const auto lines = rig.take_lines();
  HF_CHECK(lines.size() == 2u || lines.size() == 3u);  // one a pass
  for (const std::string &line : lines) {
    HF_EQ(line, R"([SessionManager] skipped persistent sessions {"persistent":1})");
  }
  rig.active(link, sid(1));
  rig.pass(minutes{5});
  HF_CHECK(rig.take_lines().empty());
}

HF_TEST(expired_sessions_are_counted_in_one_line_when_the_last_answer_came) {
  Rig rig;
  const LinkId link = rig.hello("i1");
  for (int i = 1; i <= 3; ++i) rig.open(link, sid(i));
  rig.step(SetPersistent{Token{1}, sid(3), true});
  rig.take_lines();
  rig.pass(minutes{10});
  HF_EQ(rig.take_lines().at(0), R"([SessionManager] skipped persistent sessions {"persistent":1})");
  rig.ended(link, sid(1), EndReason::idle_timeout);
  auto lines = rig.take_lines();
  HF_EQ(lines.size(), 1u);
  HF_EQ(lines[0],
        R"([SessionManager] session deleted {"sessionId":"s000001_","reason":"idle_timeout"})");
  rig.ended(link, sid(2), EndReason::idle_timeout);
  lines = rig.take_lines();
  HF_EQ(lines.size(), 2u);
  HF_EQ(lines[1], R"([SessionManager] expired sessions cleaned {"count":2,"persistent":1})");
}

HF_TEST(a_proxy_that_never_answers_does_not_hide_what_others_ended) {
  Rig rig;
  const LinkId link = rig.hello("i1");
  rig.open(link, sid(1));
  rig.open(link, sid(2));
  rig.pass(minutes{10});
  rig.ended(link, sid(1), EndReason::idle_timeout);
  rig.take_lines();
  rig.pass(minutes{1});
  HF_EQ(rig.take_lines().at(0),
        R"([SessionManager] expired sessions cleaned {"count":1,"persistent":0})");
}

HF_TEST(a_persistent_orphan_is_asked_about_as_one_and_its_use_begins_the_time_anew) {
  Settings settings = persistent();
  settings.top.orphan_timeout = hours{1};
  Rig rig(settings);
  const LinkId link = rig.hello("i1");
  rig.open(link, sid(1));
  rig.pass(hours{1});
  const auto asks = rig.take<link::DropIfIdle>(link);
  HF_EQ(asks.size(), 1u);
  HF_CHECK(asks[0].reason == EndReason::orphan_timeout);
  HF_EQ(asks[0].idle_ms_min, 3'600'000);
  // Its client has pinged half an hour ago, which moves no clock and is a sign of life.
  link::Alive alive{sid(1), 3'600'000, 0, 1'800'000, false};
  rig.say(link, alive);
  rig.pass(minutes{29});
  HF_CHECK(rig.take<link::DropIfIdle>(link).empty());
  rig.pass(minutes{1});
  HF_EQ(rig.take<link::DropIfIdle>(link).size(), 1u);
  rig.take_lines();
  rig.ended(link, sid(1), EndReason::orphan_timeout);
  const auto lines = rig.take_lines();
  HF_EQ(lines.at(0),
        "[SessionManager] session deleted "
        "{\"sessionId\":\"s000001_\",\"reason\":\"orphan_timeout\"}");
  HF_EQ(lines.at(1), "[SessionManager] expired sessions cleaned {\"count\":1,\"persistent\":0}");
}

HF_TEST(a_session_is_asked_once_whether_it_was_ever_used) {
  Settings settings = expiring();
  settings.top.unused_timeout = minutes{2};
  Rig rig(settings);
  const LinkId link = rig.hello("i1");
  rig.open(link, sid(1));
  rig.open(link, sid(2));
  rig.pass(minutes{2});
  const auto asks = rig.take<link::DropIfIdle>(link);
  HF_EQ(asks.size(), 2u);
  HF_CHECK(asks[0].reason == EndReason::unused_timeout);
  HF_EQ(asks[0].idle_ms_min, 120'000);
  rig.say(link, link::Alive{sid(1), 120'000, 0, 1'000, true});
  rig.ended(link, sid(2), EndReason::unused_timeout);
  rig.pass(minutes{7});
  HF_CHECK(rig.take<link::DropIfIdle>(link).empty());
  rig.pass(minutes{1});
  HF_CHECK(rig.take<link::DropIfIdle>(link).at(0).reason == EndReason::idle_timeout);
}

HF_TEST(an_ownerless_session_expires_without_asking_anybody) {
  Rig rig;
  const LinkId link = rig.hello("i1");
  rig.open(link, sid(1));
  rig.pass(minutes{9});
  rig.down(link);  // its clock begins anew
  rig.take_lines();
  rig.pass(minutes{10} - Millis{1});
  HF_CHECK(rig.holds(sid(1)));
  rig.pass(minutes{1} + seconds{1});
  HF_CHECK(!rig.holds(sid(1)));
  const auto lines = rig.take_lines();
  HF_EQ(lines.size(), 2u);
  HF_EQ(lines[1], R"([SessionManager] expired sessions cleaned {"count":1,"persistent":0})");
  HF_CHECK(rig.core.table().instances().empty());
}

HF_TEST(an_ownerless_persistent_session_stays) {
  Rig rig(persistent());
  const LinkId link = rig.hello("i1");
  rig.open(link, sid(1));
  rig.down(link);
  rig.pass(hours{1000});
  HF_CHECK(rig.holds(sid(1)));
}

HF_TEST(an_open_stream_that_keeps_its_session_begins_the_idle_time_at_its_end) {
  Settings settings = expiring();
  settings.top.stream_keeps_alive = true;
  Rig rig(settings);
  const LinkId link = rig.hello("i1");
  rig.open(link, sid(1));
  rig.say(link, link::Opened{sid(1), 1, StreamKind::get});
  rig.pass(hours{2});
  HF_CHECK(rig.take<link::DropIfIdle>(link).empty());
  rig.say(link, link::Closed{sid(1), 1, StreamReason::complete, 0, 0});
  rig.pass(minutes{9});
  HF_CHECK(rig.take<link::DropIfIdle>(link).empty());
  rig.pass(minutes{1});
  HF_EQ(rig.take<link::DropIfIdle>(link).size(), 1u);
}

HF_TEST(a_change_of_policies_is_told_and_moves_deadlines_and_persistence) {
  Settings settings = persistent();
  Rig rig(settings);
  const LinkId link = rig.hello("i1");
  rig.open(link, sid(1));
  rig.pass(minutes{30});
  settings.top.persistent_mode = false;
  settings.top.timeout = minutes{40};
  rig.step(SettingsChanged{settings});
  const auto told = rig.take<link::Policies>(link);
  HF_EQ(told.size(), 1u);
  HF_EQ(told[0].policies.at(0).timeout_ms, 40 * 60'000);
  HF_CHECK(!told[0].policies.at(0).persistent);
  HF_EQ(rig.core.reaper().overdue_count(), 0u);
  rig.pass(minutes{9});
  HF_CHECK(rig.take<link::DropIfIdle>(link).empty());
  rig.pass(minutes{1});
  HF_EQ(rig.take<link::DropIfIdle>(link).size(), 1u);
}

HF_TEST(a_policy_that_is_removed_leaves_its_sessions_to_the_top_level_one) {
  Settings settings = expiring();
  Policy team = settings.top;
  team.timeout = hours{10};
  settings.policies.push_back({"team", team});
  Rig rig(settings);
  const LinkId link = rig.hello("i1", "node", {"team"});
  rig.open(link, sid(1), "-", Transport::streamable, "team");
  rig.pass(hours{1});
  HF_CHECK(rig.take<link::DropIfIdle>(link).empty());
  rig.step(SettingsChanged{expiring()});
  HF_CHECK(rig.take<link::Policies>(link).at(0).unknown_policies ==
           std::vector<std::string>{"team"});
  rig.pass(minutes{1});
  HF_EQ(rig.take<link::DropIfIdle>(link).at(0).idle_ms_min, 600'000);
}

HF_TEST(a_proxy_is_asked_about_a_bounded_number_at_a_time_until_all_are_asked) {
  Rig rig;
  const LinkId link = rig.hello("i1");
  const int count = static_cast<int>(kAsksUnansweredMax) + 100;
  for (int i = 0; i < count; ++i) rig.open(link, sid(i));
  rig.pass(minutes{10});
  auto asks = rig.take<link::DropIfIdle>(link);
  HF_EQ(asks.size(), kAsksUnansweredMax);
  rig.take_lines();
  int ended_count = 0;
  while (!asks.empty()) {
    for (const link::DropIfIdle &ask : asks) {
      rig.ended(link, ask.session, EndReason::idle_timeout);
      ++ended_count;
    }
    asks = rig.take<link::DropIfIdle>(link);
  }
  HF_EQ(ended_count, count);
  HF_EQ(rig.take_lines().back(), "[SessionManager] expired sessions cleaned {\"count\":" +
                                     std::to_string(count) + ",\"persistent\":0}");
}

HF_TEST(an_ended_session_is_acknowledged_every_time_and_deleted_once) {
  Rig rig;
  const LinkId link = rig.hello("i1");
  rig.open(link, sid(1));
  rig.take_lines();
  rig.ended(link, sid(1), EndReason::client_delete);
  rig.ended(link, sid(1), EndReason::client_delete);
  rig.ended(link, "never-heard-of", EndReason::client_gone);
  HF_EQ(rig.take<link::Acknowledged>(link).size(), 3u);
  HF_EQ(rig.take_lines().size(), 1u);
  HF_EQ(rig.core.counters().ended[static_cast<size_t>(EndReason::client_delete)], 1u);
}

HF_TEST(a_late_report_about_an_ended_session_changes_nothing) {
  Rig rig;
  const LinkId link = rig.hello("i1");
  rig.open(link, sid(1));
  rig.ended(link, sid(1), EndReason::client_delete);
  rig.bind(link, sid(1));
  rig.active(link, sid(1));
  rig.alive(link, sid(1), Millis{0});
  rig.say(link, link::Closed{sid(1), 1, StreamReason::complete, 0, 0});
  HF_EQ(rig.core.table().size(), 0u);
  HF_EQ(rig.core.counters().unknown_reports, 4u);
}

HF_TEST(a_second_bound_moves_a_session_to_its_new_backend_session) {
  Rig rig;
  const LinkId link = rig.hello("i1");
  rig.open(link, sid(1));
  rig.take_lines();
  rig.say(link, link::Bound{sid(1), "other/10.0.0.2:80", "again", "/v2"});
  const Session *const session = rig.core.table().find(sid(1));
  HF_EQ(session->backend->text, "other/10.0.0.2:80");
  HF_EQ(session->backend_session.view(), "again");
  HF_CHECK(rig.take_lines().empty());
}

HF_TEST(ids_are_shown_whole_only_where_the_configuration_says_so) {
  Settings settings = expiring();
  settings.log_full_ids = true;
  Rig rig(settings);
  const LinkId link = rig.hello("i1");
  rig.open(link, sid(1), "alice");
  HF_EQ(rig.take_lines().at(0), R"([SessionManager] session created {"sessionId":")" + sid(1) +
                                    R"(","userId":"alice","persistent":false})");
}

HF_TEST(a_history_replayed_gives_the_same_actions) {
  // No decision may depend on the order of a hash table or an address.
  const auto history = [] {
    Rig rig;
    std::mt19937 random(3);
    std::vector<LinkId> links{rig.hello("i1", "a"), rig.hello("i2", "b")};
    std::string told;
    for (int i = 0; i < 3000; ++i) {
      const std::string id = sid(static_cast<int>(random() % 200));
      const LinkId link = links[random() % links.size()];
      switch (random() % 6) {
        case 0:
        case 1:
          rig.open(link, id, "u" + std::to_string(random() % 9));
          break;
        case 2:
          rig.active(link, id, seconds{random() % 900});
          break;
        case 3:
          rig.pass(seconds{random() % 60});
          break;
        case 4:
          if (random() % 50 == 0) {
            rig.down(links[0]);
            links[0] = rig.hello("i" + std::to_string(i), "a");
          }
          break;
        default:
          for (const link::DropIfIdle &ask : rig.take<link::DropIfIdle>(link)) {
            told += ask.session;
            rig.ended(link, ask.session, EndReason::idle_timeout);
          }
      }
      for (const std::string &line : rig.take_lines()) told += line;
      for (const link::Restored &restored : rig.take<link::Restored>(links[0])) {
        told += restored.record.session;
      }
    }
    return told;
  };
  const std::string first = history();
  HF_CHECK(first.size() > 10'000);
  HF_CHECK(first == history());
}

int main() {
  const CMUnitTest tests[] = {
      HF_UNIT(every_session_ends_after_its_timeout_and_within_one_interval_and_a_second),
      HF_UNIT(an_alive_answer_arms_anew_from_the_age_it_tells),
      HF_UNIT(an_alive_answer_with_a_request_in_flight_waits_for_its_end),
      HF_UNIT(an_unanswered_ask_is_asked_again_at_the_next_pass),
      HF_UNIT(a_persistent_session_is_never_asked_about),
      HF_UNIT(a_pass_says_that_it_skipped_persistent_sessions_only_when_there_were_some),
      HF_UNIT(expired_sessions_are_counted_in_one_line_when_the_last_answer_came),
      HF_UNIT(a_proxy_that_never_answers_does_not_hide_what_others_ended),
      HF_UNIT(a_persistent_orphan_is_asked_about_as_one_and_its_use_begins_the_time_anew),
      HF_UNIT(a_session_is_asked_once_whether_it_was_ever_used),
      HF_UNIT(an_ownerless_session_expires_without_asking_anybody),
      HF_UNIT(an_ownerless_persistent_session_stays),
      HF_UNIT(an_open_stream_that_keeps_its_session_begins_the_idle_time_at_its_end),
      HF_UNIT(a_change_of_policies_is_told_and_moves_deadlines_and_persistence),
      HF_UNIT(a_policy_that_is_removed_leaves_its_sessions_to_the_top_level_one),
      HF_UNIT(a_proxy_is_asked_about_a_bounded_number_at_a_time_until_all_are_asked),
      HF_UNIT(an_ended_session_is_acknowledged_every_time_and_deleted_once),
      HF_UNIT(a_late_report_about_an_ended_session_changes_nothing),
      HF_UNIT(a_second_bound_moves_a_session_to_its_new_backend_session),
      HF_UNIT(ids_are_shown_whole_only_where_the_configuration_says_so),
      HF_UNIT(a_history_replayed_gives_the_same_actions),
  };
  return HF_RUN(tests);
}
