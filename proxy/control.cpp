#include "proxy/control.h"

#include <algorithm>
#include <atomic>
#include <mutex>
#include <optional>
#include <utility>
#include <variant>

#include "common/ev_ptr.h"
#include "common/limits.h"
#include "common/log.h"
#include "proxy/free_admission.h"
#include "proxy/wake_queue.h"

namespace holdfast::proxy {
namespace {

// Reports that may wait for the control thread: as many as the link itself would queue. Admissions
// and what settles them always pass: there is at most one of each per exchange.
constexpr size_t kReportsMax = kLinkQueueBytesMax / sizeof(link::ToSessiond);
// sessiond has this long to hand back the sessions of the previous instance.
constexpr Millis kRestoreDeadline{1000};
// At an upgrade there may be very many, and all of them are alive.
constexpr Millis kInheritDeadline{5000};

struct Ask {
  link::Admit request;
  ExchangeRef waiter;
  WhenDown when_down = WhenDown::automatic;
};
struct Cancel {
  std::string session;
};
struct Rebound {
  link::Bound bound;
};
struct TellStats {};
struct NotAccepting {};
struct Stop {};
using Command = std::variant<link::ToSessiond, Ask, Cancel, Rebound, TellStats, NotAccepting, Stop>;

// The session a report says has begun; nullptr for any other report.
const std::string *opened_by(const link::ToSessiond &message) {
  if (const auto *const bound = std::get_if<link::Bound>(&message)) return &bound->session;
  if (const auto *const whole = std::get_if<link::Snapshot>(&message))
    return &whole->record.session;
  return nullptr;
}

bool settles_admission(const link::ToSessiond &message) {
  return std::holds_alternative<link::Bound>(message) ||
         std::holds_alternative<link::Released>(message);
}

// A session whose backend knows it by an id and has not heard of its end from anybody else: the
// data path itself relays the client's DELETE.
bool owes_delete(const EndedSession &ended) {
  return ended.identity.transport == Transport::streamable && !ended.keep_backend &&
         !ended.identity.backend_session.empty() && ended.reason != EndReason::backend_ended &&
         ended.reason != EndReason::backend_lost && ended.reason != EndReason::client_delete;
}

EventBasePtr make_base() {
  event_config *const config = event_config_new();
  (void)event_config_set_flag(config, EVENT_BASE_FLAG_NOLOCK);  // ignoring: a flag always fits
  EventBasePtr base(event_base_new_with_config(config));
  event_config_free(config);
  if (!base) throw std::bad_alloc();
  return base;
}

}  // namespace

struct Control::Impl final : SessionLink::Handler {
  Impl(const ControlOptions &options, const Clock &clock_in, SessionRegistry &registry_in,
       const BackendDirectory &backends_in, std::vector<WorkerMailbox *> mailboxes_in,
       ControlHooks hooks_in);

  // ---- any thread ----
  void report(link::ToSessiond message);
  void post(uint32_t worker, WorkerMessage message);
  void finish_everywhere(const EndedSession &ended);
  void wake(const std::vector<ExchangeRef> &waiting);
  bool note_stream(const link::ToSessiond &message);

  // ---- control thread ----
  void start();
  void on_inbox();
  void handle(link::ToSessiond &message);
  void introduce(const std::string &session);
  void handle(Ask &ask);
  void handle(Cancel &cancel);
  void handle(Rebound &rebound);
  void handle(TellStats &);
  void handle(NotAccepting &);
  void handle(Stop &);
  void ask_all();
  void arm_deadline();
  void on_deadline();
  void finish_restoring();
  void answer(const AdmissionRoom::Answer &answer) { post(answer.waiter.worker, answer.answer); }

  // SessionLink::Handler
  void on_welcome(const link::Welcome &welcome) override;
  void on_policies(const std::vector<link::PolicyInfo> &policies) override;
  void on_ready() override { ask_all(); }
  void on_restored() override;
  void on_link_down() override;
  void on_admitted(const link::Admitted &admitted) override;
  void on_refused(const link::Refused &refused) override;
  void on_dropped(const EndedSession &ended) override { finish_everywhere(ended); }
  void on_ready_to_look(const std::vector<ExchangeRef> &waiting) override { wake(waiting); }
  void on_siblings(int64_t count) override;
  void on_server_set(const link::SetServer &order) override;
  void on_drain(bool on) override;
  void on_exit_wanted() override;
  void on_reload(int64_t token) override;
  link::Stats stats() override { return hooks.stats ? hooks.stats() : link::Stats{}; }
  void on_stopped() override { (void)event_base_loopbreak(base.get()); }  // ignoring: cannot fail

