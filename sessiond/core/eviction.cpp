#include "sessiond/core/eviction.h"

#include "sessiond/core/client_address.h"
#include "sessiond/core/reaper.h"

namespace holdfast::sessiond {
namespace {

// Keeps the longest idle of the sessions it is shown that may go.
class Choice {
 public:
  // `address`: where the cap is per address, the only one whose sessions count.
  Choice(const CapReached &cap, const PolicyState &top, const Address *address, MonoTime now)
      : cap_(cap), everybody_(cap.policy == &top), address_(address), now_(now) {}

  void consider(Session &s) {
    if (!counts(s) || !may_go(s)) return;
    if (best_ == nullptr || s.last_activity < best_->last_activity) best_ = &s;
  }
  Session *best() const noexcept { return best_; }

 private:
  bool counts(const Session &s) const noexcept {
    return (everybody_ || s.policy == cap_.policy) &&
           (address_ == nullptr || s.address == address_);
  }
  bool may_go(const Session &s) const noexcept {
    return s.state == SessionState::open && s.asked == Ask::none && !is_held(s) &&
           !is_persistent(s) && now_ - s.last_activity >= cap_.policy->rules.evict_grace;
  }

  const CapReached &cap_;
  bool everybody_;
  const Address *address_;
  MonoTime now_;
  Session *best_ = nullptr;
};

template <class List>
void consider_list(const List &sessions, Choice &choice) {
  size_t left = kEvictionLooksMax;
  for (Session *s = sessions.front(); s != nullptr && left > 0; s = List::next(*s)) {
    choice.consider(*s);
    --left;
  }
}

// A session is looked at no later than its timeout after its last activity (unused_timeout may want
// it sooner), so that nobody in a bucket is idle for longer than since that second less the
// timeout.
void consider_policy(const PolicyState &policy, Choice &choice) {
  size_t left = kEvictionLooksMax;
  for (const auto &[second, bucket] : policy.deadlines.buckets()) {
    const MonoTime longest_idle_since{std::chrono::seconds{second} - policy.rules.timeout};
    const Session *const best = choice.best();
    if (best != nullptr && best->last_activity < longest_idle_since) return;
    for (Session *s = bucket.front(); s != nullptr && left > 0; s = Deadlines::Bucket::next(*s)) {
      choice.consider(*s);
      --left;
    }
    if (left == 0) return;
  }
}

}  // namespace

Session *choose_victim(SessionTable &table, PolicyTable &policies, const CapReached &cap,
                       const Applicant &who, MonoTime now) {
  const bool per_address = cap.reason == RefuseReason::max_sessions_per_address;
  const Address *const address =
      per_address ? table.find_address(client_network(who.peer)) : nullptr;
  Choice choice(cap, policies.top(), address, now);
  const User *const own = table.find_user(who.user);
  if (own != nullptr && !own->anonymous()) consider_list(own->sessions, choice);
  if (choice.best() != nullptr || cap.reason == RefuseReason::max_sessions_per_user) {
    return choice.best();
  }
  if (address != nullptr) {
    consider_list(address->sessions, choice);
    return choice.best();
  }
  for (auto &[name, policy] : policies.all()) consider_policy(policy, choice);
  return choice.best();
}

}  // namespace holdfast::sessiond
