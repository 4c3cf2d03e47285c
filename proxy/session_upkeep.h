// What a session has beyond identity and clock, where its location asks for it or where other
// proxies hold it, too: one pointer in the record, null for everybody else. Owned by the record;
// called under the lock of its shard. Private to the registry.
#pragma once

#include <memory>
#include <vector>

#include "common/clock.h"
#include "proxy/backend_ping.h"
#include "proxy/exchange_ref.h"
#include "proxy/session_recovery.h"

namespace holdfast::proxy {

// This holder has said that the session is idle, and other holders are being asked (PROTOCOL.md
// 1.6): until something is decided, new requests of the session wait.
struct SessionHold {
  // Requests that are told of the decision; others find out by themselves when their wait ends.
  static constexpr size_t kWaitingMax = 1024;
  // When nothing was decided, those that waited hold the session until they have begun: each looks
  // again within a moment, unless its client has left.
  static constexpr Millis kBeginWithin{1000};

  MonoTime until{};
  std::vector<ExchangeRef> waiting;
};

struct SessionUpkeep {
  std::unique_ptr<SessionRecovery> recovery;  // session_recovery on, and its initialize is known
  std::unique_ptr<BackendPing> ping;          // backend_ping
  MonoTime ping_at{};                         // key in Shard::pings, while it is there
  std::unique_ptr<SessionHold> hold;
};

}  // namespace holdfast::proxy
