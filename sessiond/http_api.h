// The management HTTP API on its Unix socket, served with libevhtp: health, metrics, the JSON API
// and the status page (routes in http_routes.h). Reached only through the proxy, whose codec wrote
// every request; each connection is guarded all the same (http_guard.h). The only place that knows
// libevhtp, whose 1.2.18 is frozen and has the defects these rules keep away: one thread, one
// request a connection, answers complete and at once, nothing freed inside a callback.
// Loop thread only; its event_base must be without locks.
#pragma once

#include <memory>

#include "common/ev_ptr.h"
#include "common/unix_listener.h"
#include "sessiond/http_guard.h"
#include "sessiond/service.h"

namespace holdfast::sessiond {

class HttpApi {
 public:
  // Binds the socket; the errors are UnixSocket::bind's. Borrows base and service, which must
  // outlive *this.
  static Result<std::unique_ptr<HttpApi>> create(event_base *base, const SocketOptions &options,
                                                 Service &service,
                                                 const HttpDeadlines &deadlines = {});
  HttpApi(event_base *base, std::unique_ptr<UnixSocket> socket, Service &service,
          const HttpDeadlines &deadlines);
  ~HttpApi();  // ends live connections
  HttpApi(const HttpApi &) = delete;
  HttpApi &operator=(const HttpApi &) = delete;

  size_t connections_count() const noexcept;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace holdfast::sessiond
