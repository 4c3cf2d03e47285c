// When a session's backend session is to be pinged, so that a server which forgets idle sessions
// does not forget this one (backend_ping): after so long without a request to it, a little earlier
// by chance, so that sessions opened together are not pinged together. Never on behalf of a client
// that shows credentials: they are not kept, and a ping without them would be another's. Owned by
// the session's record; plain single-threaded state that the registry calls under the lock of the
// session's shard.
#pragma once

#include <cstdint>
#include <string>

#include "common/clock.h"

namespace holdfast::proxy {

// A ping that fails is tried again after ever longer: doubling up to so many times the interval.
inline constexpr unsigned kPingBackoffMax = 16;

// How a location wants its sessions' backends pinged.
struct PingTerms {
  Millis every{0};      // 0: not at all
  bool denied = false;  // the client shows credentials
  std::string head;  // of the request but for its end (see RecoveryHeads); of the client only Host
  std::string version;  // of MCP-Protocol-Version; empty: not sent
};

class BackendPing {
 public:
  // `chance`: any number that differs from session to session.
  BackendPing(PingTerms terms, uint64_t chance, MonoTime now);

  const PingTerms &terms() const { return terms_; }
  bool wanted() const { return terms_.every > Millis{0} && !terms_.denied; }

  // Something was asked of the backend session, or answered by it.
  void used(MonoTime now) { last_use_ = now; }
  // The next ping, as far as is known now.
  MonoTime due() const;
  void pinged(bool ok, MonoTime now);
  // It wants credentials: no more of these.
  void deny() { terms_.denied = true; }

 private:
  PingTerms terms_;
  Millis early_;  // so much before a whole interval, at most a tenth of it
  MonoTime last_use_;
  MonoTime last_failure_{};
  unsigned failures_ = 0;
};

}  // namespace holdfast::proxy
