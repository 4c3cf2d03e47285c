// The registry's rules: who may use a session, what moves its clock, what holds it, how it ends.
#include "proxy/session_registry.h"

#include <algorithm>
#include <set>

#include "proxy/session_record.h"
#include "tests/proxy/registry_fixture.h"
#include "tests/support/hf_test.h"

using namespace holdfast;
using namespace holdfast::proxy;
using namespace holdfast::proxy::test;
using Finish = SessionRegistry::Finish;
using std::chrono::seconds;

// ---- who may use a session ----

HF_TEST(begin_answers_what_a_request_needs_to_find_its_backend) {
  RegistryFixture t;
  HF_CHECK(t.begin(kFirst));
  HF_EQ(t.view.transport, Transport::streamable);
  HF_EQ(t.view.backend, BackendId{0});
  HF_EQ(t.view.backend_session, "backend-id");
}

HF_TEST(begin_refuses_unknown_ids_and_other_users_alike) {
  RegistryFixture t;
  HF_CHECK(!t.registry.begin("nobody's", kAlice, kFirst, true, t.view));
  HF_CHECK(!t.registry.begin(kId, "bob", kFirst, true, t.view));
  HF_CHECK(!t.registry.begin(kId, "-", kFirst, true, t.view));
  HF_CHECK(!t.registry.begin(kId, "", kFirst, true, t.view));
  HF_EQ(t.look().in_flight, 0);
  HF_EQ(t.registry.size(), size_t{1});
}

HF_TEST(end_by_another_user_ends_nothing) {
  RegistryFixture t;
  HF_CHECK(!t.registry.end(kId, EndReason::client_delete, "bob"));
  HF_EQ(t.registry.size(), size_t{1});
  HF_CHECK(t.registry.end(kId, EndReason::client_delete, kAlice).has_value());
  HF_EQ(t.registry.size(), size_t{0});
}

HF_TEST(end_without_user_is_an_order_from_inside) {
  RegistryFixture t;
  HF_CHECK(t.registry.end(kId, EndReason::admin).has_value());
  HF_CHECK(!t.registry.end(kId, EndReason::admin).has_value());
  HF_CHECK(!t.begin(kFirst));
}

// ---- whose a backend session is ----

HF_TEST(a_backend_session_of_another_users_live_session_is_not_bound) {
  RegistryFixture t;  // alice's, on "backend-id"
  const auto opened = [&](const std::string &id, const std::string &user) {
    return t.registry.bind({id, user, "", Transport::streamable, 0, "backend-id", "", "", "", ""},
                           false, kOpener);
  };
  HF_CHECK(!opened("mallory's", "mallory").has_value());
  HF_CHECK(!t.registry.knows("mallory's", "mallory"));
  HF_CHECK(opened("alice's second", kAlice).has_value());
  HF_CHECK(t.registry.end(kId, EndReason::admin).has_value());
  HF_CHECK(!opened("mallory's", "mallory").has_value());  // the second is still there
  HF_CHECK(t.registry.end("alice's second", EndReason::admin).has_value());
  HF_CHECK(opened("mallory's", "mallory").has_value());
}

HF_TEST(every_way_a_session_ends_frees_its_backend_session) {
  const auto is_free = [](RegistryFixture &t) {
    return t.registry
        .bind({"next", "bob", "", Transport::streamable, 0, "backend-id", "", "", "", ""}, false,
              kOpener)
        .has_value();
  };
  RegistryFixture expired;
  HF_CHECK(!is_free(expired));
  HF_CHECK(expired.droppable());
  HF_CHECK(is_free(expired));
  RegistryFixture drained;
  HF_EQ(drained.registry.end_all(EndReason::shutdown, std::nullopt).size(), size_t{1});
  HF_CHECK(is_free(drained));
}

HF_TEST(a_restored_session_holds_its_backend_session_too) {
  FakeClock clock;
  SessionRegistry registry(clock);
  link::Record record;
  record.session = kId;
  record.user = kAlice;
  record.backend_session = "backend-id";
  HF_CHECK(registry.restore(record, 3));
  HF_CHECK(!registry.restore(record, 3));  // the same once more claims nothing
  record.session = "other";
  record.user = "bob";
  HF_CHECK(!registry.restore(record, 3));
  HF_CHECK(registry.end(kId, EndReason::admin).has_value());
  HF_CHECK(registry.restore(record, 3));
}

// ---- what an ended session leaves to do ----

