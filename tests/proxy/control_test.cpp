// The control thread as workers see it: admissions, the consequences of ended sessions, restoring,
// and what becomes of reports; sessiond is played by the test.
#include "proxy/control.h"

#include <algorithm>
#include <array>
#include <future>
#include <thread>

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
constexpr uint32_t kWorkers = 2;

// A worker's mailbox, read in the test's loop.
struct Inbox {
  WorkerMailbox mailbox;
  std::vector<WorkerMessage> got;
  EventPtr readable;

  void watch(event_base *base) {
    readable = make_event(base, mailbox.fd(), EV_READ | EV_PERSIST, on_readable_c, this);
    (void)event_add(readable.get(), nullptr);
  }
  static void on_readable_c(evutil_socket_t, short, void *self) noexcept {
    auto &inbox = *static_cast<Inbox *>(self);
    std::vector<WorkerMessage> drained;
    inbox.mailbox.drain(drained);
    for (WorkerMessage &message : drained) inbox.got.push_back(std::move(message));
  }
  template <class M>
  std::vector<M> all() const {
    std::vector<M> found;
    for (const WorkerMessage &message : got) {
      if (const M *m = std::get_if<M>(&message)) found.push_back(*m);
    }
    return found;
  }
};

struct Rig {
  holdfast::test::TempDir dir;
  holdfast::test::EventLoop loop;
  SystemClock clock;
  SessionRegistry registry{clock};
  BackendDirectory backends;
  std::array<Inbox, kWorkers> workers;
  FakeSessiond sessiond{loop.base(), dir.file("link.sock")};
  ControlHooks hooks;
  std::unique_ptr<Control> control;
  std::thread thread;

  explicit Rig(bool with_sessiond = true) {
    Backend backend;
    backend.name = kBackend;
    (void)backends.intern(backend);
    for (Inbox &worker : workers) worker.watch(loop.base());
    options.socket_path = with_sessiond ? dir.file("link.sock") : "";
    options.node = "node";
    options.instance = "5f0c000000000001";
    options.version = "0.1.0";
    options.timing.retry_min = Millis{1};
    options.timing.retry_max = Millis{8};
    options.timing.activity_interval = Millis{5};
  }
  ~Rig() { stop(); }

  void create() {
    control = std::make_unique<Control>(
        options, clock, registry, backends,
        std::vector<WorkerMailbox *>{&workers[0].mailbox, &workers[1].mailbox}, hooks);
  }
  void start() {
    if (!control) create();
    thread = std::thread([this] { control->run(); });
  }
  void stop() {
    if (!thread.joinable()) return;
    control->stop();
    thread.join();
  }
  // Linked, welcomed and with the first snapshot heard.
  void link_up(std::vector<link::PolicyInfo> policies = {policy("", seconds{60})}) {
    sessiond.appear();
    if (!thread.joinable()) start();
    HF_CHECK(heard<link::Hello>());
    sessiond.welcome(std::move(policies));
    HF_CHECK(heard<link::SnapshotEnd>());
  }
  bool wait(const std::function<bool()> &done) { return loop.run_until(done); }
  template <class M>
  bool heard(size_t count = 1) {
    return wait([this, count] { return sessiond.count<M>() >= count; });
  }
  template <class M>
  bool got(uint32_t worker, size_t count = 1) {
    return wait([this, worker, count] { return workers[worker].all<M>().size() >= count; });
  }
  AdmitAnswer answer(uint32_t worker, size_t which = 0) {
    HF_CHECK(got<AdmitAnswer>(worker, which + 1));
    return workers[worker].all<AdmitAnswer>()[which];
  }
  void admit(const std::string &session, ExchangeRef waiter,
             WhenDown when_down = WhenDown::automatic) {
    link::Admit request;
    request.session = session;
    control->admit(std::move(request), waiter, when_down);
    control->flush();
  }
  // The control thread has done all that it was told before.
  bool obeyed() {
    const size_t before = sessiond.all<link::Pong>().size();
    sessiond.say(link::Ping{1});
    return heard<link::Pong>(before + 1);
  }
  // As a worker does at the end of its turn.
  void report(link::ToSessiond message) {
    control->report(std::move(message));
    control->flush();
  }
  void cancel(const std::string &session, ExchangeRef waiter) {
    control->cancel_admit(session, waiter);
    control->flush();
  }
  void session_ended(EndedSession ended) {
    control->session_ended(std::move(ended));
    control->flush();
  }
  void bind(const std::string &id, Transport transport = Transport::streamable) {
    registry.bind({id, kAlice, "", transport, 0, "backend-id", "/mcp", "", "", ""}, false, kOpener);
    registry.finish(id, kOpener, SessionRegistry::Finish::answered);
  }

