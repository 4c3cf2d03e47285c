// Idle connections to one backend, newest first, and how it is spoken to by TLS. Owned by the
// worker, for as long as it lives. Worker thread only.
#pragma once

#include <memory>
#include <vector>

#include "common/clock.h"
#include "proxy/backend_conn.h"

namespace holdfast::proxy {

// What every TLS connection to one backend is made with.
struct BackendTls {
  TlsContext context;
  TlsPeer peer;
  bool resumes = true;
  std::string fingerprint;
};

class BackendPool {
 public:
  explicit BackendPool(Worker &worker) : worker_(worker) {}

  // A connection ready to send on: an idle one that is surely alive, else nullptr.
  std::unique_ptr<BackendConn> take(MonoTime now);
  // Keeps a released connection for later, the oldest giving way beyond `idle_max_count`.
  void put(std::unique_ptr<BackendConn> conn, MonoTime now, size_t idle_max_count);
  // An idle connection noticed its end; destroyed at the end of the turn.
  void remove(BackendConn &conn);
  // Closes what has been idle for too long.
  void sweep(MonoTime now);
  // From now on connections are made with `tls`. What was made with another one, and is idle, goes.
  void set_tls(BackendTls tls);
  bool speaks_tls() const noexcept { return static_cast<bool>(tls_.context); }
  // A TLS client on a socket connected to it. nullptr: out of memory. REQUIRES: speaks_tls()
  std::unique_ptr<TlsStream> make_tls(int fd);
  size_t idle_count() const noexcept { return idle_.size(); }

 private:
  Worker &worker_;
  BackendTls tls_;
  TlsSessionSlot session_;                          // connections refer to it
  std::vector<std::unique_ptr<BackendConn>> idle_;  // oldest first
};

}  // namespace holdfast::proxy
