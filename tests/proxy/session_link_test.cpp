// The link from the proxy's side, against a sessiond the test plays: hello, snapshot, obedience,
// reconnecting, and what happens when sessiond is slow, silent or talks nonsense.
#include "proxy/session_link.h"

#include <algorithm>
#include <set>

#include "tests/proxy/fake_sessiond.h"
#include "tests/proxy/registry_fixture.h"
#include "tests/support/event_loop.h"
#include "tests/support/hf_test.h"
#include "tests/support/temp_dir.h"

using namespace holdfast;
using namespace holdfast::proxy;
using namespace holdfast::proxy::test;
using std::chrono::seconds;

namespace {

constexpr const char *kBackend = "everything/127.0.0.1:3001";

struct Owner : SessionLink::Handler {
  void on_welcome(const link::Welcome &w) override { welcomes.push_back(w); }
  void on_policies(const std::vector<link::PolicyInfo> &p) override { policies = p; }
  void on_ready() override { ++ready; }
  void on_restored() override { ++restored; }
  void on_link_down() override { ++downs; }
  void on_admitted(const link::Admitted &a) override { admitted.push_back(a); }
  void on_refused(const link::Refused &r) override { refused.push_back(r); }
  void on_dropped(const EndedSession &e) override { dropped.push_back(e); }
  void on_ready_to_look(const std::vector<ExchangeRef> &waiting) override {
    woken.insert(woken.end(), waiting.begin(), waiting.end());
  }
  void on_siblings(int64_t count) override { siblings = count; }
  void on_server_set(const link::SetServer &order) override { server_orders.push_back(order); }
  void on_drain(bool on) override { drains.push_back(on); }
  void on_exit_wanted() override { ++exits_wanted; }
  void on_reload(int64_t token) override { reloads.push_back(token); }
  link::Stats stats() override { return stats_now; }
  void on_stopped() override { stopped = true; }

  std::vector<link::Welcome> welcomes;
  std::vector<link::PolicyInfo> policies;
  std::vector<link::Admitted> admitted;
  std::vector<link::Refused> refused;
  std::vector<EndedSession> dropped;
  std::vector<ExchangeRef> woken;
  int64_t siblings = 0;
  std::vector<link::SetServer> server_orders;
  std::vector<bool> drains;
  int exits_wanted = 0;
  std::vector<int64_t> reloads;
  link::Stats stats_now;
  int ready = 0;
  int restored = 0;
  int downs = 0;
  bool stopped = false;
};

LinkOptions quick(const std::string &socket_path) {
  LinkOptions options;
  options.socket_path = socket_path;
  options.node = "node";
  options.instance = "5f0c000000000001";
  options.version = "0.1.0";
  options.policy_names = {"team"};
  options.timing.retry_min = Millis{1};
  options.timing.retry_max = Millis{8};
  options.timing.activity_interval = Millis{5};
  return options;
}

std::string session_id(size_t n) {
  std::string id = std::to_string(n);
  return std::string(kSessionIdChars - id.size(), 'a') + id;
}

struct Rig {
  holdfast::test::TempDir dir;
  holdfast::test::EventLoop loop;
  SystemClock clock;
  SessionRegistry registry{clock};
  BackendDirectory backends;
  Owner owner;
  FakeSessiond sessiond{loop.base(), dir.file("link.sock")};
  std::unique_ptr<SessionLink> link;