  ControlOptions options;
};

}  // namespace

// ---- admission ----

HF_TEST(an_admission_is_asked_for_and_its_answer_reaches_the_waiting_exchange) {
  Rig t;
  t.link_up();
  t.admit("session-a", {1, 42});
  HF_CHECK(t.heard<link::Admit>());
  HF_EQ(t.sessiond.all<link::Admit>()[0].session, "session-a");
  t.sessiond.say(link::Admitted{"session-a", true});
  const AdmitAnswer answer = t.answer(1);
  HF_EQ(answer.exchange, uint64_t{42});
  HF_CHECK(answer.admitted && answer.persistent);
  t.report(link::Bound{"session-a", kBackend, "b", "/mcp"});
  HF_CHECK(t.heard<link::Bound>());
}

HF_TEST(a_refusal_reaches_the_waiting_exchange_with_its_reason) {
  Rig t;
  t.link_up();
  t.admit("session-a", {0, 7});
  HF_CHECK(t.heard<link::Admit>());
  t.sessiond.say(link::Refused{"session-a", RefuseReason::max_sessions, 30});
  const AdmitAnswer answer = t.answer(0);
  HF_CHECK(!answer.admitted);
  HF_EQ(answer.reason, RefuseReason::max_sessions);
  HF_EQ(answer.retry_after_s, 30);
}

HF_TEST(without_a_configured_sessiond_everything_is_admitted_at_once) {
  Rig t(false);
  t.create();
  HF_EQ(t.control->admits_at_once("team"), std::optional<bool>(true));
  HF_CHECK(!t.control->restoring());
  HF_CHECK(!t.control->linked());
  t.report(link::Bound{"session-a", kBackend, "b", "/mcp"});
  t.start();
  t.stop();
}

// Where there is no cap there is nothing to ask: but only while sessiond can be told at once, and
// has had its say about drains.
HF_TEST(without_a_cap_nothing_is_asked_while_the_link_stands) {
  Rig t;
  t.start();
  HF_CHECK(!t.control->admits_at_once(""));
  link::PolicyInfo top = policy("", seconds{60});
  top.persistent = true;
  t.link_up({top, policy("team", seconds{60})});
  HF_EQ(t.control->admits_at_once(""), std::optional<bool>(true));
  HF_EQ(t.control->admits_at_once("team"), std::optional<bool>(false));
  t.sessiond.say(link::Drain{true});
  HF_CHECK(t.obeyed());
  HF_CHECK(!t.control->admits_at_once(""));
  t.sessiond.say(link::Drain{false});
  HF_CHECK(t.obeyed());
  HF_CHECK(t.control->admits_at_once("").has_value());
  t.sessiond.hang_up();
  t.sessiond.forget();
  HF_CHECK(t.heard<link::Hello>());
  HF_CHECK(!t.control->admits_at_once(""));
}

HF_TEST(nothing_is_admitted_unasked_before_a_welcome_is_complete) {
  Rig t;
  t.sessiond.appear();
  t.start();
  HF_CHECK(t.heard<link::Hello>());
  t.sessiond.say(link::Welcome{link::kVersion, "test", {policy("", seconds{60})}, {}, "", {}});
  HF_CHECK(t.obeyed());
  HF_CHECK(t.control->linked());
  HF_CHECK(!t.control->admits_at_once(""));
  t.sessiond.say(link::Drain{true});
  t.sessiond.say(link::RestoredBegin{});
  t.sessiond.say(link::RestoredEnd{});
  HF_CHECK(t.heard<link::SnapshotEnd>());
  HF_CHECK(!t.control->admits_at_once(""));
  t.sessiond.say(link::Drain{false});
  HF_CHECK(t.obeyed());
  HF_CHECK(t.control->admits_at_once("").has_value());
}

