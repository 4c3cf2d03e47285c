#include "proxy/session_recovery.h"

#include <algorithm>
#include <utility>

#include "common/ids.h"

namespace holdfast::proxy {

SessionRecovery::SessionRecovery(std::string initialize, std::string_view raw_id)
    : initialize_(std::move(initialize)), id_hash_(keyed_hash(raw_id)) {}

bool SessionRecovery::awaits(std::string_view raw_id) const {
  return !result_ && keyed_hash(raw_id) == id_hash_;
}

// ---- one recovery at a time ----

bool SessionRecovery::hopeless(MonoTime now) const {
  return !result_ || (in_row_ >= kRecoveriesInRowMax && now - last_success_ < kRecoveryCalm);
}

SessionRecovery::Start SessionRecovery::start(std::optional<ExchangeRef> who, uint32_t seen,
                                              MonoTime now) {
  if (seen != generation_) return Start::moved_on;
  if (recovering_) {
    if (waiting_.size() >= kRecoveryWaitersMax) return Start::resting;
    if (who) waiting_.push_back(*who);
    return Start::wait;
  }
  if (hopeless(now)) return Start::hopeless;
  if (now < rest_until_) return Start::resting;
  recovering_ = true;
  if (who) waiting_.push_back(*who);
  return Start::lead;
}

std::vector<ExchangeRef> SessionRecovery::settle() {
  recovering_ = false;
  return std::exchange(waiting_, {});
}

std::vector<ExchangeRef> SessionRecovery::succeeded(MonoTime now) {
  in_row_ = in_row_ > 0 && now - last_success_ < kRecoveryCalm ? in_row_ + 1 : 1;
  last_success_ = now;
  failures_ = 0;
  rest_until_ = MonoTime{};
  ++generation_;
  event_ids_.clear();
  next_event_id_ = 0;
  streams_wait = false;
  return settle();
}

std::vector<ExchangeRef> SessionRecovery::failed(MonoTime now) {
  constexpr unsigned kDoublingsMax = 10;
  const Millis rest = kRecoveryRestMin * (1 << std::min(failures_, kDoublingsMax));
  rest_until_ = now + std::min(rest, kRecoveryRestMax);
  ++failures_;
  return settle();
}

Millis SessionRecovery::rest(MonoTime now) const { return std::max(rest_until_ - now, Millis{0}); }

// ---- what the server held for the client ----

void SessionRecovery::remember(Kept kind, uint64_t uri_hash, std::string body) {
  if (kind == Kept::log_level) {
    log_level_ = body.size() <= kReplayBytesMax ? std::move(body) : std::string();
    return;
  }
  std::erase_if(subscriptions_, [&](const Subscription &s) { return s.uri_hash == uri_hash; });
  if (kind == Kept::unsubscribe || body.size() > kReplayBytesMax) return;
  if (subscriptions_.size() == kReplaysMax) subscriptions_.erase(subscriptions_.begin());
  subscriptions_.push_back({uri_hash, std::move(body)});
}

std::vector<std::string> SessionRecovery::replays() const {
  std::vector<std::string> bodies;
  if (!log_level_.empty()) bodies.push_back(log_level_);
  for (const Subscription &subscription : subscriptions_) bodies.push_back(subscription.body);
  return bodies;
}

// ---- the fence ----

void SessionRecovery::on_server_request(std::string_view raw_id, uint32_t generation) {
  if (asked_.size() == kServerRequestsMax) {
    forgot_lost_ = forgot_lost_ || asked_.front().generation != generation_;
    asked_.erase(asked_.begin());
  }
  asked_.push_back({keyed_hash(raw_id), generation});
}

// Both backend sessions count from 0, so the same id may have been asked twice. Clients answer in
// no certain order; that the first answer is the older question's errs on the side of safety, for
// an answer given to another question is worse than one that is missing.
bool SessionRecovery::answers_the_lost(std::string_view raw_id) {
  if (raw_id.empty()) {
    return forgot_lost_ || std::any_of(asked_.begin(), asked_.end(),
                                       [&](const Asked &a) { return a.generation != generation_; });
  }
  const uint64_t id_hash = keyed_hash(raw_id);
  const auto at = std::find_if(asked_.begin(), asked_.end(),
                               [&](const Asked &a) { return a.id_hash == id_hash; });
  if (at == asked_.end()) return forgot_lost_;
  const bool lost = at->generation != generation_;
  asked_.erase(at);
  return lost;
}

void SessionRecovery::on_event_id(uint64_t id_hash, uint32_t generation) {
  if (generation_ == 0 || generation != generation_) return;
  if (event_ids_.size() < kEventIdsMax) {
    event_ids_.push_back(id_hash);
    return;
  }
  event_ids_[next_event_id_] = id_hash;
  next_event_id_ = (next_event_id_ + 1) % kEventIdsMax;
}

bool SessionRecovery::may_resume_after(uint64_t id_hash) const {
  return generation_ == 0 ||
         std::find(event_ids_.begin(), event_ids_.end(), id_hash) != event_ids_.end();
}

}  // namespace holdfast::proxy