  explicit Rig(const std::function<void(LinkOptions &)> &adjust = {}) {
    Backend backend;
    backend.name = kBackend;
    (void)backends.intern(backend);
    LinkOptions options = quick(dir.file("link.sock"));
    if (adjust) adjust(options);
    link = std::make_unique<SessionLink>(loop.base(), options, clock, registry, backends, owner);
  }
  bool wait(const std::function<bool()> &done) { return loop.run_until(done); }
  template <class M>
  bool wait_for(size_t count = 1) {
    return wait([this, count] { return sessiond.count<M>() >= count; });
  }
  void bind(const std::string &id) {
    registry.bind(
        {id, kAlice, "", Transport::streamable, 0, "backend-id", "/mcp", "127.0.0.1", "ide", "1"},
        false, kOpener);
    registry.finish(id, kOpener, SessionRegistry::Finish::answered);
    holdfast::proxy::test::forget_activity(registry);
  }
  void request_in(const std::string &id) {
    SessionView view;
    registry.begin(id, kAlice, kFirst, true, view);
    const std::vector<mcp::RpcMessage> call{request("tools/call", "1")};
    registry.classify(id, kFirst, call);
  }
  // Connects and welcomes, with the first snapshot written.
  void link_up() {
    sessiond.appear();
    link->start();
    HF_CHECK(wait_for<link::Hello>());
    sessiond.welcome({policy("", seconds{60})});
    HF_CHECK(wait_for<link::SnapshotEnd>());
  }
  // sessiond goes and comes back; returns with the second hello heard.
  void reconnect() {
    sessiond.vanish();
    HF_CHECK(wait([this] { return owner.downs == 1; }));
    sessiond.forget();
    sessiond.appear();
    HF_CHECK(wait_for<link::Hello>());
  }
};

}  // namespace

// ---- coming up ----

HF_TEST(hello_is_the_first_word_and_names_who_we_are) {
  Rig t;
  t.link_up();
  const auto *hello = std::get_if<link::Hello>(&t.sessiond.heard().at(0));
  HF_CHECK(hello != nullptr);
  HF_EQ(hello->v, link::kVersion);
  HF_EQ(hello->node, "node");
  HF_EQ(hello->instance, "5f0c000000000001");
  HF_EQ(hello->pid, int64_t{getpid()});
  HF_CHECK(hello->policies == std::vector<std::string>{"team"});
  HF_EQ(t.owner.welcomes.size(), size_t{1});
  HF_EQ(t.owner.restored, 1);
  HF_EQ(t.owner.ready, 1);
}

HF_TEST(the_link_waits_for_a_sessiond_that_starts_later) {
  Rig t;
  t.link->start();
  t.loop.turn();
  HF_CHECK(!t.link->send(link::Opened{kId, 1, StreamKind::get}));
  t.sessiond.appear();
  HF_CHECK(t.wait_for<link::Hello>());
  // However long it was away: two seconds after its return its table is right.
  HF_CHECK(LinkTiming{}.retry_max <= seconds{1});
}

HF_TEST(the_snapshot_names_every_session_between_its_two_ends) {
  Rig t;
  for (size_t i = 0; i < 400; ++i) t.bind(session_id(i));
  t.link_up();
  const auto snapshots = t.sessiond.all<link::Snapshot>();
  HF_EQ(snapshots.size(), size_t{400});
  std::set<std::string> ids;
  for (const auto &s : snapshots) ids.insert(s.record.session);
  HF_EQ(ids.size(), size_t{400});
  HF_EQ(snapshots[0].record.backend, kBackend);
  HF_EQ(snapshots[0].record.user, kAlice);
  HF_CHECK(std::holds_alternative<link::SnapshotBegin>(t.sessiond.heard().at(1)));
  bool ended = false;
  for (const link::ToSessiond &message : t.sessiond.heard()) {
    HF_CHECK(!ended || !std::holds_alternative<link::Snapshot>(message));
    ended = ended || std::holds_alternative<link::SnapshotEnd>(message);
  }
}

HF_TEST(restored_sessions_live_on_and_are_part_of_the_snapshot) {
  Rig t;
  t.sessiond.appear();
  t.link->start();
  HF_CHECK(t.wait_for<link::Hello>());
  link::Record record;
  record.session = kId;
  record.user = kAlice;
  record.backend = kBackend;
  record.backend_session = "backend-id";
  record.idle_ms = 9000;
  t.sessiond.welcome({policy("", seconds{60})}, {record});
  HF_CHECK(t.wait_for<link::SnapshotEnd>());
  SessionView view;
  HF_CHECK(t.registry.begin(kId, kAlice, kFirst, false, view));
  HF_EQ(view.backend_session, "backend-id");
  HF_EQ(t.sessiond.all<link::Snapshot>().size(), size_t{1});
  HF_CHECK(t.sessiond.all<link::Snapshot>()[0].record.idle_ms >= 9000);
}

