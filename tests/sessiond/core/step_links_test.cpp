// Who knows what after a link ended, a proxy or sessiond was restarted (PROTOCOL.md 1.4): nothing
// is lost that lives, nothing is resurrected that ended.
#include "tests/sessiond/core/core_rig.h"
#include "tests/support/hf_test.h"

using namespace holdfast;
using namespace holdfast::sessiond;
using namespace holdfast::sessiond::test;
using std::chrono::minutes;
using std::chrono::seconds;

namespace {

Policy named_rules() {
  Policy rules;
  rules.timeout = minutes{1};
  rules.persistent_mode = false;
  return rules;
}

}  // namespace

HF_TEST(hello_is_answered_with_policies_and_an_empty_restore) {
  Settings settings = expiring();
  settings.policies.push_back({"team", named_rules()});
  settings.http_socket = "/run/http.sock";
  Rig rig(settings);
  const LinkId link = rig.hello("i1", "node", {"team", "nope"});

  const auto welcomes = rig.take<link::Welcome>(link);
  HF_EQ(welcomes.size(), 1u);
  HF_EQ(welcomes[0].policies.size(), 2u);
  HF_EQ(welcomes[0].policies[0].name, "");
  HF_EQ(welcomes[0].policies[1].name, "team");
  HF_EQ(welcomes[0].policies[1].timeout_ms, 60'000);
  HF_CHECK(welcomes[0].unknown_policies == std::vector<std::string>{"nope"});
  HF_EQ(welcomes[0].http_socket, "/run/http.sock");
  HF_EQ(rig.take<link::RestoredBegin>(link).size(), 1u);
  HF_EQ(rig.take<link::RestoredEnd>(link).size(), 1u);
}

HF_TEST(an_unknown_policy_name_is_reported_once_and_means_the_top_level_policy) {
  Rig rig;
  const auto complaints = [&] {
    return std::count_if(rig.logs.begin(), rig.logs.end(), [](const std::string &line) {
      return line.find("event=unknown_policy policy=nope") != std::string::npos;
    });
  };
  const LinkId link = rig.hello("i1", "node", {"nope"});
  rig.open(link, sid(1), "-", Transport::streamable, "nope");
  rig.hello("i2", "other", {"nope"});
  HF_EQ(complaints(), 1);
  rig.pass(minutes{12});
  HF_EQ(rig.take<link::DropIfIdle>(link).at(0).idle_ms_min, 600'000);
}

HF_TEST(anything_before_hello_costs_the_link) {
  Rig rig;
  const LinkId link = rig.connect();
  rig.say(link, link::SnapshotBegin{});
  HF_EQ(rig.closes.size(), 1u);
  rig.admit(link, sid(1));
  HF_EQ(rig.core.table().size(), 0u);
}

HF_TEST(another_protocol_version_is_refused_by_name) {
  Rig rig;
  const LinkId link = rig.connect();
  link::Hello hello;
  hello.v = 99;
  rig.say(link, hello);
  HF_EQ(rig.closes.size(), 1u);
  HF_CHECK(rig.closes[0].reason.find("99") != std::string::npos);
}

HF_TEST(ids_that_are_not_ours_cost_the_link_and_create_nothing) {
  Rig rig;
  const LinkId first = rig.hello("i1");
  rig.admit(first, "short");
  HF_EQ(rig.closes.size(), 1u);
  const LinkId second = rig.hello("i2");
  rig.snapshot(second, {record(std::string(kSessionIdChars, '/'))});
  HF_EQ(rig.closes.size(), 2u);
  HF_EQ(rig.core.table().size(), 0u);
}

HF_TEST(after_a_restart_of_sessiond_the_snapshot_rebuilds_the_table_with_its_ages) {
  Rig rig;
  const LinkId link = rig.hello("i1");
  rig.snapshot(link, {record(sid(1), minutes{7}), record(sid(2), minutes{1})});
  HF_EQ(rig.core.table().session_count(), 2u);
  const Session *const first = rig.core.table().find(sid(1));
  HF_CHECK(rig.clock.now() - first->last_activity == minutes{7});
  HF_CHECK(rig.clock.now() - first->created == minutes{8});
  rig.pass(minutes{4});  // 11 minutes idle
  const auto asks = rig.take<link::DropIfIdle>(link);
  HF_CHECK(!asks.empty());
  for (const link::DropIfIdle &ask : asks) HF_EQ(ask.session, sid(1));
  HF_CHECK(rig.take_lines().empty());  // nothing began and nothing ended
}

HF_TEST(a_session_served_without_asking_is_announced_when_the_snapshot_tells_it) {
  Rig rig;
  const LinkId link = rig.hello("i1");
  rig.pass(minutes{5});
  rig.admit(link, sid(1));  // reserved, then bound without a word
  rig.snapshot(link, {record(sid(1)), record(sid(2)), record(sid(3), minutes{10})});
  const auto lines = rig.take_lines();
  HF_EQ(lines.size(), 2u);  // the third is older than this sessiond
  HF_CHECK(lines[0].starts_with("[SessionManager] session created {\"sessionId\":\"s000001_\""));
  HF_CHECK(lines[1].starts_with("[SessionManager] session created {\"sessionId\":\"s000002_\""));
  rig.snapshot(link, {record(sid(1)), record(sid(2)), record(sid(3), minutes{10})});
  HF_CHECK(rig.take_lines().empty());
}

HF_TEST(a_known_instance_gets_nothing_restored_and_its_snapshot_is_the_truth) {
  Rig rig;
  LinkId link = rig.hello("i1");
  rig.open(link, sid(1));
  rig.open(link, sid(2));
  rig.take_lines();
  rig.down(link);
  rig.pass(minutes{5});

  link = rig.hello("i1");
  HF_EQ(rig.take<link::Restored>(link).size(), 0u);
  rig.snapshot(link, {record(sid(1), minutes{6}), record(sid(3))});
  HF_CHECK(rig.holds(sid(1)));
  HF_CHECK(!rig.holds(sid(2)));
  HF_CHECK(rig.holds(sid(3)));
  // The age is the proxy's, not counted from the link's end.
  HF_CHECK(rig.clock.now() - rig.core.table().find(sid(1))->last_activity == minutes{6});
  const auto lines = rig.take_lines();
  HF_EQ(lines.size(), 2u);
  HF_CHECK(lines[0].find("created") != std::string::npos);  // sid(3), served while we were away
  HF_EQ(lines[1],
        R"([SessionManager] session deleted {"sessionId":"s000002_","reason":"not_in_snapshot"})");
}

HF_TEST(what_an_instance_left_goes_to_the_next_one_also_when_its_end_is_heard_late) {
  Rig rig;
  const LinkId old_link = rig.hello("i1");
  rig.snapshot(old_link, {});
  rig.open(old_link, sid(1));
  const LinkId link = rig.hello("i2");
  HF_EQ(rig.take<link::Restored>(link).size(), 1u);  // taken for a sibling
  HF_EQ(rig.take<link::RestoredEnd>(link).size(), 1u);
  rig.say(link, link::SnapshotBegin{});  // of a moment before anything was handed over
  rig.clock.advance(minutes{1});
  rig.down(old_link);
  const auto restored = rig.take<link::Restored>(link);
  HF_EQ(restored.size(), 1u);  // its clock begins anew
  HF_EQ(restored[0].record.idle_ms, 0);
  rig.say(link, link::SnapshotEnd{});
  HF_CHECK(rig.holds(sid(1)));
  rig.snapshot(link, {record(sid(1))});
  HF_CHECK(rig.holds(sid(1)));
  rig.snapshot(link, {});
  HF_CHECK(!rig.holds(sid(1)));
}

HF_TEST(at_a_links_end_legacy_listen_and_reservations_end_and_streamable_clocks_begin_anew) {
  Rig rig;
  const LinkId link = rig.hello("i1");
  rig.open(link, sid(1));
  rig.open(link, sid(2), "-", Transport::sse);
  rig.open(link, sid(3), "-", Transport::listen);
  rig.admit(link, sid(4));
  rig.say(link, link::Opened{sid(1), 1, StreamKind::get});
  rig.active(link, sid(1), minutes{3}, 1);
  rig.pass(minutes{2});
  rig.down(link);

  HF_EQ(rig.core.table().size(), 1u);
  const Session *const left = rig.core.table().find(sid(1));
  HF_CHECK(left->last_activity == rig.clock.now());
  HF_EQ(left->in_flight, 0);
  HF_EQ(left->streams, 0);
  HF_EQ(rig.core.counters().ended[static_cast<size_t>(EndReason::link_lost)], 2u);
}

HF_TEST(a_legacy_session_lost_with_the_link_lives_on_when_the_snapshot_still_has_it) {
  // sessiond was frozen, the link broke, the stream did not: nobody may be cut for that.
  Rig rig;
  LinkId link = rig.hello("i1");
  rig.open(link, sid(1), "-", Transport::sse);
  rig.down(link);
  HF_CHECK(!rig.holds(sid(1)));
  link = rig.hello("i1");
  rig.snapshot(link, {record(sid(1), seconds{1}, Transport::sse)});
  HF_CHECK(rig.holds(sid(1)));
  HF_EQ(rig.take<link::Drop>(link).size(), 0u);
}

HF_TEST(what_sessiond_ended_while_the_link_was_away_is_dropped_again_not_resurrected) {
  Rig rig;
  LinkId link = rig.hello("i1");
  rig.open(link, sid(1));
  rig.open(link, sid(2));
  rig.down(link);
  rig.step(ShutdownSession{Token{1}, sid(1)});  // by an admin, with nobody to tell
  HF_EQ(rig.take_done().at(0).ended_count, 1);
  rig.pass(minutes{12});  // sid(2) expires ownerless
  HF_EQ(rig.core.table().size(), 0u);

  link = rig.hello("i1");
  rig.snapshot(link, {record(sid(1)), record(sid(2))});
  const auto drops = rig.take<link::Drop>(link);
  HF_EQ(drops.size(), 2u);
  HF_CHECK(drops[0].reason == EndReason::admin);
  HF_CHECK(drops[1].reason == EndReason::idle_timeout);
  HF_EQ(rig.core.table().size(), 0u);

  rig.take_lines();
  rig.ended(link, sid(1), EndReason::admin);
  HF_EQ(rig.take<link::Acknowledged>(link).size(), 1u);
  HF_CHECK(rig.take_lines().empty());  // it was logged when it ended
}

HF_TEST(a_report_about_a_session_that_was_ended_is_answered_with_drop_too) {
  Rig rig;
  LinkId link = rig.hello("i1");
  rig.open(link, sid(1));
  rig.down(link);
  rig.step(ShutdownSession{Token{1}, sid(1)});
  link = rig.hello("i1");
  rig.active(link, sid(1));
  HF_EQ(rig.take<link::Drop>(link).size(), 1u);
}

HF_TEST(a_new_instance_of_the_node_gets_the_ownerless_sessions_back) {
  Rig rig;
  const LinkId old_link = rig.hello("i1");
  rig.open(old_link, sid(1), "alice");
  rig.open(old_link, sid(2), "bob");
  rig.down(old_link);
  rig.pass(seconds{30});

  const LinkId stranger = rig.hello("x1", "elsewhere");
  HF_EQ(rig.take<link::Restored>(stranger).size(), 0u);
  const LinkId link = rig.hello("i2");
  const auto restored = rig.take<link::Restored>(link);
  HF_EQ(restored.size(), 2u);
  HF_EQ(restored[0].record.session, sid(1));
  HF_EQ(restored[0].record.user, "alice");
  HF_EQ(restored[0].record.backend_session, "backend-" + sid(1));
  HF_EQ(restored[0].record.target, "/mcp");
  HF_EQ(restored[0].record.idle_ms, 30'000);
  // Its snapshot was under way before it read of them: they are not gone for that.
  rig.snapshot(link, {record(sid(2), seconds{31})});
  HF_EQ(rig.core.table().session_count(), 2u);
  // A later snapshot is believed.
  rig.snapshot(link, {record(sid(2), seconds{31})});
  HF_EQ(rig.core.table().session_count(), 1u);
  HF_EQ(rig.core.table().instances().count("i1"), 0u);
}

HF_TEST(restoring_goes_in_pieces_as_the_link_drains) {
  Rig rig;
  const LinkId old_link = rig.hello("i1");
  const int count = 3 * static_cast<int>(kRestoredPerPiece) - 10;
  for (int i = 0; i < count; ++i) rig.open(old_link, sid(i));
  rig.down(old_link);

  const LinkId link = rig.hello("i2");
  size_t restored_count = rig.take<link::Restored>(link).size();
  HF_EQ(restored_count, kRestoredPerPiece);
  HF_EQ(rig.take<link::RestoredEnd>(link).size(), 0u);
  rig.say(link, link::SnapshotBegin{});
  for (int piece = 0; piece < 2; ++piece) {
    rig.step(Drained{link});
    restored_count += rig.take<link::Restored>(link).size();
  }
  HF_EQ(restored_count, static_cast<size_t>(count));
  HF_EQ(rig.take<link::RestoredEnd>(link).size(), 1u);
  rig.say(link, link::SnapshotEnd{});
  HF_EQ(rig.core.table().session_count(), static_cast<size_t>(count));
}

HF_TEST(a_restore_broken_off_goes_on_with_the_next_connection) {
  Rig rig;
  const LinkId old_link = rig.hello("i1");
  const int count = static_cast<int>(kRestoredPerPiece) + 5;
  for (int i = 0; i < count; ++i) rig.open(old_link, sid(i));
  rig.down(old_link);
  LinkId link = rig.hello("i2");
  rig.down(link);
  link = rig.hello("i2");
  // What it had not named is handed over again: it may never have arrived.
  rig.step(Drained{link});
  HF_EQ(rig.take<link::Restored>(link).size(), static_cast<size_t>(count));
  rig.snapshot(link, {record(sid(0))});
  rig.step(Drained{link});
  HF_EQ(rig.core.table().session_count(), static_cast<size_t>(count));
  HF_EQ(rig.core.table().instances().size(), 1u);
}

HF_TEST(a_second_connection_of_an_instance_takes_the_place_of_the_first) {
  Rig rig;
  const LinkId first = rig.hello("i1");
  rig.open(first, sid(1));
  rig.open(first, sid(2), "-", Transport::sse);
  rig.admit(first, sid(3));
  rig.step(ShutdownSession{Token{1}, sid(1)});
  HF_EQ(rig.take<link::Drop>(first).size(), 1u);

  const LinkId second = rig.hello("i1");
  HF_EQ(rig.closes.size(), 1u);
  HF_CHECK(rig.closes[0].link == first);
  HF_CHECK(!rig.holds(sid(3)));                    // its admission went with the connection
  HF_EQ(rig.take<link::Drop>(second).size(), 1u);  // the order is repeated
  rig.down(first);                                 // and its end harms nothing
  HF_EQ(rig.core.table().session_count(), 2u);
  rig.snapshot(second, {record(sid(1)), record(sid(2), seconds{1}, Transport::sse)});
  rig.ended(second, sid(1), EndReason::admin);
  HF_EQ(rig.take_done().size(), 1u);
  HF_EQ(rig.core.table().session_count(), 1u);
}

HF_TEST(a_second_hello_on_a_link_tells_new_policy_names) {
  Rig rig;
  const LinkId link = rig.hello("i1");
  rig.open(link, sid(1));
  rig.take<link::Welcome>(link);
  link::Hello again;
  again.node = "node";
  again.instance = "i1";
  again.policies = {"nope"};
  rig.say(link, again);
  HF_EQ(rig.take<link::Welcome>(link).at(0).unknown_policies.size(), 1u);
  HF_CHECK(rig.holds(sid(1)));
  again.instance = "i2";
  rig.say(link, again);
  HF_EQ(rig.closes.size(), 1u);
}

HF_TEST(a_legacy_session_belongs_to_whoever_named_it_last) {
  Rig rig;
  const LinkId first = rig.hello("i1", "a");
  const LinkId second = rig.hello("i2", "b");
  rig.open(first, sid(1), "-", Transport::sse);
  rig.snapshot(second, {record(sid(1), Millis{0}, Transport::sse)});
  HF_EQ(rig.core.table().find(sid(1))->instance->name, "i2");
  rig.ended(first, sid(1), EndReason::client_gone);  // not its to end any more
  HF_CHECK(rig.holds(sid(1)));
  HF_EQ(rig.take<link::Acknowledged>(first).size(), 1u);
}

HF_TEST(absurd_numbers_from_a_proxy_are_clamped) {
  Rig rig;
  const LinkId link = rig.hello("i1");
  link::Record mad = record(sid(1));
  mad.age_ms = INT64_MAX;
  mad.idle_ms = INT64_MIN;
  mad.in_flight = -5;
  mad.streams = INT64_MAX;
  rig.snapshot(link, {mad});
  rig.say(link, link::Opened{sid(1), 1, StreamKind::get});
  rig.say(link, link::Opened{sid(1), 2, StreamKind::get});
  HF_CHECK(rig.core.table().find(sid(1))->streams > 0);
  rig.say(link, link::Activity{{{sid(1), INT64_MAX, INT64_MAX, -1}}});
  const Session *const session = rig.core.table().find(sid(1));
  HF_EQ(session->requests, 0);
  HF_CHECK(session->in_flight > 0);
  HF_CHECK(session->last_activity < rig.clock.now());
  HF_CHECK(session->created < rig.clock.now());
}

HF_TEST(a_snapshot_that_disagrees_about_persistence_is_set_right) {
  Rig rig;
  const LinkId first = rig.hello("i1");
  rig.open(first, sid(1));
  rig.open(first, sid(2));
  rig.down(first);
  rig.step(SetPersistent{Token{1}, sid(1), true});  // nobody there to be told
  const LinkId second = rig.hello("i1");
  rig.snapshot(second, {record(sid(1)), record(sid(2))});
  const auto sets = rig.take<link::Set>(second);
  HF_EQ(sets.size(), 1u);
  HF_EQ(sets[0].session, sid(1));
  HF_CHECK(sets[0].persistent);
}

int main() {
  const CMUnitTest tests[] = {
      HF_UNIT(hello_is_answered_with_policies_and_an_empty_restore),
      HF_UNIT(an_unknown_policy_name_is_reported_once_and_means_the_top_level_policy),
      HF_UNIT(anything_before_hello_costs_the_link),
      HF_UNIT(another_protocol_version_is_refused_by_name),
      HF_UNIT(ids_that_are_not_ours_cost_the_link_and_create_nothing),
      HF_UNIT(after_a_restart_of_sessiond_the_snapshot_rebuilds_the_table_with_its_ages),
      HF_UNIT(a_session_served_without_asking_is_announced_when_the_snapshot_tells_it),
      HF_UNIT(a_known_instance_gets_nothing_restored_and_its_snapshot_is_the_truth),
      HF_UNIT(what_an_instance_left_goes_to_the_next_one_also_when_its_end_is_heard_late),
      HF_UNIT(at_a_links_end_legacy_listen_and_reservations_end_and_streamable_clocks_begin_anew),
      HF_UNIT(a_legacy_session_lost_with_the_link_lives_on_when_the_snapshot_still_has_it),
      HF_UNIT(what_sessiond_ended_while_the_link_was_away_is_dropped_again_not_resurrected),
      HF_UNIT(a_report_about_a_session_that_was_ended_is_answered_with_drop_too),
      HF_UNIT(a_new_instance_of_the_node_gets_the_ownerless_sessions_back),
      HF_UNIT(restoring_goes_in_pieces_as_the_link_drains),
      HF_UNIT(a_restore_broken_off_goes_on_with_the_next_connection),
      HF_UNIT(a_second_connection_of_an_instance_takes_the_place_of_the_first),
      HF_UNIT(a_second_hello_on_a_link_tells_new_policy_names),
      HF_UNIT(a_legacy_session_belongs_to_whoever_named_it_last),
      HF_UNIT(absurd_numbers_from_a_proxy_are_clamped),
      HF_UNIT(a_snapshot_that_disagrees_about_persistence_is_set_right),
  };
  return HF_RUN(tests);
}