HF_TEST(end_hands_over_identity_reason_idleness_and_running_exchanges) {
  RegistryFixture t;
  t.begin(kFirst, false);
  t.begin(kSecond, true);
  t.clock.advance(seconds{7});
  const auto ended = t.registry.end(kId, EndReason::admin);
  HF_CHECK(ended.has_value());
  HF_EQ(ended->identity.id, kId);
  HF_EQ(ended->identity.user, kAlice);
  HF_EQ(ended->identity.backend_session, "backend-id");
  HF_EQ(ended->reason, EndReason::admin);
  HF_EQ(ended->idle.count(), 7000);
  HF_EQ(ended->exchanges.size(), size_t{2});
  HF_CHECK(ended->exchanges[0] == kFirst && ended->exchanges[1] == kSecond);
}

HF_TEST(exchanges_of_an_ended_session_are_ignored_afterwards) {
  RegistryFixture t;
  t.begin(kFirst);
  (void)t.registry.end(kId, EndReason::admin);
  t.classify(kFirst, {request("tools/call", "1")});
  t.registry.add_stream(kId, kFirst);
  t.registry.on_response(kId, "1");
  t.registry.on_event(kId);
  HF_EQ(t.finish(kFirst).count(), 0);
  HF_EQ(t.registry.size(), size_t{0});
}

// ---- what moves the clock ----

struct ActivityCase {
  const char *name;
  std::vector<std::string> activity;
  std::vector<mcp::RpcMessage> messages;
  bool moves;
  int64_t requests;
};

const std::vector<std::string> kDefault{"tools/call"};
const std::vector<std::string> kRequests{"requests"};
const std::vector<std::string> kMessages{"messages"};
const std::vector<std::string> kList{"tools/call", "resources/read"};

const std::vector<ActivityCase> kActivityCases{
    {"a listed request", kDefault, {request("tools/call", "1")}, true, 1},
    {"another request", kDefault, {request("tools/list", "1")}, false, 1},
    {"ping", kDefault, {request("ping", "1")}, false, 0},
    {"a listed request inside a batch",
     kDefault,
     {request("tools/list", "1"), request("tools/call", "2")},
     true,
     2},
    {"a notification", kDefault, {notification("notifications/initialized")}, false, 1},
    {"a response", kDefault, {response("1")}, false, 0},
    {"a longer list", kList, {request("resources/read", "1")}, true, 1},
    {"no list", {}, {request("tools/call", "1")}, false, 1},
    {"any request under requests", kRequests, {request("tools/list", "1")}, true, 1},
    {"a notification under requests", kRequests, {notification("x/y")}, true, 1},
    {"ping under requests", kRequests, {request("ping", "1")}, false, 0},
    {"a response under requests", kRequests, {response("\"s1\"")}, false, 0},
    {"any request under messages", kMessages, {request("prompts/list", "1")}, true, 1},
    {"ping under messages", kMessages, {request("ping", "1")}, false, 0},
    {"a body nobody understands", kDefault, {}, true, 1},
};

HF_TEST(the_activity_table_decides_which_messages_move_the_clock) {
  for (const ActivityCase &c : kActivityCases) {
    RegistryFixture t(c.activity);
    t.clock.advance(seconds{10});
    t.begin(kFirst);
    t.classify(kFirst, c.messages);
    const bool moved = t.look().idle == Millis{0};
    if (moved != c.moves) HF_FAIL(std::string(c.name) + ": clock");
    t.finish(kFirst);
    std::vector<link::ActivityEntry> entries;
    t.registry.collect_activity(500, entries);
    const int64_t requests = entries.empty() ? 0 : entries[0].requests - 1;  // its initialize
    if (requests != c.requests) HF_FAIL(std::string(c.name) + ": request count");
  }
}

HF_TEST(what_opened_a_session_is_its_first_request_where_it_was_a_message) {
  struct Case {
    Transport transport;
    int64_t requests;
  };
  for (const Case &c :
       {Case{Transport::streamable, 1}, Case{Transport::listen, 1}, Case{Transport::sse, 0}}) {
    FakeClock clock;
    SessionRegistry registry{clock};
    registry.bind({kId, kAlice, "", c.transport, 0, "", "/mcp", "", "", ""}, false, kOpener);
    BackendDirectory backends;
    Backend backend;
    backend.name = "b";
    (void)backends.intern(backend);
    HF_EQ(registry.record(kId, backends).value().requests, c.requests);
    registry.finish(kId, kOpener, SessionRegistry::Finish::answered);
    std::vector<link::ActivityEntry> told;
    registry.collect_activity(500, told);
    HF_EQ(told.size(), 1u);
    HF_EQ(told[0].requests, c.requests);
  }
}

