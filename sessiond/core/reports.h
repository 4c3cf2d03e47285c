// Between our sessions and how others describe them: the link's records and an admin's filter. A
// proxy's numbers are clamped, never believed blindly: a negative age or an absurd count must not
// reach an arithmetic that could overflow. Pure.
#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>

#include "common/clock.h"
#include "common/link_messages.h"
#include "sessiond/core/events.h"
#include "sessiond/core/session.h"

namespace holdfast::sessiond {

inline Millis age_of(int64_t age_ms) noexcept {
  constexpr int64_t kAgeMsMax = int64_t{100} * 366 * 24 * 3600 * 1000;  // a century
  return Millis{std::clamp<int64_t>(age_ms, 0, kAgeMsMax)};
}

inline int32_t small_count_of(int64_t count) noexcept {
  return static_cast<int32_t>(std::clamp<int64_t>(count, 0, std::numeric_limits<int32_t>::max()));
}

// The session as the link describes it.
link::Record record_of(const Session &session, MonoTime now);

bool matches(const SessionFilter &filter, const Session &session, MonoTime now);

}  // namespace holdfast::sessiond
