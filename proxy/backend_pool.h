// Idle connections to one backend, newest first. Owned by the worker. Worker thread only.
#pragma once

#include <memory>
#include <vector>

#include "common/clock.h"
#include "proxy/backend_conn.h"

namespace holdfast::proxy {

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
  size_t idle_count() const noexcept { return idle_.size(); }

 private:
  Worker &worker_;
  std::vector<std::unique_ptr<BackendConn>> idle_;  // oldest first
};

}  // namespace holdfast::proxy
