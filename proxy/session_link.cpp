#include "proxy/session_link.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <utility>
#include <variant>

#include "common/ids.h"
#include "common/log.h"
#include "common/unix_listener.h"

namespace holdfast::proxy {
namespace {

// Below it the channel is fed the next shard of the snapshot, or activity; far enough from the
// bound that neither can be what mutes the link.
constexpr size_t kFeedBelowBytes = 512 * 1024;
// Stats told out of turn keep this distance: a backend may flap with every request.
constexpr Millis kStatsGapMin{100};
// Answers kept while the link is muted; a sessiond that gathers more than this has lost its way.
constexpr size_t kKeptMax = 16 * 1024;
// Longer than this is for ever, and can still be subtracted from any moment.
constexpr int64_t kEndsKeptMsMax = int64_t{365} * 24 * 3600 * 1000;

}  // namespace

SessionLink::SessionLink(event_base *base, LinkOptions options, const Clock &clock,
                         SessionRegistry &registry, const BackendDirectory &backends,
                         Handler &handler)
    : base_(base),
      options_(std::move(options)),
      clock_(clock),
      registry_(registry),
      backends_(backends),
      handler_(handler),
      random_(std::random_device{}()),
      retry_timer_(make_event(base, -1, 0, on_retry_c, this)),
      tick_timer_(make_event(base, -1, EV_PERSIST, on_tick_c, this)) {}

SessionLink::~SessionLink() = default;

void SessionLink::start() { dial(); }

void SessionLink::stop() {
  stopping_ = true;
  (void)event_del(retry_timer_.get());  // ignoring: deleting cannot fail here
  if (!channel_) return handler_.on_stopped();
  (void)write(link::Bye{"shutdown"});  // ignoring: a full queue says as much
  state_ = State::closing;
  channel_->close(true);
}

// ---- connection ----

void SessionLink::dial() {
  auto fd = unix_connect(options_.socket_path);
  if (!fd) {
    complain(fd.error().message);
    return retry_later();
  }
  const ChannelLimits limits{kLinkLineBytesMax, kLinkQueueBytesMax, Millis{0}};
  UnixChannel::Handler &self = *this;
  channel_ = std::make_unique<UnixChannel>(base_, std::move(*fd), limits, self);
  last_heard_ = clock_.now();
  stats_due_ = last_heard_;  // with the first tick, so that lists of backends are soon complete
  add_timer(tick_timer_.get(), options_.timing.activity_interval);
  state_ = State::greeting;
  const SocketOptions allowed{options_.socket_path, 0600, options_.allow_uids};
  if (access_by_uid(channel_->peer(), allowed) == PeerAccess::none) {
    return close(fmt::format("{} belongs to uid {}, which is not trusted", options_.socket_path,
                             channel_->peer().uid));
  }
  say_hello();
}

void SessionLink::say_hello() {
  (void)write(link::Hello{link::kVersion, options_.node, options_.instance, getpid(),
                          options_.version, options_.policy_names});  // ignoring: see mute()
}

// Doubles from retry_min to retry_max; half of it is chance, so that many proxies do not come back
// in step.
void SessionLink::retry_later() {
  const LinkTiming &timing = options_.timing;
  Millis delay = timing.retry_min * (1 << std::min(attempts_count_, 16u));
  delay = std::min(delay, timing.retry_max);
  ++attempts_count_;
  std::uniform_int_distribution<Millis::rep> part(delay.count() / 2, delay.count());
  add_timer(retry_timer_.get(), Millis{part(random_)});
}

// What went wrong is said once per outage, not at every attempt.
void SessionLink::complain(std::string_view why) {
  if (last_complaint_ == why) return;
  last_complaint_ = why;
  log_warn("event=sessiond_away reason={} hint=retrying", quoted(why));
}

void SessionLink::close(std::string_view why) {
  if (state_ == State::closing) return;
  complain(why);
  state_ = State::closing;
  channel_->close(false);
}

// Told to people last: who reads that sessiond is away finds the rules for it in force.
void SessionLink::on_closed(UnixChannel &, const Error &why) {
  const bool explained = state_ == State::closing;
  channel_.reset();
  (void)event_del(tick_timer_.get());  // ignoring: deleting cannot fail here
  state_ = State::down;
  muted_ = false;
  end_snapshot();
  snapshot_wanted_ = false;
  kept_.clear();
  if (std::exchange(welcomed_, false)) handler_.on_link_down();
  if (!explained) complain(why.message);
  if (stopping_) return handler_.on_stopped();
  retry_later();
}

void SessionLink::on_line(UnixChannel &, std::string_view line) {
  last_heard_ = clock_.now();
  auto message = link::decode_to_proxy(line);
  if (message) {
    std::visit([this](const auto &m) { on_message(m); }, *message);
  } else if (message.error().code == Errc::not_found) {
    (void)write(link::Unsupported{message.error().message});  // ignoring: courtesy only
  } else {
    close(message.error().message);
  }
}

void SessionLink::on_tick() {
  const MonoTime now = clock_.now();
  if (now - last_heard_ > options_.timing.silence_max) {
    return close(fmt::format("nothing heard for {} ms", (now - last_heard_).count()));
  }
  if (state_ != State::up || muted_) return;
  if (snapshot_wanted_ && !in_snapshot_) begin_snapshot();
  report_activity();
  if (now >= stats_due_) report_stats();
}

void SessionLink::set_policy_names(std::vector<std::string> names) {
  if (names == options_.policy_names) return;
  options_.policy_names = std::move(names);
  if (state_ == State::up || state_ == State::greeting) say_hello();
}

// ---- sending ----

bool SessionLink::send(const link::ToSessiond &message) {
  if (state_ != State::up) return false;
  return write(message);
}

bool SessionLink::write(const link::ToSessiond &message) {
  if (!channel_ || state_ == State::closing) return false;
  if (muted_) {
    keep(message);
    return false;
  }
  const std::string line = link::encode(message);
  if (line.size() >= kLinkLineBytesMax) {
    log_error("event=link_line_too_long bytes={} hint=\"ignoring this message\"", line.size());
    return false;
  }
  if (channel_->send(line)) return true;
  const bool full = channel_->queued_bytes() + line.size() + 1 > kLinkQueueBytesMax;
  if (!full) return false;  // sessiond has hung up; on_closed follows
  mute();
  keep(message);
  return false;
}

void SessionLink::mute() {
  muted_ = true;
  end_snapshot();
  log_warn("event=link_queue_full bytes={} hint=\"sessiond does not read; a snapshot follows\"",
           channel_->queued_bytes());
}

// A report is told by the next snapshot; an answer is told by nothing else.
void SessionLink::keep(const link::ToSessiond &message) {
  const bool answer = std::holds_alternative<link::Released>(message) ||
                      std::holds_alternative<link::Alive>(message) ||
                      std::holds_alternative<link::Idle>(message) ||
                      std::holds_alternative<link::Obeyed>(message) ||
                      std::holds_alternative<link::Reloaded>(message);
  if (!answer) return;
  if (kept_.size() == kKeptMax) return close("sessiond asks and does not read");
  kept_.push_back(message);
}

void SessionLink::on_drained(UnixChannel &) {
  if (state_ == State::closing) return;
  if (muted_) unmute();
  continue_snapshot();
}

void SessionLink::unmute() {
  muted_ = false;
  for (const link::ToSessiond &message : std::exchange(kept_, {})) (void)write(message);
  if (state_ != State::up) return say_hello();
  repeat_ends();
  handler_.on_ready();
  begin_snapshot();
}

void SessionLink::report_ended(link::Ended ended) {
  ends_.add(ended);
  (void)send(std::move(ended));  // ignoring: repeated until acknowledged
}

void SessionLink::repeat_ends() {
  for (const link::Ended &ended : ends_.waiting()) {
    if (!write(ended)) return;
  }
}

void SessionLink::report_activity() {
  // A snapshot under way says the same, and of sessions it has not reached nothing is known yet.
  if (in_snapshot_) return;
  while (channel_->queued_bytes() < kFeedBelowBytes) {
    link::Activity activity;
    registry_.collect_activity(kActivityPerLineMax, activity.sessions);
    const size_t collected = activity.sessions.size();
    if (collected == 0 || !write(std::move(activity)) || collected < kActivityPerLineMax) return;
  }
}

void SessionLink::want_stats() {
  const MonoTime now = clock_.now();
  stats_due_ = now;  // with the next tick, when they cannot go now
  if (state_ == State::up && !muted_ && now - stats_told_ >= kStatsGapMin) report_stats();
}

void SessionLink::report_stats() {
  stats_told_ = clock_.now();
  stats_due_ = stats_told_ + options_.timing.stats_interval;
  link::Stats stats = handler_.stats();
  // Thousands of backends do not fit a line; the first ones are better than none.
  while (!stats.backends.empty() && link::encode(stats).size() >= kLinkLineBytesMax) {
    stats.backends.resize(stats.backends.size() / 2);
  }
  (void)write(stats);  // ignoring: the next ones are totals again
}

void SessionLink::begin_snapshot() {
  snapshot_wanted_ = false;
  end_snapshot();
  if (!write(link::SnapshotBegin{})) return;
  in_snapshot_ = true;
  continue_snapshot();
}

// Each session is read at the moment its line is queued: whatever happens to it afterwards is
// reported behind that line, and of one that has ended nothing is said any more.
void SessionLink::continue_snapshot() {
  while (in_snapshot_ && channel_->queued_bytes() < kFeedBelowBytes) {
    if (!snapshot_left_.empty()) {
      auto record = registry_.record(snapshot_left_.back(), backends_);
      snapshot_left_.pop_back();
      if (record && !write(link::Snapshot{std::move(*record)})) return;
    } else if (snapshot_cursor_ != SessionRegistry::kEnd) {
      snapshot_cursor_ = registry_.ids(snapshot_cursor_, snapshot_left_);
    } else {
      end_snapshot();
      (void)write(link::SnapshotEnd{});  // ignoring: see mute()
    }
  }
}

void SessionLink::end_snapshot() {
  in_snapshot_ = false;
  snapshot_cursor_ = 0;
  snapshot_left_.clear();
}

// ---- obeying ----

void SessionLink::on_message(const link::Welcome &welcome) {
  if (welcome.v != link::kVersion) {
    (void)write(link::Bye{fmt::format("version {} is not known here", welcome.v)});
    return close(fmt::format("sessiond speaks version {} of the link, we speak {}", welcome.v,
                             link::kVersion));
  }
  state_ = State::up;
  attempts_count_ = 0;
  if (!std::exchange(welcomed_, true)) {
    last_complaint_.clear();
    log_info("event=sessiond_linked version={} policies={}", quoted(welcome.version),
             welcome.policies.size());
  }
  handler_.on_welcome(welcome);
  if (std::exchange(draining_, false)) handler_.on_drain(false);  // said again where it still holds
  registry_.set_policies(welcome.policies);
  keep_ends_for(welcome.tombstone_lifetime_ms);
  handler_.on_policies(welcome.policies);
  repeat_ends();
  handler_.on_ready();
}

void SessionLink::on_message(const link::Policies &policies) {
  registry_.set_policies(policies.policies);
  keep_ends_for(policies.tombstone_lifetime_ms);
  handler_.on_policies(policies.policies);
}

void SessionLink::keep_ends_for(const std::optional<int64_t> &lifetime_ms) {
  if (lifetime_ms) registry_.keep_ends_for(Millis{std::min(*lifetime_ms, kEndsKeptMsMax)});
}

void SessionLink::on_message(const link::Restored &restored) {
  const link::Record &record = restored.record;
  if (ends_.contains(record.session)) return;  // sessiond will hear that it is over
  const auto backend = backends_.find(record.backend);
  if (backend && record.transport == Transport::streamable) {
    std::vector<ExchangeRef> came;
    (void)registry_.restore(record, *backend, &came);  // ignoring: known already, or not to be had;
                                                       // the snapshot says which
    if (!came.empty()) handler_.on_ready_to_look(came);
  } else if (!registry_.knows(record.session, record.user)) {
    report_ended({record.session, EndReason::backend_lost, record.idle_ms});
  }
}

// The snapshot waits for what is handed back, so that it is the whole truth of this instance.
void SessionLink::on_message(const link::RestoredEnd &) {
  handler_.on_restored();
  begin_snapshot();
}

void SessionLink::on_message(const link::DropIfIdle &order) {
  auto verdict = registry_.drop_if_idle(order.session, Millis{order.idle_ms_min}, order.reason);
  if (auto *const ended = std::get_if<EndedSession>(&verdict)) {
    dropped(std::move(*ended), order.keep_backend);
  } else if (const auto *alive = std::get_if<StillAlive>(&verdict)) {
    say_alive(order.session, *alive);
  } else {
    report_ended({order.session, EndReason::unknown, 0});
  }
}

void SessionLink::on_message(const link::Probe &probe) {
  const auto verdict = registry_.probe(probe.session, Millis{probe.idle_ms_min}, probe.reason);
  if (const auto *idle = std::get_if<HeldIdle>(&verdict)) {
    // ignoring: see keep(); whoever waits goes on by itself
    (void)write(link::Idle{probe.session, probe.round, idle->idle.count()});
  } else if (const auto *alive = std::get_if<StillAlive>(&verdict)) {
    say_alive(probe.session, *alive);
  } else {
    report_ended({probe.session, EndReason::unknown, 0});
  }
}

void SessionLink::on_message(const link::Release &release) {
  const std::vector<ExchangeRef> waiting = registry_.release(SessionKeyView(release.session));
  if (!waiting.empty()) handler_.on_ready_to_look(waiting);
}

void SessionLink::say_alive(const std::string &session, const StillAlive &alive) {
  // ignoring: see keep()
  (void)write(link::Alive{session, alive.idle.count(), alive.in_flight, alive.unused_for.count(),
                          alive.used});
  if (!alive.waiting.empty()) handler_.on_ready_to_look(alive.waiting);
}

void SessionLink::on_message(const link::Drop &order) {
  if (auto ended = registry_.end(order.session, order.reason)) {
    dropped(std::move(*ended), order.keep_backend);
  } else {
    report_ended({order.session, EndReason::unknown, 0});
  }
}

void SessionLink::dropped(EndedSession ended, bool keep_backend) {
  ended.keep_backend = keep_backend;
  report_ended({ended.identity.id, ended.reason, ended.idle.count()});
  handler_.on_dropped(ended);
}

void SessionLink::on_message(const link::Set &set) {
  (void)registry_.set_persistent(set.session, set.persistent);  // ignoring: ended in the meantime
}

void SessionLink::on_message(const link::Acknowledged &heard) {
  ends_.acknowledge(heard.session);
  registry_.end_acknowledged(heard.session);
}

void SessionLink::on_message(const link::Drain &drain) {
  draining_ = drain.on;
  handler_.on_drain(drain.on);
  if (drain.token) (void)write(link::Obeyed{*drain.token});  // ignoring: see keep()
  if (drain.exit) handler_.on_exit_wanted();
}

void SessionLink::on_message(const link::Ping &ping) {
  (void)write(link::Pong{ping.n});  // ignoring: sessiond hears what is queued before it
}

void SessionLink::on_message(const link::Unsupported &unsupported) {
  log_warn("event=link_unsupported type={} hint=\"ignoring; sessiond is older than this proxy\"",
           quoted(unsupported.type));
}

void SessionLink::on_message(const link::Bye &bye) { close("sessiond said: " + bye.reason); }

}  // namespace holdfast::proxy
