#include "sessiond/core/eviction.h"

#include "sessiond/core/reaper.h"

namespace holdfast::sessiond {
namespace {

// Keeps the longest idle of the sessions it is shown that may go.
class Choice {
 public:
  Choice(const CapReached &cap, const PolicyState &top, MonoTime now)
      : cap_(cap), everybody_(cap.policy == &top), now_(now) {}

  void consider(Session &s) {
    if (!counts(s) || !may_go(s)) return;
    if (best_ == nullptr || s.last_activity < best_->last_activity) best_ = &s;
  }
  Session *best() const noexcept { return best_; }

 private:
  bool counts(const Session &s) const noexcept { return everybody_ || s.policy == cap_.policy; }
  bool may_go(const Session &s) const noexcept {
    return s.state == SessionState::open && s.asked == Ask::none && !is_held(s) &&
           !is_persistent(s) && now_ - s.last_activity >= cap_.policy->rules.evict_grace;
  }

  const CapReached &cap_;
  bool everybody_;
  MonoTime now_;
  Session *best_ = nullptr;
};

void consider_user(const User &user, Choice &choice) {
  using Sessions = IntrusiveList<Session, &Session::of_user>;
  size_t left = kEvictionLooksMax;
  for (Session *s = user.sessions.front(); s != nullptr && left > 0; s = Sessions::next(*s)) {
    choice.consider(*s);
    --left;
  }
}

// Deadlines are ordered by idleness, as one policy has one timeout: the first bucket with somebody
// who may go holds that policy's longest idle.
void consider_policy(const PolicyState &policy, Choice &choice) {
  size_t left = kEvictionLooksMax;
  const Session *const before = choice.best();
  for (const auto &[second, bucket] : policy.deadlines.buckets()) {
    for (Session *s = bucket.front(); s != nullptr && left > 0; s = Deadlines::Bucket::next(*s)) {
      choice.consider(*s);
      --left;
    }
    if (left == 0 || choice.best() != before) return;
  }
}

}  // namespace

Session *choose_victim(SessionTable &table, PolicyTable &policies, const CapReached &cap,
                       std::string_view user, MonoTime now) {
  Choice choice(cap, policies.top(), now);
  const User *const own = table.find_user(user);
  if (own != nullptr && !own->anonymous()) consider_user(*own, choice);
  if (choice.best() != nullptr || cap.reason == RefuseReason::max_sessions_per_user) {
    return choice.best();
  }
  for (auto &[name, policy] : policies.all()) consider_policy(policy, choice);
  return choice.best();
}

}  // namespace holdfast::sessiond