HF_TEST(a_cap_of_the_policy_or_of_the_top_level_has_to_be_asked_about) {
  link::PolicyInfo capped = policy("team", seconds{60});
  capped.max_sessions_per_user = 1;
  Rig t;
  t.link_up({policy("", seconds{60}), capped});
  HF_CHECK(t.control->admits_at_once("").has_value());
  HF_CHECK(t.control->admits_at_once("nowhere").has_value());  // the top level's rules
  HF_CHECK(!t.control->admits_at_once("team"));
  link::PolicyInfo top = policy("", seconds{60});
  top.max_sessions_per_address = 5;
  t.sessiond.say(link::Policies{{top, policy("team", seconds{60})}, {}});
  HF_CHECK(t.obeyed());
  HF_CHECK(!t.control->admits_at_once(""));
  HF_CHECK(!t.control->admits_at_once("team"));
}

HF_TEST(an_admission_waits_for_the_link_to_come_up) {
  Rig t;
  t.start();
  t.admit("session-a", {0, 7});
  t.link_up();
  HF_CHECK(t.heard<link::Admit>());
  t.sessiond.say(link::Admitted{"session-a", false});
  HF_CHECK(t.answer(0).admitted);
}

HF_TEST(when_sessiond_is_down_each_is_answered_by_its_own_rule_within_the_deadline) {
  Rig t;
  t.start();
  const MonoTime before = t.clock.now();
  t.admit("session-a", {0, 1}, WhenDown::automatic);
  t.admit("session-b", {0, 2}, WhenDown::serve);
  t.admit("session-c", {0, 3}, WhenDown::refuse);
  HF_CHECK(t.got<AdmitAnswer>(0, 3));
  const Millis waited = t.clock.now() - before;
  HF_CHECK(waited >= kAdmitDeadline && waited < kAdmitDeadline + Millis{900});
  HF_CHECK(!t.answer(0, 0).admitted);
  HF_EQ(t.answer(0, 0).reason, RefuseReason::sessiond_down);
  HF_EQ(t.answer(0, 0).retry_after_s, 1);
  HF_CHECK(t.answer(0, 1).admitted);
  HF_CHECK(!t.answer(0, 2).admitted);
}

HF_TEST(a_sessiond_that_answers_too_late_gets_its_slot_back) {
  Rig t;
  t.link_up();  // its policy has no cap: served without an answer
  t.admit("session-a", {0, 1});
  HF_CHECK(t.answer(0).admitted);
  t.sessiond.say(link::Admitted{"session-a", false});
  HF_CHECK(t.heard<link::Released>());
  HF_EQ(t.sessiond.all<link::Released>()[0].reason, ReleaseReason::late);
  HF_EQ(t.workers[0].all<AdmitAnswer>().size(), size_t{1});
}

HF_TEST(a_client_that_leaves_gives_the_slot_back_before_and_after_the_answer) {
  Rig t;
  t.link_up();
  t.admit("session-a", {0, 1});
  HF_CHECK(t.heard<link::Admit>());
  t.cancel("session-a", {0, 1});
  HF_CHECK(t.heard<link::Released>());
  HF_EQ(t.sessiond.all<link::Released>()[0].reason, ReleaseReason::client_gone);

  t.admit("session-b", {0, 2});
  HF_CHECK(t.heard<link::Admit>(2));
  t.sessiond.say(link::Admitted{"session-b", false});
  HF_CHECK(t.answer(0).admitted);
  t.cancel("session-b", {0, 2});
  HF_CHECK(t.heard<link::Released>(2));
  HF_EQ(t.sessiond.all<link::Released>()[1].session, "session-b");
}