HF_TEST(knowing_a_session_holds_nothing_and_is_for_its_user_only) {
  RegistryFixture t;
  HF_CHECK(t.registry.knows(kId, kAlice));
  HF_CHECK(!t.registry.knows(kId, "bob"));
  HF_CHECK(!t.registry.knows("nobody-knows-this-id", kAlice));
  HF_CHECK(t.droppable());
  HF_CHECK(!t.registry.knows(kId, kAlice));
}

HF_TEST(a_counting_request_moves_the_clock_again_when_it_is_answered) {
  RegistryFixture t;
  t.begin(kFirst);
  t.classify(kFirst, {request("tools/call", "1")});
  t.clock.advance(seconds{30});
  HF_EQ(t.look().idle.count(), 30'000);
  HF_EQ(t.finish(kFirst).count(), 0);
}

HF_TEST(a_response_on_another_stream_moves_the_clock_of_its_request) {
  RegistryFixture t;
  t.begin(kFirst);
  t.classify(kFirst, {request("tools/call", "\"a\"")});
  t.finish(kFirst, Finish::open_ended);
  t.clock.advance(seconds{30});
  t.registry.on_response(kId, "\"a\"");
  HF_EQ(t.look().idle.count(), 0);
  HF_EQ(t.look().in_flight, 0);
}

HF_TEST(the_answer_of_a_request_that_does_not_count_moves_nothing) {
  RegistryFixture t;
  t.begin(kFirst);
  t.classify(kFirst, {request("tools/list", "1")});
  t.clock.advance(seconds{30});
  t.registry.on_response(kId, "1");
  HF_EQ(t.finish(kFirst).count(), 30'000);
}

HF_TEST(a_response_nobody_asked_for_moves_nothing) {
  RegistryFixture t;
  t.clock.advance(seconds{30});
  t.registry.on_response(kId, "1");
  HF_EQ(t.look().idle.count(), 30'000);
}

HF_TEST(where_another_process_is_asked_an_answer_on_a_legacy_stream_is_activity) {
  for (const Transport transport : {Transport::sse, Transport::streamable}) {
    RegistryFixture t({"tools/call"}, transport);
    t.registry.expect_requests_elsewhere();
    t.clock.advance(seconds{30});
    t.registry.on_response(kId, "1");
    HF_EQ(t.look().idle.count(), transport == Transport::sse ? 0 : 30'000);
  }
}

HF_TEST(events_count_under_messages_only) {
  for (const bool counts : {false, true}) {
    RegistryFixture t(counts ? kMessages : kRequests);
    t.clock.advance(seconds{30});
    t.registry.on_event(kId);
    HF_EQ(t.look().idle.count(), counts ? 0 : 30'000);
  }
}

HF_TEST(notifications_count_on_listen_streams_under_any_policy) {
  RegistryFixture t(kDefault, Transport::listen);
  t.clock.advance(seconds{30});
  t.registry.on_event(kId);
  HF_EQ(t.look().idle.count(), 0);
}

HF_TEST(a_wall_clock_jump_changes_nothing) {
  RegistryFixture t;
  t.clock.advance(seconds{10});
  t.clock.jump_wall(std::chrono::hours{48});
  HF_EQ(t.look().idle.count(), 10'000);
}

// ---- what is in flight ----

HF_TEST(an_unclassified_exchange_holds_the_session) {
  RegistryFixture t;
  t.begin(kFirst);
  HF_EQ(t.look().in_flight, 1);
  HF_CHECK(!t.droppable());
  t.classify(kFirst, {notification("notifications/initialized")});
  HF_EQ(t.look().in_flight, 0);
  HF_CHECK(t.droppable());
}

HF_TEST(an_exchange_that_expects_no_messages_holds_nothing) {
  RegistryFixture t;
  t.begin(kFirst, false);
  HF_EQ(t.look().in_flight, 0);
  HF_CHECK(t.droppable());
}

HF_TEST(an_exchange_given_up_before_its_messages_were_known_lets_go) {
  RegistryFixture t;
  t.clock.advance(seconds{5});
  t.begin(kFirst);
  HF_EQ(t.finish(kFirst).count(), 5000);
  HF_CHECK(t.droppable());
}

HF_TEST(a_body_nobody_understands_holds_until_its_exchange_finishes) {
  RegistryFixture t;
  t.begin(kFirst);
  t.classify(kFirst, {});
  HF_EQ(t.look().in_flight, 1);
  t.clock.advance(seconds{9});
  HF_EQ(t.finish(kFirst).count(), 0);
  HF_CHECK(t.droppable());
}

HF_TEST(every_request_of_a_batch_is_in_flight_until_its_own_answer) {
  RegistryFixture t;
  t.begin(kFirst);
  t.classify(kFirst, {request("tools/call", "1"), request("tools/list", "2"),
                      notification("notifications/progress"), request("ping", "3")});
  HF_EQ(t.look().in_flight, 2);
  t.registry.on_response(kId, "2");
  HF_EQ(t.look().in_flight, 1);
  t.registry.on_response(kId, "2");
  HF_EQ(t.look().in_flight, 1);
  t.registry.on_response(kId, "1");
  HF_EQ(t.look().in_flight, 0);
}

HF_TEST(ids_are_told_apart_by_their_raw_token) {
  RegistryFixture t;
  t.begin(kFirst);
  t.classify(kFirst, {request("tools/call", "7")});
  t.registry.on_response(kId, "\"7\"");
  HF_EQ(t.look().in_flight, 1);
}

HF_TEST(ping_never_holds) {
  RegistryFixture t;
  t.begin(kFirst);
  t.classify(kFirst, {request("ping", "1")});
  HF_CHECK(t.droppable());
}

HF_TEST(a_cancelled_request_is_not_in_flight_and_does_not_move_the_clock) {
  RegistryFixture t;
  t.begin(kFirst);
  t.classify(kFirst, {request("tools/call", "1")});
  t.clock.advance(seconds{20});
  t.begin(kSecond);
  t.classify(kSecond, {cancelled("1")});
  HF_EQ(t.look().in_flight, 0);
  HF_EQ(t.finish(kFirst).count(), 20'000);
}

HF_TEST(a_finished_exchange_ends_only_its_own_requests) {
  RegistryFixture t;
  t.begin(kFirst);
  t.classify(kFirst, {request("tools/call", "1")});
  t.begin(kSecond);
  t.classify(kSecond, {request("tools/call", "2")});
  t.finish(kFirst);
  HF_EQ(t.look().in_flight, 1);
  t.finish(kSecond);
  HF_EQ(t.look().in_flight, 0);
}

HF_TEST(an_open_ended_request_holds_for_one_timeout_more) {
  RegistryFixture t;  // timeout 60 s
  t.begin(kFirst);
  t.classify(kFirst, {request("tools/call", "1")});
  t.clock.advance(seconds{100});
  HF_EQ(t.finish(kFirst, Finish::open_ended).count(), 100'000);
  t.clock.advance(Millis{59'999});
  HF_EQ(t.look().in_flight, 1);
  HF_CHECK(!t.droppable());
  t.clock.advance(Millis{1});
  HF_EQ(t.look().in_flight, 0);
  HF_CHECK(t.droppable());
}

HF_TEST(the_timeout_of_an_open_ended_request_is_that_of_its_own_policy) {
  RegistryFixture t;
  t.registry.set_policies({policy("", seconds{60}), policy("team", seconds{5})});
  const std::string id = "team-session";
  t.bind(id, Transport::sse, kAlice, "team");
  HF_CHECK(t.registry.begin(id, kAlice, kFirst, true, t.view));
  const std::vector<mcp::RpcMessage> call{request("tools/call", "1")};
  t.registry.classify(id, kFirst, call);
  t.registry.finish(id, kFirst, Finish::open_ended);
  t.clock.advance(seconds{5});
  HF_CHECK(std::holds_alternative<EndedSession>(t.registry.drop_if_idle(id, seconds{5})));
}

HF_TEST(pending_requests_are_bounded_and_the_oldest_is_forgotten_first) {
  RegistryFixture t;
  t.begin(kFirst);
  std::vector<mcp::RpcMessage> many;
  for (size_t i = 0; i <= SessionRecord::kPendingMax; ++i) {
    many.push_back(request("tools/call", std::to_string(i)));
  }
  t.classify(kFirst, many);
  const auto bound = static_cast<int64_t>(SessionRecord::kPendingMax);
  HF_EQ(t.look().in_flight, bound);
  t.registry.on_response(kId, "0");
  HF_EQ(t.look().in_flight, bound);
  t.registry.on_response(kId, "1");
  HF_EQ(t.look().in_flight, bound - 1);
}

// ---- drop_if_idle ----

HF_TEST(drop_if_idle_drops_at_exactly_the_age_asked_for) {
  RegistryFixture t;
  t.clock.advance(Millis{59'999});
  const auto early = t.registry.drop_if_idle(kId, seconds{60});
  HF_CHECK(std::holds_alternative<StillAlive>(early));
  HF_EQ(std::get<StillAlive>(early).idle.count(), 59'999);
  t.clock.advance(Millis{1});
  const auto due = t.registry.drop_if_idle(kId, seconds{60});
  HF_CHECK(std::holds_alternative<EndedSession>(due));
  HF_EQ(std::get<EndedSession>(due).reason, EndReason::idle_timeout);
  HF_EQ(std::get<EndedSession>(due).idle.count(), 60'000);
  HF_CHECK(std::holds_alternative<UnknownSession>(t.registry.drop_if_idle(kId, seconds{60})));
}

HF_TEST(drop_if_idle_refuses_when_activity_arrived) {
  RegistryFixture t;
  t.clock.advance(seconds{60});
  t.post({request("tools/call", "1")});
  const auto verdict = t.registry.drop_if_idle(kId, seconds{60});
  HF_CHECK(std::holds_alternative<StillAlive>(verdict));
  HF_EQ(std::get<StillAlive>(verdict).idle.count(), 0);
}

HF_TEST(an_open_stream_holds_only_where_the_policy_says_so) {
  for (const bool keeps : {false, true}) {
    RegistryFixture t;
    link::PolicyInfo rules = policy("", seconds{60});
    rules.stream_keeps_alive = keeps;
    t.registry.set_policies({rules});
    t.begin(kFirst, false);
    t.registry.add_stream(kId, kFirst);
    HF_EQ(t.look().in_flight, 0);
    HF_EQ(t.droppable(), !keeps);
  }
}

HF_TEST(a_stream_that_has_ended_holds_nothing) {
  RegistryFixture t;
  link::PolicyInfo rules = policy("", seconds{60});
  rules.stream_keeps_alive = true;
  t.registry.set_policies({rules});
  t.begin(kFirst, false);
  t.registry.add_stream(kId, kFirst);
  t.finish(kFirst);
  HF_CHECK(t.droppable());
}

// ---- policies ----

HF_TEST(new_policies_apply_to_sessions_that_exist) {
  RegistryFixture t;
  t.registry.set_policies({policy("", seconds{60}, {"requests"})});
  t.clock.advance(seconds{10});
  t.post({request("tools/list", "1")});
  HF_EQ(t.look().idle.count(), 0);
}

HF_TEST(a_policy_that_is_gone_is_replaced_by_the_top_level_one) {
  RegistryFixture t;
  const std::string id = "team-session";
  t.registry.set_policies(
      {policy("", seconds{60}, {"tools/call"}), policy("team", seconds{60}, {"requests"})});
  t.bind(id, Transport::streamable, kAlice, "team");
  const auto idle_after_list = [&](int64_t n) {
    t.clock.advance(seconds{10});
    HF_CHECK(t.registry.begin(id, kAlice, kFirst, true, t.view));
    const std::vector<mcp::RpcMessage> list{request("tools/list", std::to_string(n))};
    t.registry.classify(id, kFirst, list);
    return t.registry.finish(id, kFirst, Finish::answered).count();
  };
  HF_EQ(idle_after_list(1), 0);
  t.registry.set_policies({policy("", seconds{60}, {"tools/call"})});
  HF_EQ(idle_after_list(2), 10'000);
  t.registry.set_policies({policy("", seconds{60}), policy("team", seconds{60}, {"requests"})});
  HF_EQ(idle_after_list(3), 0);
}

HF_TEST(before_any_policy_is_known_the_defaults_hold) {
  FakeClock clock;
  SessionRegistry registry(clock);
  registry.bind({kId, kAlice, "team", Transport::streamable, 0, "b", "", "", "", ""}, true,
                kOpener);
  clock.advance(std::chrono::minutes{59});
  HF_EQ(registry.counts(false).active, 1);
  clock.advance(std::chrono::minutes{1});
  HF_EQ(registry.counts(false).active, 0);
}

// ---- what sessiond is told ----

HF_TEST(activity_lists_each_moved_session_once) {
  RegistryFixture t;
  t.post({request("tools/call", "1")});
  t.clock.advance(seconds{2});
  t.post({request("tools/list", "2")});
  std::vector<link::ActivityEntry> entries;
  t.registry.collect_activity(500, entries);
  HF_EQ(entries.size(), size_t{1});
  HF_EQ(entries[0].session, kId);
  HF_EQ(entries[0].idle_ms, 2000);
  HF_EQ(entries[0].in_flight, 0);
  HF_EQ(entries[0].requests, 3);  // with its initialize
  entries.clear();
  t.registry.collect_activity(500, entries);
  HF_CHECK(entries.empty());
}

HF_TEST(activity_tells_when_a_request_takes_off_and_when_it_lands) {
  RegistryFixture t;
  std::vector<link::ActivityEntry> entries;
  t.begin(kFirst);
  t.classify(kFirst, {request("tools/list", "1")});
  t.registry.collect_activity(500, entries);
  HF_EQ(entries.size(), size_t{1});
  HF_EQ(entries[0].in_flight, 1);
  entries.clear();
  t.finish(kFirst);
  t.registry.collect_activity(500, entries);
  HF_EQ(entries.size(), size_t{1});
  HF_EQ(entries[0].in_flight, 0);
}

// sessiond asks about no session it thinks busy: silence here would keep the session for ever.
HF_TEST(activity_tells_when_a_request_lands_by_running_out_of_time) {
  RegistryFixture t;  // timeout 60 s
  std::vector<link::ActivityEntry> entries;
  t.begin(kFirst);
  t.classify(kFirst, {request("tools/call", "1")});
  t.finish(kFirst, Finish::open_ended);
  t.clock.advance(seconds{20});
  t.begin(kSecond);
  t.classify(kSecond, {request("tools/list", "2")});
  t.finish(kSecond, Finish::open_ended);
  t.registry.collect_activity(500, entries);
  HF_EQ(entries.at(0).in_flight, 2);
  for (const int64_t left : {int64_t{1}, int64_t{0}}) {
    t.clock.advance(left == 1 ? seconds{39} : seconds{19});
    entries.clear();
    t.registry.collect_activity(500, entries);
    HF_CHECK(entries.empty());
    t.clock.advance(seconds{1});
    t.registry.collect_activity(500, entries);
    HF_EQ(entries.size(), size_t{1});
    HF_EQ(entries[0].in_flight, left);
  }
  t.clock.advance(std::chrono::hours{1});
  entries.clear();
  t.registry.collect_activity(500, entries);
  HF_CHECK(entries.empty());
}

HF_TEST(a_session_that_ended_with_open_ended_requests_is_forgotten) {
  RegistryFixture t;
  t.begin(kFirst);
  t.classify(kFirst, {request("tools/call", "1")});
  t.finish(kFirst, Finish::open_ended);
  (void)t.registry.end(kId, EndReason::admin);
  t.clock.advance(seconds{61});
  std::vector<link::ActivityEntry> entries;
  t.registry.collect_activity(500, entries);
  HF_CHECK(entries.empty());
}

HF_TEST(a_snapshot_counts_the_streams_sessiond_was_told_of) {
  RegistryFixture t;
  BackendDirectory backends;
  HF_EQ(backends.intern({}).value(), BackendId{0});
  const auto streams = [&] { return t.registry.record(kId, backends).value().streams; };
  t.begin(kFirst, false);
  t.registry.add_stream(kId, kFirst);
  HF_EQ(streams(), 0);
  t.registry.stream_told(kId, true);
  HF_EQ(streams(), 1);
  t.finish(kFirst);
  HF_EQ(streams(), 1);
  t.registry.stream_told(kId, false);
  HF_EQ(streams(), 0);
}

HF_TEST(activity_comes_in_pieces_of_the_size_asked_for_and_misses_nobody) {
  RegistryFixture t;
  std::set<std::string> expected;
  const std::vector<mcp::RpcMessage> call{request("tools/call", "1")};
  for (int i = 0; i < 1000; ++i) {
    const std::string id = "session-" + std::to_string(i);
    t.bind(id);
    t.registry.begin(id, kAlice, kFirst, true, t.view);
    t.registry.classify(id, kFirst, call);
    if (i % 3 == 0) {
      (void)t.registry.end(id, EndReason::admin);
    } else {
      expected.insert(id);
    }
  }
  std::set<std::string> seen;
  for (std::vector<link::ActivityEntry> piece;; piece.clear()) {
    t.registry.collect_activity(70, piece);
    if (piece.empty()) break;
    HF_CHECK(piece.size() <= 70);
    for (const auto &entry : piece) HF_CHECK(seen.insert(entry.session).second);
  }
  HF_CHECK(seen == expected);
}

HF_TEST(a_snapshot_walks_all_sessions_with_everything_known_of_them) {
  RegistryFixture t;
  BackendDirectory backends;
  Backend backend;
  backend.name = "everything/127.0.0.1:3001";
  HF_EQ(backends.intern(backend).value(), BackendId{0});
  for (int i = 0; i < 300; ++i) t.bind("session-" + std::to_string(i));
  t.clock.advance(seconds{4});
  t.begin(kFirst);
  t.classify(kFirst, {request("tools/call", "1")});
  t.registry.add_stream(kId, kFirst);
  t.registry.stream_told(kId, true);
  HF_CHECK(t.registry.set_persistent(kId, true));
  t.clock.advance(seconds{3});

  const std::vector<link::Record> records = all_records(t.registry, backends);
  HF_EQ(records.size(), size_t{301});
  const auto at = std::find_if(records.begin(), records.end(),
                               [](const link::Record &r) { return r.session == kId; });
  HF_CHECK(at != records.end());
  HF_EQ(at->user, kAlice);
  HF_EQ(at->policy, "");
  HF_EQ(at->transport, Transport::streamable);
  HF_EQ(at->backend, backend.name);
  HF_EQ(at->backend_session, "backend-id");
  HF_EQ(at->age_ms, 7000);
  HF_EQ(at->idle_ms, 3000);
  HF_EQ(at->in_flight, 1);
  HF_EQ(at->requests, 2);
  HF_EQ(at->streams, 1);
  HF_CHECK(at->persistent);
  HF_EQ(at->target, "/mcp");
  HF_EQ(at->peer, "127.0.0.1");
  HF_EQ(at->client_name, "ide");
  HF_EQ(at->client_version, "1.0");
}

HF_TEST(an_ended_session_has_no_record) {
  RegistryFixture t;
  BackendDirectory backends;
  HF_EQ(backends.intern({}).value(), BackendId{0});
  HF_CHECK(t.registry.record(kId, backends).has_value());
  (void)t.registry.end(kId, EndReason::admin);
  HF_CHECK(!t.registry.record(kId, backends).has_value());
}

HF_TEST(a_restored_session_goes_on_where_its_record_says) {
  FakeClock clock;
  SessionRegistry registry(clock);
  link::Record record;
  record.session = kId;
  record.user = kAlice;
  record.backend_session = "backend-id";
  record.age_ms = 90'000;
  record.idle_ms = 20'000;
  record.requests = 12;
  record.persistent = true;
  HF_CHECK(registry.restore(record, kNoBackend));
  HF_CHECK(!registry.restore(record, kNoBackend));
  SessionView view;
  HF_CHECK(registry.begin(kId, kAlice, kFirst, false, view));
  HF_EQ(view.backend_session, "backend-id");
  HF_EQ(registry.finish(kId, kFirst, Finish::answered).count(), 20'000);
  const BackendDirectory backends;
  const std::vector<link::Record> records = all_records(registry, backends);
  HF_EQ(records.size(), size_t{1});
  HF_EQ(records[0].age_ms, 90'000);
  HF_EQ(records[0].requests, 12);
  HF_CHECK(records[0].persistent);
}

HF_TEST(ages_beyond_reason_do_not_overflow) {
  FakeClock clock;
  SessionRegistry registry(clock);
  link::Record record;
  record.session = kId;
  record.age_ms = INT64_MAX;
  record.idle_ms = INT64_MIN;
  HF_CHECK(registry.restore(record, kNoBackend));
  HF_CHECK(std::holds_alternative<StillAlive>(registry.drop_if_idle(kId, Millis{1})));
}

// ---- ends of many, counts ----

HF_TEST(end_all_of_a_transport_leaves_the_others) {
  RegistryFixture t;
  t.bind("legacy-1", Transport::sse);
  t.bind("legacy-2", Transport::sse);
  const auto ended = t.registry.end_all(EndReason::shutdown, Transport::sse);
  HF_EQ(ended.size(), size_t{2});
  HF_EQ(ended[0].reason, EndReason::shutdown);
  HF_EQ(t.registry.size(), size_t{1});
  HF_EQ(t.registry.end_all(EndReason::shutdown, std::nullopt).size(), size_t{1});
  HF_EQ(t.registry.size(), size_t{0});
}

HF_TEST(counts_are_total_active_and_by_user) {
  RegistryFixture t;
  t.clock.advance(seconds{61});
  t.bind("second", Transport::streamable, "-");
  t.bind("third", Transport::streamable, "bob");
  t.bind("fourth", Transport::streamable, "bob");
  RegistryCounts counts = t.registry.counts(true);
  HF_EQ(counts.total, 4);
  HF_EQ(counts.active, 3);
  const std::vector<std::pair<std::string, int64_t>> expected{{"-", 1}, {"alice", 1}, {"bob", 2}};
  HF_CHECK(counts.by_user == expected);
  t.begin(kFirst);
  HF_EQ(t.registry.counts(false).active, 4);
  HF_CHECK(t.registry.counts(false).by_user.empty());
}

HF_TEST(set_persistent_says_whether_the_session_is_known) {
  RegistryFixture t;
  HF_CHECK(t.registry.set_persistent(kId, true));
  HF_CHECK(!t.registry.set_persistent("unknown", true));
}

int main() {
  const CMUnitTest tests[] = {
      HF_UNIT(begin_answers_what_a_request_needs_to_find_its_backend),
      HF_UNIT(begin_refuses_unknown_ids_and_other_users_alike),
      HF_UNIT(end_by_another_user_ends_nothing),
      HF_UNIT(end_without_user_is_an_order_from_inside),
      HF_UNIT(a_backend_session_of_another_users_live_session_is_not_bound),
      HF_UNIT(every_way_a_session_ends_frees_its_backend_session),
      HF_UNIT(a_restored_session_holds_its_backend_session_too),
      HF_UNIT(end_hands_over_identity_reason_idleness_and_running_exchanges),
      HF_UNIT(exchanges_of_an_ended_session_are_ignored_afterwards),
      HF_UNIT(the_activity_table_decides_which_messages_move_the_clock),
      HF_UNIT(what_opened_a_session_is_its_first_request_where_it_was_a_message),
      HF_UNIT(knowing_a_session_holds_nothing_and_is_for_its_user_only),
      HF_UNIT(a_counting_request_moves_the_clock_again_when_it_is_answered),
      HF_UNIT(a_response_on_another_stream_moves_the_clock_of_its_request),
      HF_UNIT(the_answer_of_a_request_that_does_not_count_moves_nothing),
      HF_UNIT(a_response_nobody_asked_for_moves_nothing),
      HF_UNIT(where_another_process_is_asked_an_answer_on_a_legacy_stream_is_activity),
      HF_UNIT(events_count_under_messages_only),
      HF_UNIT(notifications_count_on_listen_streams_under_any_policy),
      HF_UNIT(a_wall_clock_jump_changes_nothing),
      HF_UNIT(an_unclassified_exchange_holds_the_session),
      HF_UNIT(an_exchange_that_expects_no_messages_holds_nothing),
      HF_UNIT(an_exchange_given_up_before_its_messages_were_known_lets_go),
      HF_UNIT(a_body_nobody_understands_holds_until_its_exchange_finishes),
      HF_UNIT(every_request_of_a_batch_is_in_flight_until_its_own_answer),
      HF_UNIT(ids_are_told_apart_by_their_raw_token),
      HF_UNIT(ping_never_holds),
      HF_UNIT(a_cancelled_request_is_not_in_flight_and_does_not_move_the_clock),
      HF_UNIT(a_finished_exchange_ends_only_its_own_requests),
      HF_UNIT(an_open_ended_request_holds_for_one_timeout_more),
      HF_UNIT(the_timeout_of_an_open_ended_request_is_that_of_its_own_policy),
      HF_UNIT(pending_requests_are_bounded_and_the_oldest_is_forgotten_first),
      HF_UNIT(drop_if_idle_drops_at_exactly_the_age_asked_for),
      HF_UNIT(drop_if_idle_refuses_when_activity_arrived),
      HF_UNIT(an_open_stream_holds_only_where_the_policy_says_so),
      HF_UNIT(a_stream_that_has_ended_holds_nothing),
      HF_UNIT(new_policies_apply_to_sessions_that_exist),
      HF_UNIT(a_policy_that_is_gone_is_replaced_by_the_top_level_one),
      HF_UNIT(before_any_policy_is_known_the_defaults_hold),
      HF_UNIT(activity_lists_each_moved_session_once),
      HF_UNIT(activity_tells_when_a_request_takes_off_and_when_it_lands),
      HF_UNIT(activity_tells_when_a_request_lands_by_running_out_of_time),
      HF_UNIT(a_session_that_ended_with_open_ended_requests_is_forgotten),
      HF_UNIT(activity_comes_in_pieces_of_the_size_asked_for_and_misses_nobody),
      HF_UNIT(a_snapshot_walks_all_sessions_with_everything_known_of_them),
      HF_UNIT(a_snapshot_counts_the_streams_sessiond_was_told_of),
      HF_UNIT(an_ended_session_has_no_record),
      HF_UNIT(a_restored_session_goes_on_where_its_record_says),
      HF_UNIT(ages_beyond_reason_do_not_overflow),
      HF_UNIT(end_all_of_a_transport_leaves_the_others),
      HF_UNIT(counts_are_total_active_and_by_user),
      HF_UNIT(set_persistent_says_whether_the_session_is_known),
  };
  return HF_RUN(tests);
}