HF_TEST(a_restored_session_whose_backend_is_gone_has_ended) {
  Rig t;
  t.sessiond.appear();
  t.link->start();
  HF_CHECK(t.wait_for<link::Hello>());
  link::Record record;
  record.session = kId;
  record.backend = "everything/elsewhere:1";
  t.sessiond.welcome({policy("", seconds{60})}, {record});
  HF_CHECK(t.wait_for<link::Ended>());
  HF_EQ(t.sessiond.all<link::Ended>()[0].session, kId);
  HF_EQ(t.sessiond.all<link::Ended>()[0].reason, EndReason::backend_lost);
  HF_EQ(t.registry.size(), size_t{0});
}

HF_TEST(a_sessiond_of_another_version_is_told_and_left) {
  Rig t;
  t.sessiond.appear();
  t.link->start();
  HF_CHECK(t.wait_for<link::Hello>());
  link::Welcome welcome;
  welcome.v = link::kVersion + 1;
  t.sessiond.say(welcome);
  HF_CHECK(t.wait([&] { return t.sessiond.connections() >= 2; }));
  HF_CHECK(t.owner.welcomes.empty());
}

// ---- obeying ----

HF_TEST(an_idle_session_is_dropped_and_reported_once) {
  Rig t;
  t.bind(kId);
  t.link_up();
  t.sessiond.say(link::DropIfIdle{kId, 0});
  HF_CHECK(t.wait_for<link::Ended>());
  HF_EQ(t.sessiond.all<link::Ended>()[0].session, kId);
  HF_EQ(t.sessiond.all<link::Ended>()[0].reason, EndReason::idle_timeout);
  HF_EQ(t.owner.dropped.size(), size_t{1});
  HF_EQ(t.owner.dropped[0].identity.id, kId);
  HF_EQ(t.registry.size(), size_t{0});
}

HF_TEST(a_busy_session_answers_that_it_is_alive) {
  Rig t;
  t.bind(kId);
  t.link_up();
  t.request_in(kId);
  t.sessiond.say(link::DropIfIdle{kId, 0});
  HF_CHECK(t.wait_for<link::Alive>());
  HF_EQ(t.sessiond.all<link::Alive>()[0].session, kId);
  HF_EQ(t.sessiond.all<link::Alive>()[0].in_flight, 1);
  HF_CHECK(!t.sessiond.has<link::Ended>());
  HF_CHECK(t.owner.dropped.empty());
}

HF_TEST(an_order_to_drop_is_obeyed_whatever_the_session_does) {
  Rig t;
  t.bind(kId);
  t.link_up();
  t.request_in(kId);
  t.sessiond.say(link::Drop{kId, EndReason::admin});
  HF_CHECK(t.wait_for<link::Ended>());
  HF_EQ(t.sessiond.all<link::Ended>()[0].reason, EndReason::admin);
  HF_EQ(t.owner.dropped.at(0).exchanges.size(), size_t{1});
}

HF_TEST(orders_about_unknown_sessions_are_answered) {
  Rig t;
  t.link_up();
  t.sessiond.say(link::Drop{kId, EndReason::admin});
  t.sessiond.say(link::DropIfIdle{kId, 0});
  HF_CHECK(t.wait_for<link::Ended>(2));
  for (const auto &ended : t.sessiond.all<link::Ended>()) {
    HF_EQ(ended.reason, EndReason::unknown);
  }
  HF_CHECK(t.owner.dropped.empty());
}

// ---- several holders ----

HF_TEST(a_probe_is_answered_idle_and_who_waits_is_woken_by_release) {
  Rig t;
  t.bind(kId);
  t.link_up();
  t.sessiond.say(link::Probe{kId, 7, 0, EndReason::idle_timeout});
  HF_CHECK(t.wait_for<link::Idle>());
  HF_EQ(t.sessiond.all<link::Idle>()[0].round, 7);
  SessionView view;
  HF_CHECK(!t.registry.begin(kId, kAlice, kFirst, true, view));
  HF_CHECK(view.held);
  t.sessiond.say(link::Release{kId});
  HF_CHECK(t.wait([&] { return t.owner.woken.size() == 1; }));
  HF_CHECK(t.owner.woken[0] == kFirst);
  t.request_in(kId);
  t.sessiond.say(link::Probe{kId, 8, 0, EndReason::idle_timeout});
  HF_CHECK(t.wait_for<link::Alive>());
  HF_EQ(t.sessiond.all<link::Idle>().size(), size_t{1});
}