HF_TEST(what_is_released_by_a_worker_is_released_at_sessiond_once) {
  Rig t;
  t.bind(kId);
  t.link_up();
  t.admit("session-a", {0, 1});
  HF_CHECK(t.heard<link::Admit>());
  t.sessiond.say(link::Admitted{"session-a", false});
  HF_CHECK(t.answer(0).admitted);
  t.report(link::Released{"session-a", ReleaseReason::backend_refused});
  t.report(link::Released{"session-a", ReleaseReason::backend_refused});
  t.report(link::Opened{kId, 1, StreamKind::get});
  HF_CHECK(t.heard<link::Opened>());
  HF_EQ(t.sessiond.all<link::Released>().size(), size_t{1});
}

HF_TEST(what_is_said_before_one_flush_travels_in_order) {
  Rig t;
  t.bind(kId);
  t.link_up();
  t.control->report(link::Opened{kId, 1, StreamKind::get});
  t.admit("session-a", {0, 1});
  HF_CHECK(t.heard<link::Admit>());
  // Statistics may come between.
  const auto &heard = t.sessiond.heard();
  const auto opened = std::find_if(heard.begin(), heard.end(), [](const auto &message) {
    return std::holds_alternative<link::Opened>(message);
  });
  HF_CHECK(opened != heard.end());
  HF_CHECK(std::any_of(opened, heard.end(), [](const auto &message) {
    return std::holds_alternative<link::Admit>(message);
  }));
}

// sessiond does not know what it was not asked for, or forgot with the link it was asked on.
HF_TEST(a_session_bound_without_a_reservation_is_told_with_a_record_of_its_own) {
  Rig t;
  t.link_up();
  t.bind(kId);
  t.report(link::Bound{kId, kBackend, "backend-id", "/mcp"});
  HF_CHECK(t.heard<link::Snapshot>());
  HF_EQ(t.sessiond.all<link::Snapshot>()[0].record.session, kId);
  HF_EQ(t.sessiond.all<link::Snapshot>()[0].record.user, kAlice);
  HF_EQ(t.sessiond.all<link::SnapshotBegin>().size(), size_t{1});
  HF_CHECK(!t.sessiond.has<link::Bound>());
}

HF_TEST(a_reservation_does_not_outlive_its_link) {
  Rig t;
  t.link_up();
  t.admit("session-a", {0, 1});
  HF_CHECK(t.heard<link::Admit>());
  t.sessiond.say(link::Admitted{"session-a", false});
  HF_CHECK(t.answer(0).admitted);
  t.sessiond.hang_up();
  t.sessiond.forget();
  HF_CHECK(t.heard<link::Hello>());
  t.sessiond.welcome({policy("", seconds{60})});
  HF_CHECK(t.heard<link::SnapshotEnd>());
  t.registry.bind({"session-a", "-", "", Transport::streamable, 0, "b", "/mcp", "", "", ""}, false,
                  kOpener);
  t.report(link::Bound{"session-a", kBackend, "b", "/mcp"});
  HF_CHECK(t.heard<link::Snapshot>());
  HF_EQ(t.sessiond.all<link::Snapshot>()[0].record.session, "session-a");
  HF_CHECK(!t.sessiond.has<link::Bound>());
}

// ---- ended sessions ----

HF_TEST(an_ended_session_finishes_its_exchanges_and_is_told_to_backend_and_sessiond) {
  Rig t;
  t.link_up();
  t.bind(kId);
  SessionView view;
  t.registry.begin(kId, kAlice, {0, 5}, false, view);
  t.registry.begin(kId, kAlice, {1, 6}, false, view);
  t.session_ended(std::move(*t.registry.end(kId, EndReason::admin)));
  HF_CHECK(t.got<FinishExchange>(0) && t.got<FinishExchange>(1));
  HF_EQ(t.workers[0].all<FinishExchange>()[0].exchange, uint64_t{5});
  HF_EQ(t.workers[0].all<FinishExchange>()[0].reason, EndReason::admin);
  HF_EQ(t.workers[1].all<FinishExchange>()[0].exchange, uint64_t{6});
  HF_CHECK(t.got<DeleteAtBackend>(0));
  HF_EQ(t.workers[0].all<DeleteAtBackend>()[0].backend_session, "backend-id");
  HF_EQ(t.workers[0].all<DeleteAtBackend>()[0].target, "/mcp");
  HF_CHECK(t.heard<link::Ended>());
  HF_EQ(t.sessiond.all<link::Ended>()[0].reason, EndReason::admin);
}