  static void on_inbox_c(evutil_socket_t, short, void *self) noexcept {
    static_cast<Impl *>(self)->on_inbox();
  }
  static void on_deadline_c(evutil_socket_t, short, void *self) noexcept {
    static_cast<Impl *>(self)->on_deadline();
  }
  static void on_restore_deadline_c(evutil_socket_t, short, void *self) noexcept {
    static_cast<Impl *>(self)->finish_restoring();
  }

  const Clock &clock;
  SessionRegistry &registry;
  const BackendDirectory &backends;
  const std::vector<WorkerMailbox *> mailboxes;
  const ControlHooks hooks;

  EventBasePtr base = make_base();
  WakeQueue<Command> inbox;
  std::vector<Command> commands;  // reused
  AdmissionRoom room;
  FreeAdmission free;
  std::optional<SessionLink> link;  // none: no sessiond is configured
  EventPtr inbox_event;
  EventPtr deadline_timer;
  EventPtr restore_timer;

  std::atomic<bool> restoring{false};
  std::atomic<bool> linked{false};
  std::atomic<bool> siblings{false};
  std::atomic<bool> others{false};
  size_t not_accepting_count = 0;
  std::atomic<bool> openings_told{false};
  std::atomic<bool> reports_dropped{false};
  std::atomic<bool> stats_wanted{false};  // a TellStats is in the inbox
  std::atomic<uint32_t> next_worker{0};   // for DELETEs at backends
  mutable std::mutex http_socket_mutex;
  std::string http_socket;
};

Control::Impl::Impl(const ControlOptions &options, const Clock &clock_in,
                    SessionRegistry &registry_in, const BackendDirectory &backends_in,
                    std::vector<WorkerMailbox *> mailboxes_in, ControlHooks hooks_in)
    : clock(clock_in),
      registry(registry_in),
      backends(backends_in),
      mailboxes(std::move(mailboxes_in)),
      hooks(std::move(hooks_in)),
      inbox_event(make_event(base.get(), inbox.fd(), EV_READ | EV_PERSIST, on_inbox_c, this)),
      deadline_timer(make_event(base.get(), -1, 0, on_deadline_c, this)),
      restore_timer(make_event(base.get(), -1, 0, on_restore_deadline_c, this)) {
  (void)event_add(inbox_event.get(), nullptr);  // ignoring: fails only without memory for epoll
  others = options.predecessor;
  restoring = options.predecessor;
  if (options.socket_path.empty()) return;
  restoring = true;
  const LinkOptions link_options{options.socket_path, options.node,         options.instance,
                                 options.version,     options.policy_names, options.allow_uids,
                                 options.timing};
  link.emplace(base.get(), link_options, clock, registry, backends, *this);
}

// ---- any thread ----

void Control::Impl::report(link::ToSessiond message) {
  if (!link && !(openings_told && opened_by(message) != nullptr)) return;
  const size_t bound = settles_admission(message) ? SIZE_MAX : kReportsMax;
  Command command(std::move(message));
  if (inbox.post_quietly(std::move(command), bound)) return;
  (void)note_stream(std::get<link::ToSessiond>(command));  // as told: the snapshot will do so
  reports_dropped = true;
}

void Control::Impl::post(uint32_t worker, WorkerMessage message) {
  if (mailboxes[worker]->post(std::move(message))) return;
  // The worker has been stuck for a million messages: what it misses is the least of its troubles.
  log_error("event=mailbox_full worker={} hint=\"a message is lost\"", worker);
}

// A session's end is carried to every worker that has an exchange of it; one of them tells the
// backend.
void Control::Impl::finish_everywhere(const EndedSession &ended) {
  for (const ExchangeRef &exchange : ended.exchanges) {
    post(exchange.worker, FinishExchange{exchange.exchange, ended.reason, ended.idle});
  }
  wake(ended.waiting);
  if (!owes_delete(ended) || mailboxes.empty()) return;
  const auto workers_count = static_cast<uint32_t>(mailboxes.size());
  post(next_worker++ % workers_count, DeleteAtBackend{ended.identity.backend, ended.identity.target,
                                                      ended.identity.backend_session});
}

void Control::Impl::wake(const std::vector<ExchangeRef> &waiting) {
  for (const ExchangeRef &exchange : waiting) {
    post(exchange.worker, SessionReady{exchange.exchange});
  }
}

// False: about a stream of a session that is over, of which `ended` has said or will say all.
bool Control::Impl::note_stream(const link::ToSessiond &message) {
  if (const auto *opened = std::get_if<link::Opened>(&message))
    return registry.stream_told(opened->session, true);
  if (const auto *closed = std::get_if<link::Closed>(&message))
    return registry.stream_told(closed->session, false);
  return true;
}

// ---- control thread ----

void Control::Impl::start() {
  if (restoring) add_timer(restore_timer.get(), others ? kInheritDeadline : kRestoreDeadline);
  if (link) link->start();
}

void Control::Impl::on_inbox() {
  inbox.drain(commands);
  for (Command &command : commands) {
    std::visit([this](auto &c) { handle(c); }, command);
  }
  if (link && reports_dropped.exchange(false)) link->want_snapshot();
}

void Control::Impl::handle(link::ToSessiond &message) {
  const std::string *const opened = openings_told ? opened_by(message) : nullptr;
  if (opened != nullptr && hooks.on_opening) hooks.on_opening(*opened);
  if (!link) return;
  if (!note_stream(message)) return;
  if (auto *const ended = std::get_if<link::Ended>(&message)) {
    link->report_ended(std::move(*ended));
  } else if (const auto *const bound = std::get_if<link::Bound>(&message)) {
    if (room.settle(bound->session)) {
      (void)link->send(message);  // ignoring: dropped only where a snapshot follows
    } else {
      introduce(bound->session);
    }
  } else if (const auto *const released = std::get_if<link::Released>(&message)) {
    if (room.settle(released->session)) (void)link->send(message);  // ignoring: as above
  } else {
    (void)link->send(message);  // ignoring: as above
  }
}

// A session that was served without sessiond, or admitted on a link that has ended: sessiond does
// not know what a `bound` of it would mean.
void Control::Impl::introduce(const std::string &session) {
  auto record = registry.record(session, backends);
  if (record) (void)link->send(link::Snapshot{std::move(*record)});  // ignoring: as above
}

void Control::Impl::handle(Ask &ask) {
  room.enter(std::move(ask.request), ask.waiter, ask.when_down, clock.now());
  ask_all();
  arm_deadline();
}

void Control::Impl::handle(Cancel &cancel) {
  if (!room.leave(cancel.session)) return;
  (void)link->send(
      link::Released{cancel.session, ReleaseReason::client_gone});  // ignoring: as above
}

// A session sessiond does not know yet tells with its snapshot where it lives.
void Control::Impl::handle(Rebound &rebound) {
  (void)link->send(rebound.bound);  // ignoring: as above
}

void Control::Impl::handle(TellStats &) {
  stats_wanted = false;
  link->want_stats();
}

void Control::Impl::handle(NotAccepting &) {
  if (++not_accepting_count == mailboxes.size() && hooks.on_not_accepting) hooks.on_not_accepting();
}

void Control::Impl::handle(Stop &) {
  if (link) return link->stop();
  on_stopped();
}

// Whoever the link does not carry yet waits for it, until the deadline.
void Control::Impl::ask_all() {
  while (const link::Admit *const request = room.next_to_ask()) {
    if (!link->send(*request)) return;
    room.asked();
  }
}

void Control::Impl::arm_deadline() {
  const auto deadline = room.next_deadline();
  if (!deadline || event_pending(deadline_timer.get(), EV_TIMEOUT, nullptr) != 0) return;
  add_timer(deadline_timer.get(), std::max(*deadline - clock.now(), Millis{1}));
}

void Control::Impl::on_deadline() {
  for (const AdmissionRoom::Answer &a : room.expire(clock.now())) answer(a);
  arm_deadline();
}

void Control::Impl::finish_restoring() {
  if (!restoring.exchange(false)) return;
  for (uint32_t worker = 0; worker < mailboxes.size(); ++worker) post(worker, RestoreDone{});
}

void Control::Impl::on_welcome(const link::Welcome &welcome) {
  linked = true;
  siblings = false;      // said again where there are some
  free.set_open(false);  // until `restored_end`: a drain that holds is said before
  const std::lock_guard lock(http_socket_mutex);
  http_socket = welcome.http_socket;
}

void Control::Impl::on_policies(const std::vector<link::PolicyInfo> &policies) {
  room.set_policies(policies);
  free.set_policies(policies);
}

void Control::Impl::on_restored() {
  free.set_open(linked);
  finish_restoring();
}

void Control::Impl::on_siblings(int64_t count) {
  siblings = count > 0;
  log_info("event=siblings count={}", count);
}

void Control::Impl::on_link_down() {
  linked = false;
  siblings = false;  // nobody could hand anything over
  free.set_open(false);
  room.link_lost();
}

void Control::Impl::on_admitted(const link::Admitted &admitted) {
  if (const auto waiting = room.admitted(admitted)) return answer(*waiting);
  (void)link->send(link::Released{admitted.session, ReleaseReason::late});  // ignoring: as above
}

void Control::Impl::on_refused(const link::Refused &refused) {
  if (const auto waiting = room.refused(refused)) answer(*waiting);
}

void Control::Impl::on_server_set(const link::SetServer &order) {
  if (hooks.on_server_set) hooks.on_server_set(order);
  link->want_stats();  // what has become of it
}

void Control::Impl::on_drain(bool on) {
  free.set_draining(on);
  if (hooks.on_drain) hooks.on_drain(on);
}

void Control::Impl::on_exit_wanted() {
  if (hooks.on_exit) hooks.on_exit();
}

void Control::Impl::on_reload(int64_t token) {
  if (hooks.on_reload) hooks.on_reload(token);
}

// ---- the interface ----

Control::Control(const ControlOptions &options, const Clock &clock, SessionRegistry &registry,
                 const BackendDirectory &backends, std::vector<WorkerMailbox *> mailboxes,
                 ControlHooks hooks)
    : impl_(std::make_unique<Impl>(options, clock, registry, backends, std::move(mailboxes),
                                   std::move(hooks))) {}

Control::~Control() = default;

void Control::report(link::ToSessiond message) { impl_->report(std::move(message)); }

void Control::flush() { impl_->inbox.wake(); }

std::optional<bool> Control::admits_at_once(std::string_view policy) const {
  return impl_->link ? impl_->free.persistence_of(policy) : true;
}

void Control::admit(link::Admit request, ExchangeRef waiter, WhenDown when_down) {
  impl_->inbox.post_quietly(Ask{std::move(request), waiter, when_down}, SIZE_MAX);
}

void Control::cancel_admit(std::string session, ExchangeRef) {
  if (impl_->link) impl_->inbox.post_quietly(Cancel{std::move(session)}, SIZE_MAX);
}

void Control::session_ended(EndedSession ended) {
  impl_->finish_everywhere(ended);
  impl_->report(link::Ended{std::move(ended.identity.id), ended.reason, ended.idle.count()});
}

void Control::not_accepting() { impl_->inbox.post(NotAccepting{}, SIZE_MAX); }

void Control::rebound(link::Bound bound) {
  if (impl_->link) impl_->inbox.post_quietly(Rebound{std::move(bound)}, SIZE_MAX);
}

void Control::backend_changed() {
  if (!impl_->link || impl_->stats_wanted.exchange(true)) return;
  impl_->inbox.post(TellStats{}, SIZE_MAX);
}

bool Control::restoring() const noexcept { return impl_->restoring; }
bool Control::linked() const noexcept { return impl_->linked; }
bool Control::has_siblings() const noexcept { return impl_->siblings || impl_->others; }

void Control::tell_openings() { impl_->openings_told = true; }

void Control::predecessor_told() {
  if (!impl_->link) impl_->finish_restoring();  // else sessiond has the last word
}

void Control::expect_others() { impl_->others = true; }

void Control::others_over() { impl_->others = false; }

std::string Control::http_socket() const {
  const std::lock_guard lock(impl_->http_socket_mutex);
  return impl_->http_socket;
}

event_base *Control::base() noexcept { return impl_->base.get(); }

void Control::run() {
  impl_->start();
  (void)event_base_loop(impl_->base.get(), EVLOOP_NO_EXIT_ON_EMPTY);  // ignoring: ends by stop()
}

void Control::stop() { impl_->inbox.post(Stop{}, SIZE_MAX); }

void Control::reloaded(int64_t token, bool ok, std::string message) {
  if (impl_->link) {
    (void)impl_->link->send(link::Reloaded{token, ok, std::move(message)});  // ignoring: as above
  }
}

void Control::set_policy_names(std::vector<std::string> names) {
  if (impl_->link) impl_->link->set_policy_names(std::move(names));
}

}  // namespace holdfast::proxy
