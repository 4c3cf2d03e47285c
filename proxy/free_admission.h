// Who may open a session without asking sessiond first (PROTOCOL.md 1.5): where neither the policy
// nor the top level has a cap there is no slot to reserve, so that a question would cost every
// client a round trip for an answer that is known. Only while the link stands and sessiond has told
// all it has to tell, so that it hears of the session at once and its order to drain is known here.
// Told by the control thread, asked by any worker; holds a lock for a look-up, never longer.
//
//   shut ──restored_end──▶ open ──welcome, link down──▶ shut
//                          (a drain holds it shut until it is over)
#pragma once

#include <mutex>
#include <optional>
#include <string_view>
#include <vector>

#include "common/link_messages.h"
#include "proxy/known_policies.h"

namespace holdfast::proxy {

class FreeAdmission {
 public:
  void set_policies(const std::vector<link::PolicyInfo> &policies);
  void set_open(bool open);
  void set_draining(bool draining);

  // Whether a new session of this policy is persistent, if it may open without asking; nullopt:
  // sessiond must be asked.
  std::optional<bool> persistence_of(std::string_view policy) const;

 private:
  mutable std::mutex mutex_;
  KnownPolicies policies_;
  bool open_ = false;
  bool draining_ = false;
};

}  // namespace holdfast::proxy
