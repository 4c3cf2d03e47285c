#include "sessiond/core/policy_table.h"

#include <limits>

namespace holdfast::sessiond {
namespace {

std::optional<int64_t> count_of(std::optional<uint64_t> cap) {
  constexpr auto kMax = static_cast<uint64_t>(std::numeric_limits<int64_t>::max());
  if (!cap) return std::nullopt;
  return static_cast<int64_t>(std::min(*cap, kMax));
}

link::PolicyInfo info_of(const PolicyState &policy) {
  link::PolicyInfo info;
  info.name = policy.name;
  info.persistent = policy.persistent;
  info.timeout_ms = policy.rules.timeout.count();
  info.max_sessions = count_of(policy.rules.max_sessions);
  info.max_sessions_per_user = count_of(policy.rules.max_sessions_per_user);
  info.max_sessions_per_address = count_of(policy.rules.max_sessions_per_address);
  info.activity = to_words(policy.rules.activity);
  info.stream_keeps_alive = policy.rules.stream_keeps_alive;
  return info;
}

}  // namespace

void PolicyTable::set(std::string_view name, const Policy &rules, bool is_defined) {
  PolicyState &policy = policies_[std::string(name)];
  policy.name = name;
  policy.rules = rules;
  policy.persistent = is_persistent(rules);
  policy.defined = is_defined;
}

void PolicyTable::replace(const Settings &settings) {
  for (auto &[name, policy] : policies_) set(name, settings.top, false);
  set("", settings.top, true);
  for (const NamedPolicy &named : settings.policies) set(named.name, named.policy, true);
  top_ = &policies_.find(std::string_view())->second;
}

PolicyState &PolicyTable::named(std::string_view name) {
  const auto at = policies_.find(name);
  if (at != policies_.end()) return at->second;
  set(name, top_->rules, false);
  return policies_.find(name)->second;
}

bool PolicyTable::defined(std::string_view name) const noexcept {
  const auto at = policies_.find(name);
  return at != policies_.end() && at->second.defined;
}

void PolicyTable::forget_unused() {
  std::erase_if(policies_, [](const auto &entry) {
    return !entry.second.defined && entry.second.sessions_count == 0;
  });
}

std::vector<link::PolicyInfo> PolicyTable::infos() const {
  std::vector<link::PolicyInfo> out{info_of(*top_)};
  for (const auto &[name, policy] : policies_) {
    if (policy.defined && &policy != top_) out.push_back(info_of(policy));
  }
  return out;
}

}  // namespace holdfast::sessiond