HF_TEST(a_session_that_others_hold_is_forgotten_without_a_word_to_the_backend) {
  Rig t;
  t.bind(kId);
  t.link_up();
  t.sessiond.say(link::DropIfIdle{kId, 0, EndReason::idle_timeout, true});
  HF_CHECK(t.wait_for<link::Ended>());
  HF_CHECK(t.owner.dropped.at(0).keep_backend);
}

HF_TEST(what_has_ended_here_is_not_taken_back_before_sessiond_has_heard_of_it) {
  Rig t;
  t.link_up();
  t.link->report_ended({kId, EndReason::client_delete, 0});
  link::Record record;
  record.session = kId;
  record.user = kAlice;
  record.backend = kBackend;
  t.sessiond.say(link::Restored{record});
  t.sessiond.say(link::Acknowledged{kId});
  record.session = session_id(1);
  t.sessiond.say(link::Restored{record});
  HF_CHECK(t.wait([&] { return t.registry.size() == 1; }));
  HF_CHECK(!t.registry.knows(kId, kAlice));
}

HF_TEST(who_awaits_a_session_is_woken_when_it_is_handed_over) {
  Rig t;
  t.link_up();
  t.sessiond.say(link::Siblings{1});
  HF_CHECK(t.wait([&] { return t.owner.siblings == 1; }));
  t.registry.await(kId, kFirst);
  link::Record record;
  record.session = kId;
  record.user = kAlice;
  record.backend = kBackend;
  t.sessiond.say(link::Restored{record});
  HF_CHECK(t.wait([&] { return t.owner.woken.size() == 1; }));
}

HF_TEST(set_and_policies_reach_the_registry) {
  Rig t;
  t.bind(kId);
  t.link_up();
  t.sessiond.say(link::Set{kId, true});
  t.sessiond.say(
      link::Policies{{policy("", seconds{60}, {"requests"}), policy("x", seconds{1})}, {}});
  HF_CHECK(t.wait([&] { return t.owner.policies.size() == 2; }));
  HF_CHECK(t.registry.record(kId, t.backends).value().persistent);
}

HF_TEST(admissions_reload_and_ping_pass_through) {
  Rig t;
  t.link_up();
  t.sessiond.say(link::Admitted{"a", true});
  t.sessiond.say(link::Refused{"b", RefuseReason::draining, 7});
  t.sessiond.say(link::Reload{99});
  t.sessiond.say(link::Ping{5});
  HF_CHECK(t.wait_for<link::Pong>());
  HF_EQ(t.sessiond.all<link::Pong>()[0].n, 5);
  HF_EQ(t.owner.admitted.at(0).session, "a");
  HF_EQ(t.owner.refused.at(0).retry_after_s, 7);
  HF_EQ(t.owner.reloads.at(0), 99);
}

HF_TEST(draining_ends_with_the_sessiond_that_ordered_it) {
  Rig t;
  t.link_up();
  t.sessiond.say(link::Drain{true});
  HF_CHECK(t.wait([&] { return t.owner.drains.size() == 1; }));
  t.reconnect();
  HF_EQ(t.owner.drains.size(), size_t{1});
  t.sessiond.welcome({policy("", seconds{60})});
  HF_CHECK(t.wait_for<link::SnapshotEnd>());
  HF_CHECK(t.owner.drains == (std::vector<bool>{true, false}));
  HF_EQ(t.owner.exits_wanted, 0);
  HF_CHECK(!t.sessiond.has<link::Obeyed>());  // nobody waited
  t.sessiond.say(link::Drain{true, true, 7});
  HF_CHECK(t.wait_for<link::Obeyed>());
  HF_EQ(t.sessiond.all<link::Obeyed>()[0].token, 7);
  HF_EQ(t.owner.exits_wanted, 1);
}

// ---- reporting ----