HF_TEST(a_drop_by_sessiond_has_the_same_consequences) {
  Rig t;
  t.bind(kId);
  t.link_up();
  SessionView view;
  t.registry.begin(kId, kAlice, {1, 6}, false, view);
  t.sessiond.say(link::DropIfIdle{kId, 0});
  HF_CHECK(t.got<FinishExchange>(1));
  HF_EQ(t.workers[1].all<FinishExchange>()[0].reason, EndReason::idle_timeout);
  HF_CHECK(t.got<DeleteAtBackend>(0));
  HF_CHECK(t.heard<link::Ended>());
}

HF_TEST(backends_are_told_once_and_only_of_what_they_do_not_know) {
  struct Case {
    Transport transport;
    EndReason reason;
    bool told;
  };
  const Case cases[] = {
      {Transport::streamable, EndReason::idle_timeout, true},
      {Transport::streamable, EndReason::admin, true},
      {Transport::streamable, EndReason::client_delete, false},
      {Transport::streamable, EndReason::backend_ended, false},
      {Transport::streamable, EndReason::backend_lost, false},
      {Transport::sse, EndReason::idle_timeout, false},
      {Transport::listen, EndReason::idle_timeout, false},
  };
  for (const Case &c : cases) {
    Rig t(false);
    t.create();
    t.bind(kId, c.transport);
    t.session_ended(std::move(*t.registry.end(kId, c.reason)));
    t.loop.turn();
    size_t deletes = 0;
    for (const Inbox &worker : t.workers) deletes += worker.all<DeleteAtBackend>().size();
    HF_EQ(deletes, c.told ? size_t{1} : size_t{0});
  }
}

HF_TEST(deletes_are_spread_over_the_workers) {
  Rig t(false);
  t.create();
  for (int i = 0; i < 10; ++i) {
    t.bind(kId);
    t.session_ended(std::move(*t.registry.end(kId, EndReason::admin)));
  }
  t.loop.turn();
  HF_EQ(t.workers[0].all<DeleteAtBackend>().size(), size_t{5});
  HF_EQ(t.workers[1].all<DeleteAtBackend>().size(), size_t{5});
}

// ---- restoring ----

HF_TEST(restoring_ends_for_all_workers_when_sessiond_has_handed_everything_back) {
  Rig t;
  t.create();
  HF_CHECK(t.control->restoring());
  t.link_up();
  HF_CHECK(t.got<RestoreDone>(0) && t.got<RestoreDone>(1));
  HF_CHECK(!t.control->restoring());
  HF_CHECK(t.control->linked());
  HF_EQ(t.control->http_socket(), "/run/holdfast/http.sock");
}

HF_TEST(restoring_ends_by_itself_when_sessiond_stays_away) {
  Rig t;
  t.start();
  HF_CHECK(t.control->restoring());
  HF_CHECK(t.got<RestoreDone>(0) && t.got<RestoreDone>(1));
  HF_CHECK(!t.control->restoring());
  HF_EQ(t.control->http_socket(), "");
}

// ---- reports ----

HF_TEST(stream_reports_are_counted_when_they_are_told) {
  Rig t;
  t.bind(kId);
  t.link_up();
  HF_EQ(t.sessiond.all<link::Snapshot>().at(0).record.streams, 0);
  t.report(link::Opened{kId, 1, StreamKind::get});
  HF_CHECK(t.heard<link::Opened>());
  HF_EQ(t.registry.record(kId, t.backends).value().streams, 1);
  t.report(link::Closed{kId, 1, StreamReason::complete, 0, 0});
  HF_CHECK(t.heard<link::Closed>());
  HF_EQ(t.registry.record(kId, t.backends).value().streams, 0);
}

