// The policies by name, with what belongs to each at run time: how many sessions count against it
// and when they are to be looked at. Names the proxies use and the configuration does not define
// follow the top-level policy. Owned by the core; addresses stay valid for as long as sessions (or
// the configuration) name the policy. Pure; one thread.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "common/link_messages.h"
#include "sessiond/core/deadlines.h"
#include "sessiond/core/settings.h"

namespace holdfast::sessiond {

struct PolicyState {
  std::string name;  // "" is the top-level policy
  Policy rules;
  bool persistent = false;  // is_persistent(rules)
  bool defined = false;     // false: only a proxy names it
  size_t sessions_count = 0;
  Deadlines deadlines;
};

class PolicyTable {
 public:
  explicit PolicyTable(const Settings &settings) { replace(settings); }
  PolicyTable(const PolicyTable &) = delete;
  PolicyTable &operator=(const PolicyTable &) = delete;

  // Takes over new rules. Deadlines are left as they were armed: the caller arms all sessions anew.
  void replace(const Settings &settings);

  PolicyState &top() noexcept { return *top_; }
  const PolicyState &top() const noexcept { return *top_; }
  // The policy of that name; an unknown name begins to exist with the top-level rules.
  PolicyState &named(std::string_view name);
  bool defined(std::string_view name) const noexcept;

  // Forgets undefined names no session uses any more.
  void forget_unused();

  std::map<std::string, PolicyState, std::less<>> &all() noexcept { return policies_; }
  const std::map<std::string, PolicyState, std::less<>> &all() const noexcept { return policies_; }

  // As the link tells them: the top-level one first.
  std::vector<link::PolicyInfo> infos() const;

 private:
  void set(std::string_view name, const Policy &rules, bool is_defined);

  std::map<std::string, PolicyState, std::less<>> policies_;
  PolicyState *top_ = nullptr;
};

}  // namespace holdfast::sessiond