HF_TEST(activity_is_reported_when_something_moved_and_only_then) {
  Rig t;
  t.bind(kId);
  t.link_up();
  t.request_in(kId);
  HF_CHECK(t.wait_for<link::Activity>());
  const auto first = t.sessiond.all<link::Activity>()[0];
  HF_EQ(first.sessions.size(), size_t{1});
  HF_EQ(first.sessions[0].session, kId);
  HF_EQ(first.sessions[0].in_flight, 1);
  HF_EQ(first.sessions[0].requests, 2);  // with its initialize
  t.registry.finish(kId, kFirst, SessionRegistry::Finish::answered);
  HF_CHECK(t.wait_for<link::Activity>(2));
  HF_EQ(t.sessiond.all<link::Activity>()[1].sessions.at(0).in_flight, 0);
  t.sessiond.say(link::Ping{1});
  HF_CHECK(t.wait_for<link::Pong>());
  HF_EQ(t.sessiond.all<link::Activity>().size(), size_t{2});
}

HF_TEST(much_activity_is_reported_in_lines_of_bounded_length) {
  Rig t;
  for (size_t i = 0; i < 1200; ++i) t.bind(session_id(i));
  t.link_up();
  for (size_t i = 0; i < 1200; ++i) t.request_in(session_id(i));
  const auto reported = [&] {
    size_t sessions = 0;
    for (const auto &activity : t.sessiond.all<link::Activity>()) {
      sessions += activity.sessions.size();
    }
    return sessions;
  };
  HF_CHECK(t.wait([&] { return reported() == 1200; }));
  for (const auto &activity : t.sessiond.all<link::Activity>()) {
    HF_CHECK(activity.sessions.size() <= kActivityPerLineMax);
  }
}

HF_TEST(stats_come_at_their_interval_and_always_fit_a_line) {
  Rig t([](LinkOptions &o) { o.timing.stats_interval = Millis{10}; });
  t.owner.stats_now.counters = {{"requests", 12}};
  link::BackendInfo info;
  info.upstream = std::string(kLinkTextBytesMax, 'u');
  info.server = std::string(kLinkTextBytesMax, 's');
  t.owner.stats_now.backends.assign(4096, info);
  t.link_up();
  HF_CHECK(t.wait_for<link::Stats>(2));
  const auto stats = t.sessiond.all<link::Stats>()[0];
  HF_EQ(stats.counters.at(0).second, 12);
  HF_CHECK(!stats.backends.empty() && stats.backends.size() < 4096);
}

HF_TEST(stats_wanted_at_once_go_now_or_with_the_next_tick_and_never_more_often) {
  Rig t([](LinkOptions &o) { o.timing.stats_interval = std::chrono::hours{1}; });
  t.link->want_stats();  // without a link nothing happens
  t.link_up();
  HF_CHECK(t.wait_for<link::Stats>());
  for (int i = 0; i < 100; ++i) t.link->want_stats();
  HF_CHECK(t.wait_for<link::Stats>(2));
  HF_CHECK(t.sessiond.all<link::Stats>().size() < 100);
}

HF_TEST(a_wanted_snapshot_follows_within_an_interval) {
  Rig t;
  t.bind(kId);
  t.link_up();
  t.link->want_snapshot();
  HF_CHECK(t.wait_for<link::SnapshotEnd>(2));
  HF_EQ(t.sessiond.all<link::Snapshot>().size(), size_t{2});
}

HF_TEST(changed_policy_names_are_said_in_a_new_hello_and_unchanged_ones_are_not) {
  Rig t;
  t.link_up();
  t.link->set_policy_names({"team"});
  t.link->set_policy_names({"team", "guests"});
  HF_CHECK(t.wait_for<link::Hello>(2));
  HF_CHECK(t.sessiond.all<link::Hello>()[1].policies ==
           (std::vector<std::string>{"team", "guests"}));
  HF_EQ(t.sessiond.connections(), 1);
}

// ---- ends are not lost ----

