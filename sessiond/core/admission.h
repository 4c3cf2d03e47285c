// Whether one more session may begin. Reservations count from the moment they are made, so that
// concurrent initializes cannot overshoot. Pure; one thread.
#pragma once

#include <optional>
#include <string_view>

#include "sessiond/core/session_table.h"

namespace holdfast::sessiond {

// Who wants to begin a session.
struct Applicant {
  std::string_view user;
  std::string_view peer;
};

// Which cap a new session of this applicant and policy would break; nullopt when it may begin. All
// sessions count against the top-level policy's caps, and against a named policy's own in addition.
// Per-user caps do not apply to user "-": people without identity are not one person. Per-address
// caps do not apply to peers without an address.
struct CapReached {
  RefuseReason reason = RefuseReason::max_sessions;
  const PolicyState *policy = nullptr;  // whose cap; the top-level policy's counts everybody
};
std::optional<CapReached> cap_reached(const SessionTable &table, const PolicyTable &policies,
                                      const PolicyState &policy, const Applicant &who);

}  // namespace holdfast::sessiond
