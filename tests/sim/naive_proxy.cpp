#include "tests/sim/naive_proxy.h"

#include <algorithm>

#include "common/limits.h"

namespace holdfast::sim {
namespace {

constexpr Millis kReportInterval{1000};
constexpr size_t kRoomMin = 20;
const std::string kBackend = "everything/127.0.0.1:3001";

}  // namespace

// ---- the connection ----

void NaiveProxy::on_connected() {
  (void)outlet_.send(link::Hello{link::kVersion, node_, instance_, 1, "sim", {"team"}});
}

void NaiveProxy::on_disconnected() {
  up_ = muted_ = in_snapshot_ = restored_ = draining_ = false;
  reserved_.clear();
  kept_.clear();
  for (auto &[id, waiting] : waiting_) waiting.asked = false;
}

void NaiveProxy::on_message(const link::ToProxy &message) {
  std::visit([this](const auto &m) { obey(m); }, message);
}

void NaiveProxy::on_drained() {
  if (!std::exchange(muted_, false)) return continue_snapshot();
  for (link::ToSessiond &message : std::exchange(kept_, {})) (void)say(std::move(message));
  for (const link::Ended &ended : unheard_) (void)say(ended);
  ask_waiting();
  begin_snapshot();
}

void NaiveProxy::on_time() {
  const MonoTime now = clock_.now();
  for (auto at = waiting_.begin(); at != waiting_.end();) {
    if (at->second.deadline > now) {
      ++at;
      continue;
    }
    const Wish wish = at->second.wish;
    at = waiting_.erase(at);
    outlet_.on_decided(wish.session, wish.serve_alone);
  }
  for (auto &[id, live] : live_) {
    if (live.held_until && *live.held_until <= now) let_go(id, live);
  }
  if (report_at_ && *report_at_ <= now) report_activity();
}

std::optional<MonoTime> NaiveProxy::due() const {
  std::optional<MonoTime> due = up_ && !muted_ ? report_at_ : std::nullopt;
  for (const auto &[id, waiting] : waiting_)
    due = std::min(due.value_or(MonoTime::max()), waiting.deadline);
  for (const auto &[id, live] : live_) {
    if (live.held_until) due = std::min(due.value_or(MonoTime::max()), *live.held_until);
  }
  return due;
}

bool NaiveProxy::settled() const {
  const bool told = std::none_of(live_.begin(), live_.end(),
                                 [](const auto &entry) { return entry.second.dirty; });
  return up_ && !muted_ && !in_snapshot_ && told && waiting_.empty() && unheard_.empty();
}

bool NaiveProxy::say(link::ToSessiond message) {
  if (!up_) return false;
  const bool answer = std::holds_alternative<link::Released>(message) ||
                      std::holds_alternative<link::Alive>(message) ||
                      std::holds_alternative<link::Idle>(message) ||
                      std::holds_alternative<link::Obeyed>(message) ||
                      std::holds_alternative<link::Reloaded>(message);
  if (!muted_ && outlet_.send(message)) return true;
  muted_ = true;
  in_snapshot_ = false;
  if (answer) kept_.push_back(std::move(message));
  return false;
}

void NaiveProxy::tell_ended(const std::string &session, EndReason reason, Millis idle) {
  const link::Ended ended{session, reason, idle.count()};
  // Asked again about one it does not know, a proxy whose queue is full has said so already.
  const bool waits = std::any_of(unheard_.begin(), unheard_.end(),
                                 [&](const link::Ended &e) { return e.session == session; });
  if (!waits) unheard_.push_back(ended);
  if (unheard_.size() > kUnackedEndsMax) unheard_.pop_front();
  (void)say(ended);
}

void NaiveProxy::begin_snapshot() {
  in_snapshot_ = false;
  snapshot_left_.clear();
  if (!say(link::SnapshotBegin{})) return;
  in_snapshot_ = true;
  for (const auto &[id, live] : live_) snapshot_left_.push_back(id);
  continue_snapshot();
}

// Never so much that the snapshot itself fills the queue.
void NaiveProxy::continue_snapshot() {
  while (in_snapshot_ && outlet_.room() > kRoomMin) {
    if (snapshot_left_.empty()) {
      in_snapshot_ = false;
      (void)say(link::SnapshotEnd{});
      return;
    }
    Live *const live = find(snapshot_left_.back());
    snapshot_left_.pop_back();
    if (live == nullptr) continue;
    if (!say(link::Snapshot{record_of(*live)})) return;
    live->dirty = false;
  }
}

void NaiveProxy::ask_waiting() {
  for (auto &[id, waiting] : waiting_) {
    if (waiting.asked) continue;
    const Wish &wish = waiting.wish;
    if (!say(link::Admit{id, wish.user, wish.policy, wish.transport, "127.0.0.1", "ide", "1"}))
      return;
    waiting.asked = true;
  }
}

void NaiveProxy::report_activity() {
  report_at_.reset();
  link::Activity activity;
  for (auto &[id, live] : live_) {
    if (!live.dirty) continue;
    const link::Record now = record_of(live);
    activity.sessions.push_back({id, now.idle_ms, now.in_flight, now.requests});
  }
  if (activity.sessions.empty() || !say(std::move(activity))) return;
  for (auto &[id, live] : live_) live.dirty = false;
}

// ---- sessiond's words ----

void NaiveProxy::obey(const link::Welcome &welcome) {
  up_ = true;
  restored_ = draining_ = false;
  obey(link::Policies{welcome.policies, {}});
  for (const link::Ended &ended : unheard_) (void)say(ended);
  ask_waiting();
}

void NaiveProxy::obey(const link::Policies &policies) {
  policies_.clear();
  for (const link::PolicyInfo &policy : policies.policies) policies_[policy.name] = policy;
}

void NaiveProxy::obey(const link::Restored &restored) {
  const link::Record &record = restored.record;
  const bool over = std::any_of(unheard_.begin(), unheard_.end(), [&](const link::Ended &ended) {
    return ended.session == record.session;
  });
  if (over) return;
  if (Live *const mine = find(record.session)) {
    const MonoTime active = clock_.now() - Millis{record.idle_ms};
    mine->last_activity = std::max(mine->last_activity, active);
    mine->last_use = std::max(mine->last_use, active);
    mine->used = true;
    return note_dirty(*mine);
  }
  Live live;
  live.wish = {record.session, record.user, record.policy, record.transport, false};
  live.created = clock_.now() - Millis{record.age_ms};
  live.last_activity = live.last_use = clock_.now() - Millis{record.idle_ms};
  live.requests_count = record.requests;
  live.persistent = record.persistent;
  live.used = true;
  note_dirty(live_.emplace(record.session, live).first->second);
}

void NaiveProxy::obey(const link::RestoredEnd &) {
  restored_ = up_;
  begin_snapshot();
}

void NaiveProxy::obey(const link::Admitted &admitted) {
  if (waiting_.erase(admitted.session) == 0) {
    (void)say(link::Released{admitted.session, ReleaseReason::late});
    return;
  }
  reserved_.insert(admitted.session);
  outlet_.on_decided(admitted.session, true);
}

void NaiveProxy::obey(const link::Refused &refused) {
  if (waiting_.erase(refused.session) != 0) outlet_.on_decided(refused.session, false);
}

void NaiveProxy::obey(const link::DropIfIdle &order) {
  Live *const live = find(order.session);
  if (live == nullptr) return tell_ended(order.session, EndReason::unknown, Millis{0});
  if (live->held_until && *live->held_until <= clock_.now()) let_go(order.session, *live);
  if (idle_enough(*live, order.reason, Millis{order.idle_ms_min}))
    return end(order.session, order.reason);
  say_alive(order.session, *live);
}

bool NaiveProxy::idle_enough(const Live &live, EndReason reason, Millis idle_min) const {
  const MonoTime now = clock_.now();
  const bool quiet = live.requests.empty() && live.streams.empty();
  bool may_go = now - live.last_activity >= idle_min;
  if (reason == EndReason::orphan_timeout) may_go = quiet && now - live.last_use >= idle_min;
  if (reason == EndReason::unused_timeout) may_go = !live.used && now - live.created >= idle_min;
  return may_go && live.requests.empty() && !keeps_alive(live);
}

void NaiveProxy::say_alive(const std::string &session, Live &live) {
  const MonoTime now = clock_.now();
  const bool quiet = live.requests.empty() && live.streams.empty();
  const Millis unused = quiet ? now - live.last_use : Millis{0};
  (void)say(link::Alive{session, (now - live.last_activity).count(),
                        static_cast<int64_t>(live.requests.size()), unused.count(), live.used});
  let_go(session, live);
}

void NaiveProxy::obey(const link::Probe &probe) {
  Live *const live = find(probe.session);
  if (live == nullptr) return tell_ended(probe.session, EndReason::unknown, Millis{0});
  if (!live->waiting.empty()) let_go(probe.session, *live);
  if (!idle_enough(*live, probe.reason, Millis{probe.idle_ms_min})) {
    return say_alive(probe.session, *live);
  }
  live->held_until = clock_.now() + kSharedWaitMax;
  (void)say(link::Idle{probe.session, probe.round, (clock_.now() - live->last_activity).count()});
}

void NaiveProxy::obey(const link::Release &release) {
  if (Live *const live = find(release.session)) let_go(release.session, *live);
}

void NaiveProxy::let_go(const std::string &session, Live &live) {
  live.held_until.reset();
  for (const auto &[exchange, counts] : std::exchange(live.waiting, {})) {
    begin(live, exchange, counts);
    outlet_.on_begun(session, exchange);
  }
}

void NaiveProxy::obey(const link::Drop &order) {
  if (find(order.session) != nullptr) return end(order.session, order.reason);
  tell_ended(order.session, EndReason::unknown, Millis{0});
}

void NaiveProxy::obey(const link::Set &set) {
  if (Live *const live = find(set.session)) live->persistent = set.persistent;
}

void NaiveProxy::obey(const link::Acknowledged &heard) {
  const auto at = std::find_if(unheard_.begin(), unheard_.end(), [&](const link::Ended &ended) {
    return ended.session == heard.session;
  });
  if (at != unheard_.end()) unheard_.erase(at);
}

void NaiveProxy::obey(const link::Drain &drain) {
  draining_ = drain.on;
  if (drain.token) (void)say(link::Obeyed{*drain.token});
}

void NaiveProxy::obey(const link::Reload &reload) {
  (void)say(link::Reloaded{reload.token, true, "done"});
}

void NaiveProxy::obey(const link::Ping &ping) { (void)say(link::Pong{ping.n}); }

// ---- clients and backends ----

void NaiveProxy::ask(const Wish &wish) {
  if (free(wish)) return outlet_.on_decided(wish.session, true);
  waiting_[wish.session] = {wish, clock_.now() + kAdmitDeadline, false};
  ask_waiting();
}

void NaiveProxy::give_up(const std::string &session) {
  const auto at = waiting_.find(session);
  if (at == waiting_.end()) return;
  const bool asked = at->second.asked;
  waiting_.erase(at);
  if (asked) (void)say(link::Released{session, ReleaseReason::client_gone});
}

void NaiveProxy::bind(const Wish &wish) {
  Live live;
  live.wish = wish;
  live.created = live.last_activity = live.last_use = clock_.now();
  const auto at = live_.emplace(wish.session, live).first;
  if (reserved_.erase(wish.session) != 0) {
    (void)say(link::Bound{wish.session, kBackend, "b-" + wish.session, "/mcp"});
  } else {
    (void)say(link::Snapshot{record_of(at->second)});
  }
}

void NaiveProxy::release(const Wish &wish, ReleaseReason reason) {
  if (reserved_.erase(wish.session) != 0) (void)say(link::Released{wish.session, reason});
}

ProxySide::Begin NaiveProxy::begin_request(const std::string &session, uint64_t exchange,
                                           bool counts) {
  Live *const live = find(session);
  if (live == nullptr) return Begin::unknown;
  if (live->held_until && clock_.now() < *live->held_until) {
    live->waiting[exchange] = counts;
    return Begin::waiting;
  }
  begin(*live, exchange, counts);
  return Begin::begun;
}

void NaiveProxy::begin(Live &live, uint64_t exchange, bool counts) {
  live.requests[exchange] = counts;
  live.used = true;
  ++live.requests_count;
  if (counts) live.last_activity = clock_.now();
  note_dirty(live);
}

void NaiveProxy::finish_request(const std::string &session, uint64_t exchange) {
  Live *const live = find(session);
  if (live == nullptr || !live->requests.contains(exchange)) return;
  if (live->requests.at(exchange)) live->last_activity = clock_.now();
  live->last_use = clock_.now();
  live->requests.erase(exchange);
  note_dirty(*live);
}

bool NaiveProxy::open_stream(const std::string &session, uint64_t exchange) {
  Live *const live = find(session);
  if (live == nullptr) return false;
  if (live->held_until && clock_.now() < *live->held_until) return false;
  live->streams.insert(exchange);
  (void)say(link::Opened{session, static_cast<int64_t>(exchange), StreamKind::get});
  return true;
}

void NaiveProxy::close_stream(const std::string &session, uint64_t exchange) {
  Live *const live = find(session);
  if (live == nullptr || !live->streams.contains(exchange)) return;
  live->last_use = clock_.now();
  // The stream alone kept it: only now does its idleness begin.
  if (keeps_alive(*live)) live->last_activity = clock_.now();
  live->streams.erase(exchange);
  const Millis idle = clock_.now() - live->last_activity;
  (void)say(link::Closed{session, static_cast<int64_t>(exchange), StreamReason::client_closed,
                         idle.count(), 0});
}

void NaiveProxy::end(const std::string &session, EndReason reason) {
  const auto at = live_.find(session);
  if (at == live_.end()) return;
  const Millis idle = clock_.now() - at->second.last_activity;
  live_.erase(at);
  outlet_.on_ended(session, reason);
  tell_ended(session, reason, idle);
}

std::vector<link::Record> NaiveProxy::records() const {
  std::vector<link::Record> out;
  for (const auto &[id, live] : live_) out.push_back(record_of(live));
  return out;
}

// ---- small things ----

bool NaiveProxy::keeps_alive(const Live &live) const {
  if (live.streams.empty()) return false;
  const link::PolicyInfo *const policy = policy_of(live.wish);
  return policy != nullptr && policy->stream_keeps_alive;
}

const link::PolicyInfo *NaiveProxy::policy_of(const Wish &wish) const {
  auto policy = policies_.find(wish.policy);
  if (policy == policies_.end()) policy = policies_.find("");
  return policy == policies_.end() ? nullptr : &policy->second;
}

bool NaiveProxy::free(const Wish &wish) const {
  const link::PolicyInfo *const policy = policy_of(wish);
  if (!restored_ || draining_ || policy == nullptr) return false;
  for (const link::PolicyInfo *p : {policy, &policies_.at("")}) {
    if (p->max_sessions || p->max_sessions_per_user || p->max_sessions_per_address) return false;
  }
  return true;
}

link::Record NaiveProxy::record_of(const Live &live) const {
  link::Record record;
  record.session = live.wish.session;
  record.user = live.wish.user;
  record.policy = live.wish.policy;
  record.transport = live.wish.transport;
  record.backend = kBackend;
  record.age_ms = (clock_.now() - live.created).count();
  record.idle_ms = (clock_.now() - live.last_activity).count();
  record.in_flight = static_cast<int64_t>(live.requests.size());
  record.requests = live.requests_count;
  record.streams = static_cast<int64_t>(live.streams.size());
  record.persistent = live.persistent;
  record.peer = "127.0.0.1";
  return record;
}

NaiveProxy::Live *NaiveProxy::find(const std::string &session) {
  const auto at = live_.find(session);
  return at == live_.end() ? nullptr : &at->second;
}

void NaiveProxy::note_dirty(Live &live) {
  live.dirty = true;
  if (!report_at_) report_at_ = clock_.now() + kReportInterval;
}

}  // namespace holdfast::sim