HF_TEST(ends_are_repeated_after_a_reconnect_until_acknowledged) {
  Rig t;
  t.link_up();
  t.link->report_ended({"first", EndReason::client_delete, 1});
  t.link->report_ended({"second", EndReason::backend_ended, 2});
  HF_CHECK(t.wait_for<link::Ended>(2));
  t.sessiond.say(link::Acknowledged{"first"});
  t.sessiond.say(link::Ping{1});
  HF_CHECK(t.wait_for<link::Pong>());
  t.sessiond.vanish();
  HF_CHECK(t.wait([&] { return t.owner.downs == 1; }));
  t.link->report_ended({"third", EndReason::admin, 3});
  t.sessiond.forget();
  t.sessiond.appear();
  HF_CHECK(t.wait_for<link::Hello>());
  HF_EQ(t.sessiond.all<link::Hello>()[0].instance, "5f0c000000000001");
  t.sessiond.welcome({policy("", seconds{60})});
  HF_CHECK(t.wait_for<link::SnapshotEnd>());
  const auto ends = t.sessiond.all<link::Ended>();
  HF_EQ(ends.size(), size_t{2});
  HF_EQ(ends[0].session, "second");
  HF_EQ(ends[0].reason, EndReason::backend_ended);
  HF_EQ(ends[1].session, "third");
}

HF_TEST(of_too_many_unacknowledged_ends_the_oldest_are_forgotten) {
  EndedRing ring;
  for (size_t i = 0; i < kUnackedEndsMax + 3; ++i) {
    ring.add({session_id(i), EndReason::admin, 0});
  }
  HF_EQ(ring.waiting().size(), kUnackedEndsMax);
  HF_EQ(ring.waiting().front().session, session_id(3));
  ring.acknowledge(session_id(0));
  HF_EQ(ring.waiting().size(), kUnackedEndsMax);
  ring.acknowledge(session_id(7));
  HF_EQ(ring.waiting().size(), kUnackedEndsMax - 1);
}

// sessiond may ask again and again about what it has not heard of.
HF_TEST(that_an_ended_session_is_unknown_is_no_further_end) {
  EndedRing ring;
  ring.add({session_id(1), EndReason::backend_ended, 0});
  for (int i = 0; i < 3; ++i) {
    ring.add({session_id(1), EndReason::unknown, 0});
    ring.add({session_id(2), EndReason::unknown, 0});
  }
  HF_EQ(ring.waiting().size(), size_t{2});
  HF_EQ(ring.waiting().front().reason, EndReason::backend_ended);
  ring.acknowledge(session_id(2));
  ring.add({session_id(2), EndReason::unknown, 0});
  HF_EQ(ring.waiting().size(), size_t{2});
}

// ---- trouble ----

HF_TEST(a_silent_sessiond_is_left_and_dialled_again) {
  Rig t([](LinkOptions &o) { o.timing.silence_max = Millis{30}; });
  t.link_up();
  HF_CHECK(t.wait([&] { return t.sessiond.connections() == 2; }));
  HF_EQ(t.owner.downs, 1);
}

HF_TEST(nonsense_ends_the_connection_and_nothing_else) {
  Rig t;
  t.bind(kId);
  t.link_up();
  t.sessiond.say_raw("{\"t\":\"drop\"}");
  HF_CHECK(t.wait([&] { return t.sessiond.connections() == 2; }));
  HF_EQ(t.registry.size(), size_t{1});
}

HF_TEST(an_unknown_message_is_answered_and_ignored) {
  Rig t;
  t.link_up();
  t.sessiond.say_raw("{\"t\":\"sing\",\"song\":1}");
  HF_CHECK(t.wait_for<link::Unsupported>());
  HF_EQ(t.sessiond.all<link::Unsupported>()[0].type, "sing");
  HF_EQ(t.sessiond.connections(), 1);
}

HF_TEST(bye_ends_the_connection_and_it_comes_back) {
  Rig t;
  t.link_up();
  t.sessiond.say(link::Bye{"replaced"});
  HF_CHECK(t.wait([&] { return t.sessiond.connections() == 2; }));
}