HF_TEST(of_a_session_that_is_over_no_stream_is_told_any_more) {
  Rig t;
  t.bind(kId);
  t.link_up();
  t.report(link::Opened{kId, 1, StreamKind::get});
  HF_CHECK(t.heard<link::Opened>());
  t.session_ended(t.registry.end(kId, EndReason::client_delete).value());
  t.report(link::Closed{kId, 1, StreamReason::session_ended, 0, 0});
  t.report(link::Opened{kId, 2, StreamKind::get});
  t.report(link::Released{"nothing", ReleaseReason::late});
  t.sessiond.say(link::Ping{1});
  HF_CHECK(t.heard<link::Pong>());
  HF_CHECK(t.heard<link::Ended>());
  HF_EQ(t.sessiond.all<link::Closed>().size(), 0u);
  HF_EQ(t.sessiond.all<link::Opened>().size(), 1u);
}

HF_TEST(a_backend_that_changes_is_told_before_the_next_stats_are_due) {
  Rig t;
  t.options.timing.stats_interval = std::chrono::hours{1};
  t.link_up();
  HF_CHECK(t.heard<link::Stats>());  // the first ones come with the link
  t.control->backend_changed();
  t.control->backend_changed();
  HF_CHECK(t.heard<link::Stats>(2));
}

HF_TEST(too_many_reports_are_replaced_by_a_snapshot_and_settled_admissions_are_not_lost) {
  std::promise<void> entered;
  std::promise<void> go_on;
  Rig t;
  t.hooks.on_reload = [&](int64_t) {  // holds the control thread, as a stalled machine would
    entered.set_value();
    go_on.get_future().wait();
  };
  t.bind(kId);
  t.link_up();
  t.admit("session-a", {0, 1});
  HF_CHECK(t.heard<link::Admit>());
  t.sessiond.say(link::Admitted{"session-a", false});
  HF_CHECK(t.answer(0).admitted);
  t.sessiond.say(link::Reload{1});
  t.loop.turn();  // writes it; nothing else happens here until the control thread is held
  HF_CHECK(entered.get_future().wait_for(seconds{10}) == std::future_status::ready);
  constexpr int64_t kFlood = 100'000;
  for (int64_t i = 0; i < kFlood; ++i) {
    t.report(link::Opened{kId, i, StreamKind::post});
  }
  t.report(link::Bound{"session-a", kBackend, "b", "/mcp"});
  go_on.set_value();
  HF_CHECK(t.heard<link::SnapshotEnd>(2));
  HF_CHECK(t.heard<link::Bound>());
  HF_CHECK(t.sessiond.all<link::Opened>().size() < size_t{kFlood});
  HF_EQ(t.sessiond.all<link::Snapshot>().back().record.streams, kFlood);
}

HF_TEST(reload_and_drain_reach_the_process_and_the_outcome_sessiond) {
  std::promise<bool> drained;
  Rig t;
  t.hooks.on_reload = [&](int64_t token) {
    t.control->reloaded(token, false, "no such file");
    t.control->set_policy_names({"team"});
  };
  t.hooks.on_drain = [&](bool on) { drained.set_value(on); };
  t.link_up();
  t.sessiond.say(link::Reload{17});
  HF_CHECK(t.heard<link::Reloaded>());
  HF_EQ(t.sessiond.all<link::Reloaded>()[0].token, 17);
  HF_EQ(t.sessiond.all<link::Reloaded>()[0].message, "no such file");
  HF_CHECK(t.heard<link::Hello>(2));
  t.sessiond.say(link::Drain{true});
  t.sessiond.say(link::Ping{1});
  HF_CHECK(t.heard<link::Pong>());
  HF_CHECK(drained.get_future().get());
}

HF_TEST(what_was_reported_before_stop_is_still_told) {
  Rig t;
  t.link_up();
  t.bind(kId);
  t.session_ended(std::move(*t.registry.end(kId, EndReason::shutdown)));
  t.control->stop();
  HF_CHECK(t.wait([&] { return !t.sessiond.connected(); }));
  HF_CHECK(t.sessiond.has<link::Ended>());
  HF_CHECK(std::holds_alternative<link::Bye>(t.sessiond.heard().back()));
  t.thread.join();
}

// ---- many threads ----

