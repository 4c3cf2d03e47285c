#include "proxy/known_policies.h"

namespace holdfast::proxy {

void KnownPolicies::set(const std::vector<link::PolicyInfo> &policies) {
  policies_.clear();
  for (const link::PolicyInfo &policy : policies) {
    const bool capped = policy.max_sessions.has_value() ||
                        policy.max_sessions_per_user.has_value() ||
                        policy.max_sessions_per_address.has_value();
    policies_[policy.name] = {capped, policy.persistent};
  }
}

std::optional<KnownPolicies::Policy> KnownPolicies::find(std::string_view name) const {
  const auto top = policies_.find("");
  auto own = policies_.find(name);
  if (own == policies_.end()) own = top;
  if (own == policies_.end()) return std::nullopt;
  const bool all_capped = top != policies_.end() && top->second.capped;
  return Policy{own->second.capped || all_capped, own->second.persistent};
}

}  // namespace holdfast::proxy
