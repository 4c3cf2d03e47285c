// What people and machines ask about the whole: the counts of /health, and lists of sessions. Reads
// the core, changes nothing. Pure; the core's thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <utility>
#include <vector>

#include "sessiond/core/step.h"

namespace holdfast::sessiond {

enum class HealthStatus : uint8_t {
  ok,
  degraded,  // no proxy is linked, or one has an upstream without any server that is up
  draining,
};
std::string_view to_word(HealthStatus status) noexcept;

struct Health {
  HealthStatus status = HealthStatus::ok;
  size_t total_count = 0;   // sessions; reservations are not sessions yet
  size_t active_count = 0;  // idle for less than their policy's timeout, or held by a request
  // Sessions by user, sorted by name; valid until the next step.
  std::vector<std::pair<std::string_view, size_t>> by_user;
};

// Walks all sessions: some 10 ms per 100,000.
Health health(const Core &core, MonoTime now);

// Whether new sessions may go to this server of this proxy.
bool admits_sessions(const link::BackendInfo &backend) noexcept;

// True when a proxy is linked and every upstream it reports has a server that is up.
bool backends_up(const Core &core);

// How a session stands, for lists.
enum class Standing : uint8_t { opening, active, streaming, idle, closing };
std::string_view to_word(Standing standing) noexcept;
Standing standing_of(const Session &session) noexcept;

struct SessionList {
  std::vector<const Session *> sessions;  // at most as many as asked for; valid until the next step
  size_t matched_count = 0;
};
// Sessions and reservations that match, in the order of their instances, oldest entry first.
SessionList list_sessions(const Core &core, const SessionFilter &filter, size_t max, MonoTime now);

}  // namespace holdfast::sessiond
