#include "proxy/session_record.h"

#include <algorithm>
#include <utility>

#include "proxy/mcp/era.h"

namespace holdfast::proxy {

SessionRecord::SessionRecord(const SessionIdentity &identity_in, bool persistent_in,
                             MonoTime created, MonoTime last_activity)
    : identity(identity_in),
      persistent(persistent_in),
      created_(created),
      last_activity_(last_activity),
      last_use_(last_activity) {}

void SessionRecord::begin(ExchangeRef exchange, bool expects_messages) {
  running_.push_back(
      {exchange, expects_messages ? Running::Hold::unclassified : Running::Hold::none, false});
}

void SessionRecord::begin_opening(ExchangeRef exchange) {
  running_.push_back({exchange, Running::Hold::none, false, true});
  requests_ += requests_at_start(identity.transport());
}

Running *SessionRecord::find(ExchangeRef exchange) {
  const auto at = std::find_if(running_.begin(), running_.end(),
                               [&](const Running &r) { return r.ref == exchange; });
  return at == running_.end() ? nullptr : &*at;
}

bool SessionRecord::classify(ExchangeRef exchange, std::span<const mcp::RpcMessage> messages,
                             const ActivityRules &rules, MonoTime now) {
  Running *running = find(exchange);
  if (running == nullptr) return false;
  if (messages.empty()) {
    running->hold = Running::Hold::not_understood;
    ++requests_;
    used_ = true;
    touch(now);
    return true;
  }
  bool moved = running->hold != Running::Hold::none;
  running->hold = Running::Hold::none;
  for (const mcp::RpcMessage &message : messages) {
    moved = note(message, exchange, rules, now) || moved;
  }
  return moved;
}

bool SessionRecord::note(const mcp::RpcMessage &message, ExchangeRef exchange,
                         const ActivityRules &rules, MonoTime now) {
  if (!has_working_method(message)) return false;
  ++requests_;
  initialized_ = initialized_ || message.method == mcp::kInitialize;
  used_ = used_ || (message.is_request() && message.method != mcp::kInitialize);
  const bool counts = rules.counts(message);
  if (counts) touch(now);
  if (message.is_request()) {
    Pending pending{keyed_hash(message.id), exchange, Pending::kWhileExchangeRuns, counts};
    if (identity.transport() == Transport::sse) pending.id = message.id;
    add_pending(std::move(pending), now);
  } else if (message.method == "notifications/cancelled" && !message.request_id.empty()) {
    bool counted = false;  // a request given up has no complete answer, so the clock stays
    (void)forget(message.request_id, counted);  // ignoring: its answer may have come already
  }
  return true;
}

void SessionRecord::add_pending(Pending pending, MonoTime now) {
  forget_expired(now);
  if (pending_.size() == kPendingMax) pending_.erase(pending_.begin());
  pending_.push_back(std::move(pending));
}

void SessionRecord::forget_expired(MonoTime now) {
  std::erase_if(pending_, [&](const Pending &p) { return p.expires <= now; });
}

bool SessionRecord::forget(std::string_view raw_id, bool &counted) {
  const uint64_t id_hash = keyed_hash(raw_id);
  const auto at = std::find_if(pending_.begin(), pending_.end(),
                               [&](const Pending &p) { return p.id_hash == id_hash; });
  if (at == pending_.end()) return false;
  counted = at->counts;
  pending_.erase(at);
  return true;
}

void SessionRecord::add_stream(ExchangeRef exchange) {
  if (Running *running = find(exchange)) running->stream = true;
}

bool SessionRecord::on_response(std::string_view raw_id, bool asked_elsewhere, MonoTime now) {
  bool counted = asked_elsewhere && identity.transport() == Transport::sse;
  if (!forget(raw_id, counted) && !counted) return false;
  if (counted) touch(now);
  return true;
}

bool SessionRecord::on_event(const ActivityRules &rules, MonoTime now) {
  // A listen stream is made of nothing but notifications: they are its activity under any policy.
  if (!rules.counts_events() && identity.transport() != Transport::listen) return false;
  touch(now);
  return true;
}

bool SessionRecord::finish(ExchangeRef exchange, SessionRegistry::Finish how,
                           const ActivityRules &rules, MonoTime now) {
  const Running *running = find(exchange);
  if (running == nullptr) return false;
  const Running::Hold hold = running->hold;
  const bool kept_alive = running->stream && rules.stream_keeps_alive();
  last_use_ = now;
  std::erase_if(running_, [&](const Running &r) { return r.ref == exchange; });

  bool moved = hold != Running::Hold::none || running->opening;
  bool complete = hold == Running::Hold::not_understood;
  for (Pending &pending : pending_) {
    if (pending.exchange != exchange || pending.expires != Pending::kWhileExchangeRuns) continue;
    moved = true;
    if (how == SessionRegistry::Finish::answered) {
      complete = complete || pending.counts;
      pending.expires = now;
    } else {
      pending.expires = now + rules.timeout();
    }
  }
  forget_expired(now);
  // A stream that alone kept the session: its idleness begins only now.
  if (kept_alive || (complete && how == SessionRegistry::Finish::answered)) touch(now);
  return moved || kept_alive;
}

int64_t SessionRecord::in_flight(MonoTime now) const {
  const auto held = std::count_if(running_.begin(), running_.end(),
                                  [](const Running &r) { return r.hold != Running::Hold::none; });
  const auto waiting = std::count_if(pending_.begin(), pending_.end(),
                                     [&](const Pending &p) { return p.expires > now; });
  return held + waiting;
}

// A request has waited for a decision that did not come.
bool SessionRecord::about_to_begin(MonoTime now) const {
  return anybody_waits(now) && now >= held_back()->until;
}

void SessionRecord::hold(MonoTime until) {
  if (!upkeep) upkeep = std::make_unique<SessionUpkeep>();
  upkeep->hold = std::make_unique<SessionHold>();
  upkeep->hold->until = until;
}

bool SessionRecord::on_hold(MonoTime now) const {
  const SessionHold *const hold = held_back();
  return hold != nullptr && now < hold->until;
}

void SessionRecord::wait(ExchangeRef exchange) {
  std::vector<ExchangeRef> &waiting = upkeep->hold->waiting;
  if (waiting.size() < SessionHold::kWaitingMax) waiting.push_back(exchange);
}

std::vector<ExchangeRef> SessionRecord::release() {
  if (held_back() == nullptr) return {};
  return std::exchange(upkeep->hold, nullptr)->waiting;
}

bool SessionRecord::anybody_waits(MonoTime now) const {
  const SessionHold *const hold = held_back();
  return hold != nullptr && !hold->waiting.empty() && now < hold->until + SessionHold::kBeginWithin;
}

void SessionRecord::note_elsewhere(MonoTime active) {
  last_activity_ = std::max(last_activity_, active);
  last_use_ = std::max(last_use_, active);
}

int64_t SessionRecord::streams() const {
  return std::count_if(running_.begin(), running_.end(), [](const Running &r) { return r.stream; });
}

MonoTime SessionRecord::next_expiry() const {
  MonoTime first = Pending::kWhileExchangeRuns;
  for (const Pending &pending : pending_) first = std::min(first, pending.expires);
  return first;
}

bool SessionRecord::held(const ActivityRules &rules, MonoTime now) const {
  return in_flight(now) > 0 || about_to_begin(now) || (rules.stream_keeps_alive() && streams() > 0);
}

Millis SessionRecord::unused_for(MonoTime now) const {
  return running_.empty() ? now - last_use_ : Millis{0};
}

bool SessionRecord::idle_enough(EndReason reason, Millis idle_min, MonoTime now) const {
  if (reason == EndReason::orphan_timeout) return running_.empty() && unused_for(now) >= idle_min;
  if (reason == EndReason::unused_timeout) return !used_ && age(now) >= idle_min;
  if (reason == EndReason::unknown) return false;  // idle in a sense this version cannot judge
  return idle(now) >= idle_min;
}

std::vector<ExchangeRef> SessionRecord::exchanges() const {
  std::vector<ExchangeRef> refs;
  refs.reserve(running_.size());
  for (const Running &running : running_) refs.push_back(running.ref);
  return refs;
}

// What still has its exchange is answered by that.
std::vector<std::string> SessionRecord::calls_in_flight(MonoTime now,
                                                        std::optional<ExchangeRef> carrier) const {
  std::vector<std::string> ids;
  for (const Pending &pending : pending_) {
    const bool taken = pending.expires != Pending::kWhileExchangeRuns && pending.expires > now;
    if (carrier && pending.exchange != *carrier) continue;
    if (taken && !pending.id.empty()) ids.push_back(pending.id);
  }
  return ids;
}

std::vector<ExchangeRef> SessionRecord::open_streams() const {
  std::vector<ExchangeRef> refs;
  for (const Running &running : running_) {
    if (running.stream) refs.push_back(running.ref);
  }
  return refs;
}

}  // namespace holdfast::proxy
