#include "proxy/backend_pool.h"

#include <algorithm>

#include "proxy/worker.h"

namespace holdfast::proxy {

std::unique_ptr<BackendConn> BackendPool::take(MonoTime now) {
  while (!idle_.empty()) {
    std::unique_ptr<BackendConn> conn = std::move(idle_.back());
    idle_.pop_back();
    if (conn->wake(now)) return conn;
    worker_.bury(std::move(conn));
  }
  return nullptr;
}

void BackendPool::put(std::unique_ptr<BackendConn> conn, MonoTime now, size_t idle_max_count) {
  if (idle_max_count == 0) {
    worker_.bury(std::move(conn));
    return;
  }
  if (idle_.size() >= idle_max_count) {
    worker_.bury(std::move(idle_.front()));
    idle_.erase(idle_.begin());
  }
  conn->rest(now);
  idle_.push_back(std::move(conn));
}

void BackendPool::remove(BackendConn &conn) {
  const auto at =
      std::find_if(idle_.begin(), idle_.end(), [&](const auto &c) { return c.get() == &conn; });
  if (at == idle_.end()) return;
  worker_.bury(std::move(*at));
  idle_.erase(at);
}

void BackendPool::set_tls(BackendTls tls) {
  if (tls.fingerprint == tls_.fingerprint && speaks_tls()) return;
  tls_ = std::move(tls);
  session_.session.reset();
  session_.context = tls_.context.get();
  for (std::unique_ptr<BackendConn> &conn : idle_) worker_.bury(std::move(conn));
  idle_.clear();
}

std::unique_ptr<TlsStream> BackendPool::make_tls(int fd) {
  return TlsStream::connect(tls_.context, fd, tls_.peer, tls_.resumes ? &session_ : nullptr);
}

void BackendPool::sweep(MonoTime now) {
  while (!idle_.empty() && now - idle_.front()->idle_since() >= idle_.front()->idle_max()) {
    worker_.bury(std::move(idle_.front()));
    idle_.erase(idle_.begin());
  }
}

}  // namespace holdfast::proxy
