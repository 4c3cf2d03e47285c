// What a session has beyond identity and clock, in locations that ask for it: one pointer in the
// record, null for everybody else. Owned by the record; called under the lock of its shard. Private
// to the registry.
#pragma once

#include <memory>

#include "common/clock.h"
#include "proxy/backend_ping.h"
#include "proxy/session_recovery.h"

namespace holdfast::proxy {

struct SessionUpkeep {
  std::unique_ptr<SessionRecovery> recovery;  // session_recovery on, and its initialize is known
  std::unique_ptr<BackendPing> ping;          // backend_ping
  MonoTime ping_at{};                         // key in Shard::pings, while it is there
};

}  // namespace holdfast::proxy