HF_TEST(a_large_snapshot_waits_for_a_slow_reader_without_muting) {
  Rig t;
  constexpr size_t kMany = 20'000;
  for (size_t i = 0; i < kMany; ++i) t.bind(session_id(i));
  t.sessiond.appear();
  t.link->start();
  HF_CHECK(t.wait_for<link::Hello>());
  t.sessiond.welcome({policy("", seconds{60})});
  t.sessiond.read(false);
  HF_CHECK(t.wait([&] { return t.owner.restored == 1; }));
  // Sessions end while the snapshot is stuck half-way; each is told behind what was said of it.
  for (size_t i = 0; i < kMany; i += 8) {
    const auto ended = t.registry.end(session_id(i), EndReason::client_delete);
    t.link->report_ended({ended->identity.id, ended->reason, 0});
  }
  t.sessiond.read(true);
  HF_CHECK(t.wait_for<link::SnapshotEnd>());
  HF_EQ(t.sessiond.all<link::SnapshotBegin>().size(), size_t{1});
  std::set<std::string> known;
  bool resurrected = false;
  std::set<std::string> ended;
  for (const link::ToSessiond &message : t.sessiond.heard()) {
    if (const auto *s = std::get_if<link::Snapshot>(&message)) {
      resurrected = resurrected || ended.count(s->record.session) > 0;
      known.insert(s->record.session);
    } else if (const auto *e = std::get_if<link::Ended>(&message)) {
      ended.insert(e->session);
      known.erase(e->session);
    }
  }
  HF_CHECK(!resurrected);
  HF_EQ(known.size(), kMany - kMany / 8);
}

HF_TEST(a_full_queue_is_replaced_by_a_fresh_snapshot_and_answers_are_kept) {
  Rig t;
  t.bind(kId);
  t.link_up();
  t.request_in(kId);
  t.sessiond.read(false);
  size_t sent = 0;
  while (t.link->send(link::Closed{kId, 1, StreamReason::complete, 0, 0})) {
    if (++sent % 1000 == 0) t.loop.turn();
    HF_CHECK(sent < 1'000'000);
  }
  // What the queue holds, and what the kernel took before.
  const size_t line_bytes = link::encode(link::Closed{kId, 1, StreamReason::complete, 0, 0}).size();
  HF_CHECK(sent * line_bytes > kLinkQueueBytesMax / 2);
  HF_CHECK(sent * line_bytes < kLinkQueueBytesMax + (size_t{1} << 20));
  HF_CHECK(!t.link->send(link::Opened{kId, 2, StreamKind::get}));
  HF_CHECK(!t.link->send(link::Admit{}));
  HF_CHECK(!t.link->send(link::Released{"gone", ReleaseReason::client_gone}));
  t.link->report_ended({"over", EndReason::client_gone, 0});
  t.sessiond.say(link::DropIfIdle{kId, 0});
  t.loop.turn();
  t.loop.turn();
  const int ready_before = t.owner.ready;
  t.sessiond.read(true);
  HF_CHECK(t.wait_for<link::SnapshotEnd>(2));
  HF_EQ(t.owner.ready, ready_before + 1);
  HF_EQ(t.sessiond.all<link::SnapshotBegin>().size(), size_t{2});  // the first, and one for all
  HF_EQ(t.sessiond.all<link::Closed>().size(), sent);
  HF_CHECK(!t.sessiond.has<link::Opened>());
  HF_EQ(t.sessiond.all<link::Released>().size(), size_t{1});
  HF_EQ(t.sessiond.all<link::Ended>().size(), size_t{1});
  HF_EQ(t.sessiond.all<link::Alive>().size(), size_t{1});
  HF_EQ(t.sessiond.connections(), 1);
  HF_CHECK(t.link->send(link::Opened{kId, 3, StreamKind::get}));
}

HF_TEST(a_muted_link_keeps_a_bounded_number_of_answers_and_is_then_given_up) {
  Rig t;
  t.link_up();
  t.sessiond.read(false);
  while (t.link->send(link::Closed{kId, 1, StreamReason::complete, 0, 0})) continue;
  for (size_t i = 0; i < 100'000 && t.owner.downs == 0; ++i) {
    (void)t.link->send(link::Released{kId, ReleaseReason::late});
  }
  HF_CHECK(t.wait([&] { return t.owner.downs == 1 && t.sessiond.connections() == 2; }));
  t.sessiond.welcome({policy("", seconds{60})});
  HF_CHECK(t.wait([&] { return t.owner.ready == 2; }));
}

HF_TEST(a_message_that_does_not_fit_a_line_is_not_sent_and_harms_nothing) {
  Rig t;
  t.link_up();
  link::Stats stats;
  stats.counters.assign(kLinkListMax, {std::string(kLinkTextBytesMax, 'c'), 1});
  HF_CHECK(!t.link->send(stats));
  HF_CHECK(t.link->send(link::Reloaded{2, true, ""}));
  HF_CHECK(t.wait_for<link::Reloaded>());
  HF_EQ(t.sessiond.all<link::Reloaded>()[0].token, 2);
}

