#include "sessiond/core/admission.h"

namespace holdfast::sessiond {
namespace {

bool full(const std::optional<uint64_t> &cap, size_t count) { return cap && count >= *cap; }

}  // namespace

std::optional<CapReached> cap_reached(const SessionTable &table, const PolicyTable &policies,
                                      const PolicyState &policy, std::string_view user) {
  const PolicyState &top = policies.top();
  const bool own_caps = &policy != &top && policy.defined;
  if (full(top.rules.max_sessions, table.size())) {
    return CapReached{RefuseReason::max_sessions, &top};
  }
  if (own_caps && full(policy.rules.max_sessions, policy.sessions_count)) {
    return CapReached{RefuseReason::max_sessions, &policy};
  }
  const User *const known = table.find_user(user);
  if (known == nullptr || known->anonymous()) return std::nullopt;
  if (full(top.rules.max_sessions_per_user, known->sessions.size())) {
    return CapReached{RefuseReason::max_sessions_per_user, &top};
  }
  if (own_caps && full(policy.rules.max_sessions_per_user, known->count_of(policy))) {
    return CapReached{RefuseReason::max_sessions_per_user, &policy};
  }
  return std::nullopt;
}

}  // namespace holdfast::sessiond
