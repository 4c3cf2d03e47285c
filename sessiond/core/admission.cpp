#include "sessiond/core/admission.h"

#include "sessiond/core/client_address.h"

namespace holdfast::sessiond {
namespace {

using Cap = std::optional<uint64_t>;

bool full(const Cap &cap, size_t count) { return cap && count >= *cap; }

// A cap of one kind, first the top level's, then the policy's own.
struct CapKind {
  RefuseReason reason;
  Cap Policy::*cap;
};

std::optional<CapReached> reached(const CapKind &kind, const PolicyState &top,
                                  const PolicyState &policy, size_t all_count, size_t own_count) {
  if (full(top.rules.*kind.cap, all_count)) return CapReached{kind.reason, &top};
  const bool own_caps = &policy != &top && policy.defined;
  if (own_caps && full(policy.rules.*kind.cap, own_count)) return CapReached{kind.reason, &policy};
  return std::nullopt;
}

constexpr CapKind kTotal{RefuseReason::max_sessions, &Policy::max_sessions};
constexpr CapKind kPerUser{RefuseReason::max_sessions_per_user, &Policy::max_sessions_per_user};
constexpr CapKind kPerAddress{RefuseReason::max_sessions_per_address,
                              &Policy::max_sessions_per_address};

}  // namespace

std::optional<CapReached> cap_reached(const SessionTable &table, const PolicyTable &policies,
                                      const PolicyState &policy, const Applicant &who) {
  const PolicyState &top = policies.top();
  if (const auto cap = reached(kTotal, top, policy, table.size(), policy.sessions_count)) {
    return cap;
  }
  const User *const user = table.find_user(who.user);
  if (user != nullptr && !user->anonymous()) {
    const size_t own_count = user->by_policy.of(policy);
    if (const auto cap = reached(kPerUser, top, policy, user->sessions.size(), own_count)) {
      return cap;
    }
  }
  const Address *const address = table.find_address(client_network(who.peer));
  if (address == nullptr) return std::nullopt;
  return reached(kPerAddress, top, policy, address->sessions.size(), address->by_policy.of(policy));
}

}  // namespace holdfast::sessiond