HF_TEST(every_admission_from_any_thread_is_answered_exactly_once) {
  constexpr uint32_t kThreads = 4;
  constexpr uint64_t kEach = 500;
  Rig t;
  t.link_up();
  t.sessiond.reply = [&](const link::ToSessiond &message) {
    const auto *admit = std::get_if<link::Admit>(&message);
    if (admit == nullptr) return;
    const bool refuse = admit->session.back() % 3 == 0;
    if (refuse) return t.sessiond.say(link::Refused{admit->session, RefuseReason::max_sessions, 1});
    t.sessiond.say(link::Admitted{admit->session, false});
  };
  std::vector<std::thread> threads;
  for (uint32_t n = 0; n < kThreads; ++n) {
    threads.emplace_back([&t, n] {
      for (uint64_t i = 0; i < kEach; ++i) {
        const uint64_t exchange = n * kEach + i;
        t.admit("session-" + std::to_string(exchange), {n % kWorkers, exchange});
        t.report(link::Opened{"noise", static_cast<int64_t>(i), StreamKind::get});
        (void)t.control->linked();
        (void)t.control->http_socket();
      }
    });
  }
  std::vector<int> answers(kThreads * kEach, 0);
  const auto answered = [&] {
    return t.workers[0].all<AdmitAnswer>().size() + t.workers[1].all<AdmitAnswer>().size();
  };
  const bool all = t.wait([&] { return answered() >= kThreads * kEach; });
  for (std::thread &thread : threads) thread.join();
  HF_CHECK(all);
  for (const Inbox &worker : t.workers) {
    for (const AdmitAnswer &answer : worker.all<AdmitAnswer>()) ++answers.at(answer.exchange);
  }
  for (const int count : answers) HF_EQ(count, 1);
}

int main() {
  const CMUnitTest tests[] = {
      HF_UNIT(an_admission_is_asked_for_and_its_answer_reaches_the_waiting_exchange),
      HF_UNIT(a_refusal_reaches_the_waiting_exchange_with_its_reason),
      HF_UNIT(without_a_configured_sessiond_everything_is_admitted_at_once),
      HF_UNIT(without_a_cap_nothing_is_asked_while_the_link_stands),
      HF_UNIT(nothing_is_admitted_unasked_before_a_welcome_is_complete),
      HF_UNIT(a_cap_of_the_policy_or_of_the_top_level_has_to_be_asked_about),
      HF_UNIT(an_admission_waits_for_the_link_to_come_up),
      HF_UNIT(when_sessiond_is_down_each_is_answered_by_its_own_rule_within_the_deadline),
      HF_UNIT(a_sessiond_that_answers_too_late_gets_its_slot_back),
      HF_UNIT(a_client_that_leaves_gives_the_slot_back_before_and_after_the_answer),
      HF_UNIT(what_is_released_by_a_worker_is_released_at_sessiond_once),
      HF_UNIT(what_is_said_before_one_flush_travels_in_order),
      HF_UNIT(a_session_bound_without_a_reservation_is_told_with_a_record_of_its_own),
      HF_UNIT(a_reservation_does_not_outlive_its_link),
      HF_UNIT(an_ended_session_finishes_its_exchanges_and_is_told_to_backend_and_sessiond),
      HF_UNIT(a_drop_by_sessiond_has_the_same_consequences),
      HF_UNIT(backends_are_told_once_and_only_of_what_they_do_not_know),
      HF_UNIT(deletes_are_spread_over_the_workers),
      HF_UNIT(restoring_ends_for_all_workers_when_sessiond_has_handed_everything_back),
      HF_UNIT(restoring_ends_by_itself_when_sessiond_stays_away),
      HF_UNIT(stream_reports_are_counted_when_they_are_told),
      HF_UNIT(of_a_session_that_is_over_no_stream_is_told_any_more),
      HF_UNIT(a_backend_that_changes_is_told_before_the_next_stats_are_due),
      HF_UNIT(too_many_reports_are_replaced_by_a_snapshot_and_settled_admissions_are_not_lost),
      HF_UNIT(reload_and_drain_reach_the_process_and_the_outcome_sessiond),
      HF_UNIT(what_was_reported_before_stop_is_still_told),
      HF_UNIT(every_admission_from_any_thread_is_answered_exactly_once),
  };
  return HF_RUN(tests);
}
