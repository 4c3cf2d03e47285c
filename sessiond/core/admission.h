// Whether one more session may begin. Reservations count from the moment they are made, so that
// concurrent initializes cannot overshoot. Pure; one thread.
#pragma once

#include <optional>
#include <string_view>

#include "sessiond/core/session_table.h"

namespace holdfast::sessiond {

// Which cap a new session of this user and policy would break; nullopt when it may begin. All
// sessions count against the top-level policy's caps, and against a named policy's own in addition.
// Per-user caps do not apply to user "-": people without identity are not one person.
struct CapReached {
  RefuseReason reason = RefuseReason::max_sessions;
  const PolicyState *policy = nullptr;  // whose cap; the top-level policy's counts everybody
};
std::optional<CapReached> cap_reached(const SessionTable &table, const PolicyTable &policies,
                                      const PolicyState &policy, std::string_view user);

}  // namespace holdfast::sessiond
