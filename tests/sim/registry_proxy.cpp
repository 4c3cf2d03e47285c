#include "tests/sim/registry_proxy.h"

#include <algorithm>

#include "tests/sim/trace.h"

namespace holdfast::sim {
namespace {

constexpr Millis kReportInterval{1000};
constexpr size_t kRoomMin = 20;
const std::string kBackend = "everything/127.0.0.1:3001";

}  // namespace

RegistryProxy::RegistryProxy(const Clock &clock, Outlet &outlet, std::string node,
                             std::string instance)
    : clock_(clock),
      outlet_(outlet),
      node_(std::move(node)),
      instance_(std::move(instance)),
      registry_(clock) {
  proxy::Backend backend;
  backend.name = kBackend;
  backend.upstream = "everything";
  backend.server = "127.0.0.1:3001";
  backend_ = *backends_.intern(backend);
}

// ---- the connection ----

void RegistryProxy::on_connected() {
  (void)outlet_.send(link::Hello{link::kVersion, node_, instance_, 1, "sim", {"team"}});
}

void RegistryProxy::on_disconnected() {
  if (up_) room_.link_lost();
  free_.set_open(false);
  up_ = muted_ = in_snapshot_ = false;
  kept_.clear();
}

void RegistryProxy::on_message(const link::ToProxy &message) {
  std::visit([this](const auto &m) { obey(m); }, message);
}

void RegistryProxy::on_drained() {
  if (!std::exchange(muted_, false)) return continue_snapshot();
  for (link::ToSessiond &message : std::exchange(kept_, {})) (void)say(std::move(message));
  for (const link::Ended &ended : ends_.waiting()) (void)say(ended);
  ask_all();
  begin_snapshot();
}

void RegistryProxy::on_time() {
  for (const auto &late : room_.expire(clock_.now())) answer(late);
  std::vector<uint64_t> late;
  for (const auto &[exchange, waiting] : waiting_) {
    if (waiting.until <= clock_.now()) late.push_back(exchange);
  }
  for (const uint64_t exchange : late) {
    const auto at = waiting_.find(exchange);
    if (at == waiting_.end()) continue;
    const std::string session = at->second.session;
    look_again(registry_.release(session));
    look_again(exchange);
  }
  if (report_at_ && *report_at_ <= clock_.now()) report_activity();
}

std::optional<MonoTime> RegistryProxy::due() const {
  const bool may_report = up_ && !muted_ && !in_snapshot_;
  const auto report = may_report ? report_at_ : std::nullopt;
  std::optional<MonoTime> due = room_.next_deadline();
  if (report) due = std::min(due.value_or(MonoTime::max()), *report);
  for (const auto &[exchange, waiting] : waiting_) {
    due = std::min(due.value_or(MonoTime::max()), waiting.until);
  }
  return due;
}

bool RegistryProxy::settled() const {
  return up_ && !muted_ && !in_snapshot_ && !report_at_ && !room_.next_deadline() &&
         ends_.waiting().empty();
}

bool RegistryProxy::say(link::ToSessiond message) {
  if (!up_) return false;
  const bool answers = std::holds_alternative<link::Released>(message) ||
                       std::holds_alternative<link::Alive>(message) ||
                       std::holds_alternative<link::Idle>(message) ||
                       std::holds_alternative<link::Obeyed>(message) ||
                       std::holds_alternative<link::Reloaded>(message);
  if (!muted_ && outlet_.send(message)) return true;
  muted_ = true;
  in_snapshot_ = false;
  if (answers) kept_.push_back(std::move(message));
  return false;
}

void RegistryProxy::report_ended(link::Ended ended) {
  ends_.add(ended);
  (void)say(std::move(ended));
}

void RegistryProxy::begin_snapshot() {
  in_snapshot_ = false;
  if (!say(link::SnapshotBegin{})) return;
  in_snapshot_ = true;
  snapshot_left_ = sorted_ids();
  continue_snapshot();
}

void RegistryProxy::continue_snapshot() {
  while (in_snapshot_ && outlet_.room() > kRoomMin) {
    if (snapshot_left_.empty()) {
      in_snapshot_ = false;
      (void)say(link::SnapshotEnd{});
      return;
    }
    auto record = registry_.record(snapshot_left_.back(), backends_);
    snapshot_left_.pop_back();
    if (record && !say(link::Snapshot{std::move(*record)})) return;
  }
}

void RegistryProxy::note_activity() {
  if (!report_at_) report_at_ = clock_.now() + kReportInterval;
}

void RegistryProxy::report_activity() {
  if (!up_ || muted_ || in_snapshot_) return;
  report_at_.reset();
  link::Activity activity;
  registry_.collect_activity(kActivityPerLineMax, activity.sessions);
  // The registry's order is that of a hash with a key of this process.
  std::sort(activity.sessions.begin(), activity.sessions.end(),
            [](const auto &a, const auto &b) { return a.session < b.session; });
  if (!activity.sessions.empty()) (void)say(std::move(activity));
}

// ---- sessiond's words ----

void RegistryProxy::obey(const link::Welcome &welcome) {
  up_ = true;
  free_.set_open(false);
  free_.set_draining(false);
  obey(link::Policies{welcome.policies, {}});
  for (const link::Ended &ended : ends_.waiting()) (void)say(ended);
  ask_all();
}

void RegistryProxy::obey(const link::Policies &policies) {
  registry_.set_policies(policies.policies);
  room_.set_policies(policies.policies);
  free_.set_policies(policies.policies);
}

void RegistryProxy::obey(const link::RestoredEnd &) {
  free_.set_open(up_);
  begin_snapshot();
}

void RegistryProxy::obey(const link::Restored &restored) {
  if (ends_.contains(restored.record.session)) return;
  if (registry_.restore(restored.record, backend_)) {
    users_[restored.record.session] = restored.record.user;
  }
  note_activity();
}

void RegistryProxy::answer(const proxy::AdmissionRoom::Answer &answer) {
  const auto at = asking_.find(answer.waiter.exchange);
  const std::string session = at->second;
  asking_.erase(at);
  outlet_.on_decided(session, answer.answer.admitted);
}

void RegistryProxy::obey(const link::Admitted &admitted) {
  if (const auto waiting = room_.admitted(admitted)) return answer(*waiting);
  (void)say(link::Released{admitted.session, ReleaseReason::late});
}

void RegistryProxy::obey(const link::Refused &refused) {
  if (const auto waiting = room_.refused(refused)) answer(*waiting);
}

void RegistryProxy::obey(const link::DropIfIdle &order) {
  const auto verdict =
      registry_.drop_if_idle(order.session, Millis{order.idle_ms_min}, order.reason);
  if (const auto *ended = std::get_if<proxy::EndedSession>(&verdict)) {
    dropped(*ended);
  } else if (const auto *alive = std::get_if<proxy::StillAlive>(&verdict)) {
    say_alive(order.session, *alive);
  } else {
    report_ended({order.session, EndReason::unknown, 0});
  }
}

void RegistryProxy::obey(const link::Probe &probe) {
  const auto verdict = registry_.probe(probe.session, Millis{probe.idle_ms_min}, probe.reason);
  if (const auto *idle = std::get_if<proxy::HeldIdle>(&verdict)) {
    (void)say(link::Idle{probe.session, probe.round, idle->idle.count()});
  } else if (const auto *alive = std::get_if<proxy::StillAlive>(&verdict)) {
    say_alive(probe.session, *alive);
  } else {
    report_ended({probe.session, EndReason::unknown, 0});
  }
}

void RegistryProxy::obey(const link::Release &release) {
  look_again(registry_.release(release.session));
}

void RegistryProxy::say_alive(const std::string &session, const proxy::StillAlive &alive) {
  (void)say(link::Alive{session, alive.idle.count(), alive.in_flight, alive.unused_for.count(),
                        alive.used});
  look_again(alive.waiting);
}

void RegistryProxy::obey(const link::Drop &order) {
  if (const auto ended = registry_.end(order.session, order.reason)) return dropped(*ended);
  report_ended({order.session, EndReason::unknown, 0});
}

void RegistryProxy::dropped(const proxy::EndedSession &ended) {
  users_.erase(ended.identity.id);
  outlet_.on_ended(ended.identity.id, ended.reason);
  report_ended({ended.identity.id, ended.reason, ended.idle.count()});
  for (const proxy::ExchangeRef &waiting : ended.waiting) waiting_.erase(waiting.exchange);
}

void RegistryProxy::obey(const link::Set &set) {
  (void)registry_.set_persistent(set.session, set.persistent);
}

void RegistryProxy::obey(const link::Acknowledged &heard) {
  ends_.acknowledge(heard.session);
  registry_.end_acknowledged(heard.session);
}

void RegistryProxy::obey(const link::Drain &drain) {
  free_.set_draining(drain.on);
  if (drain.token) (void)say(link::Obeyed{*drain.token});
}

void RegistryProxy::obey(const link::Reload &reload) {
  (void)say(link::Reloaded{reload.token, true, "done"});
}

void RegistryProxy::obey(const link::Ping &ping) { (void)say(link::Pong{ping.n}); }

// ---- clients and backends ----

void RegistryProxy::ask(const Wish &wish) {
  if (free_.persistence_of(wish.policy)) return outlet_.on_decided(wish.session, true);
  asking_[++last_waiter_] = wish.session;
  room_.enter({wish.session, wish.user, wish.policy, wish.transport, "127.0.0.1", "ide", "1"},
              {0, last_waiter_},
              wish.serve_alone ? proxy::WhenDown::serve : proxy::WhenDown::automatic, clock_.now());
  ask_all();
}

void RegistryProxy::ask_all() {
  while (const link::Admit *const request = room_.next_to_ask()) {
    if (!say(*request)) return;
    room_.asked();
  }
}

void RegistryProxy::give_up(const std::string &session) {
  std::erase_if(asking_, [&](const auto &entry) { return entry.second == session; });
  if (room_.leave(session)) (void)say(link::Released{session, ReleaseReason::client_gone});
}

void RegistryProxy::bind(const Wish &wish) {
  const proxy::ExchangeRef opener{0, ++last_waiter_};
  registry_.bind({wish.session, wish.user, wish.policy, wish.transport, backend_,
                  "b-" + wish.session, "/mcp", "127.0.0.1", "ide", "1"},
                 false, opener);
  (void)registry_.finish(wish.session, opener, proxy::SessionRegistry::Finish::answered);
  users_[wish.session] = wish.user;
  if (room_.settle(wish.session)) {
    (void)say(link::Bound{wish.session, kBackend, "b-" + wish.session, "/mcp"});
  } else if (auto record = registry_.record(wish.session, backends_)) {
    (void)say(link::Snapshot{std::move(*record)});
  }
  note_activity();
}

void RegistryProxy::release(const Wish &wish, ReleaseReason reason) {
  if (room_.settle(wish.session)) (void)say(link::Released{wish.session, reason});
}

ProxySide::Begin RegistryProxy::begin(const std::string &session, uint64_t exchange,
                                      bool expects_messages) {
  proxy::SessionView view;
  const auto user = users_.find(session);
  if (user == users_.end()) return Begin::unknown;
  require(!registry_.begin(session, user->second + "x", {0, exchange}, expects_messages, view),
          "S1", "{} opened to a stranger", session);
  if (registry_.begin(session, user->second, {0, exchange}, expects_messages, view)) {
    return Begin::begun;
  }
  return view.held ? Begin::waiting : Begin::unknown;
}

ProxySide::Begin RegistryProxy::begin_request(const std::string &session, uint64_t exchange,
                                              bool counts) {
  const Begin outcome = try_request(session, exchange, counts);
  if (outcome == Begin::waiting) {
    waiting_[exchange] = {session, counts, clock_.now() + kSharedWaitMax};
  }
  return outcome;
}

void RegistryProxy::look_again(const std::vector<proxy::ExchangeRef> &waiting) {
  for (const proxy::ExchangeRef &ref : waiting) look_again(ref.exchange);
}

// What has waited begins; what is held once more waits on.
void RegistryProxy::look_again(uint64_t exchange) {
  const auto at = waiting_.find(exchange);
  if (at == waiting_.end()) return;
  const Waiting waiting = at->second;
  const Begin outcome = try_request(waiting.session, exchange, waiting.counts);
  if (outcome == Begin::waiting) return;
  waiting_.erase(at);
  if (outcome == Begin::begun) outlet_.on_begun(waiting.session, exchange);
}

ProxySide::Begin RegistryProxy::try_request(const std::string &session, uint64_t exchange,
                                            bool counts) {
  const Begin outcome = begin(session, exchange, true);
  if (outcome != Begin::begun) return outcome;
  mcp_message_.method = counts ? "tools/call" : "tools/list";
  mcp_message_.id = std::to_string(exchange);
  mcp_message_.has_id = mcp_message_.has_method = mcp_message_.complete = true;
  registry_.classify(session, {0, exchange}, {&mcp_message_, 1});
  note_activity();
  return outcome;
}

void RegistryProxy::finish_request(const std::string &session, uint64_t exchange) {
  registry_.on_response(session, std::to_string(exchange));
  (void)registry_.finish(session, {0, exchange}, proxy::SessionRegistry::Finish::answered);
  note_activity();
}

bool RegistryProxy::open_stream(const std::string &session, uint64_t exchange) {
  // A stream that would have to wait is not asked for: the registry forgets who it does not find.
  if (begin(session, exchange, false) != Begin::begun) return false;
  registry_.add_stream(session, {0, exchange});
  registry_.stream_told(session, true);
  streams_.insert(exchange);
  (void)say(link::Opened{session, static_cast<int64_t>(exchange), StreamKind::get});
  return true;
}

void RegistryProxy::close_stream(const std::string &session, uint64_t exchange) {
  if (streams_.erase(exchange) == 0 || !holds(session)) return;
  const Millis idle =
      registry_.finish(session, {0, exchange}, proxy::SessionRegistry::Finish::answered);
  registry_.stream_told(session, false);
  (void)say(link::Closed{session, static_cast<int64_t>(exchange), StreamReason::client_closed,
                         idle.count(), 0});
  note_activity();
}

void RegistryProxy::end(const std::string &session, EndReason reason) {
  if (const auto ended = registry_.end(session, reason)) dropped(*ended);
}

bool RegistryProxy::holds(const std::string &session) const {
  return registry_.record(session, backends_).has_value();
}

std::vector<std::string> RegistryProxy::sorted_ids() const {
  std::vector<std::string> ids;
  for (size_t cursor = 0; cursor != proxy::SessionRegistry::kEnd;) {
    cursor = registry_.ids(cursor, ids);
  }
  std::sort(ids.begin(), ids.end());
  return ids;
}

std::vector<link::Record> RegistryProxy::records() const {
  std::vector<link::Record> out;
  for (const std::string &id : sorted_ids()) {
    if (auto record = registry_.record(id, backends_)) out.push_back(std::move(*record));
  }
  return out;
}

}  // namespace holdfast::sim