// ---- the end ----

HF_TEST(stop_says_bye_after_what_was_reported) {
  Rig t;
  t.link_up();
  t.link->report_ended({kId, EndReason::shutdown, 0});
  t.link->stop();
  HF_CHECK(t.wait([&] { return t.owner.stopped && !t.sessiond.connected(); }));
  HF_CHECK(t.sessiond.has<link::Ended>());
  HF_CHECK(std::holds_alternative<link::Bye>(t.sessiond.heard().back()));
  HF_EQ(t.sessiond.connections(), 1);
}

HF_TEST(stop_without_a_link_is_immediate) {
  Rig t;
  t.link->start();
  t.link->stop();
  HF_CHECK(t.owner.stopped);
}

int main() {
  const CMUnitTest tests[] = {
      HF_UNIT(hello_is_the_first_word_and_names_who_we_are),
      HF_UNIT(the_link_waits_for_a_sessiond_that_starts_later),
      HF_UNIT(the_snapshot_names_every_session_between_its_two_ends),
      HF_UNIT(restored_sessions_live_on_and_are_part_of_the_snapshot),
      HF_UNIT(a_restored_session_whose_backend_is_gone_has_ended),
      HF_UNIT(a_sessiond_of_another_version_is_told_and_left),
      HF_UNIT(an_idle_session_is_dropped_and_reported_once),
      HF_UNIT(a_busy_session_answers_that_it_is_alive),
      HF_UNIT(an_order_to_drop_is_obeyed_whatever_the_session_does),
      HF_UNIT(orders_about_unknown_sessions_are_answered),
      HF_UNIT(a_probe_is_answered_idle_and_who_waits_is_woken_by_release),
      HF_UNIT(a_session_that_others_hold_is_forgotten_without_a_word_to_the_backend),
      HF_UNIT(what_has_ended_here_is_not_taken_back_before_sessiond_has_heard_of_it),
      HF_UNIT(who_awaits_a_session_is_woken_when_it_is_handed_over),
      HF_UNIT(set_and_policies_reach_the_registry),
      HF_UNIT(admissions_reload_and_ping_pass_through),
      HF_UNIT(draining_ends_with_the_sessiond_that_ordered_it),
      HF_UNIT(activity_is_reported_when_something_moved_and_only_then),
      HF_UNIT(much_activity_is_reported_in_lines_of_bounded_length),
      HF_UNIT(stats_come_at_their_interval_and_always_fit_a_line),
      HF_UNIT(stats_wanted_at_once_go_now_or_with_the_next_tick_and_never_more_often),
      HF_UNIT(a_wanted_snapshot_follows_within_an_interval),
      HF_UNIT(changed_policy_names_are_said_in_a_new_hello_and_unchanged_ones_are_not),
      HF_UNIT(ends_are_repeated_after_a_reconnect_until_acknowledged),
      HF_UNIT(of_too_many_unacknowledged_ends_the_oldest_are_forgotten),
      HF_UNIT(that_an_ended_session_is_unknown_is_no_further_end),
      HF_UNIT(a_silent_sessiond_is_left_and_dialled_again),
      HF_UNIT(nonsense_ends_the_connection_and_nothing_else),
      HF_UNIT(an_unknown_message_is_answered_and_ignored),
      HF_UNIT(bye_ends_the_connection_and_it_comes_back),
      HF_UNIT(a_large_snapshot_waits_for_a_slow_reader_without_muting),
      HF_UNIT(a_full_queue_is_replaced_by_a_fresh_snapshot_and_answers_are_kept),
      HF_UNIT(a_muted_link_keeps_a_bounded_number_of_answers_and_is_then_given_up),
      HF_UNIT(a_message_that_does_not_fit_a_line_is_not_sent_and_harms_nothing),
      HF_UNIT(stop_says_bye_after_what_was_reported),
      HF_UNIT(stop_without_a_link_is_immediate),
  };
  return HF_RUN(tests);
}
