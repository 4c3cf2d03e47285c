// Who has to go when a cap is reached and its policy says evict_idle. Only chooses; asking the
// proxy and waiting for its answer are the core's. Pure; one thread.
#pragma once

#include "sessiond/core/admission.h"
#include "sessiond/core/session_table.h"

namespace holdfast::sessiond {

// Sessions considered per choice: enough to find one, and a bound for what one admit may cost.
inline constexpr size_t kEvictionLooksMax = 1024;

// The applicant's own longest-idle session (not for user "-"), else, when the cap is not per user,
// the longest-idle one; of those that count against the cap, as only they make room. Never one that
// is persistent, held, already asked about, or idle for less than the cap's policy's evict_grace.
// nullptr: nobody.
Session *choose_victim(SessionTable &table, PolicyTable &policies, const CapReached &cap,
                       const Applicant &who, MonoTime now);

}  // namespace holdfast::sessiond
