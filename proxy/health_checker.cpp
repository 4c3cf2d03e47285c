#include "proxy/health_checker.h"

#include "proxy/upstream.h"
#include "proxy/worker.h"

namespace holdfast::proxy {

void HealthChecker::configure(const Config &config) {
  auto before = std::move(probes_);
  probes_.clear();
  for (const Upstream &upstream : config.upstreams) {
    if (!upstream.health_check) continue;
    for (const BackendServer &server : upstream.servers) {
      for (const BackendId subject : intern_server(worker_.backends(), upstream, server)) {
        const BackendId at = asked_at(upstream, server, subject);
        if (at == kNoBackend) continue;
        const auto known = before.find(subject);
        if (known != before.end() && known->second->is(at, *upstream.health_check)) {
          probes_.insert(before.extract(known));
          continue;
        }
        if (known != before.end()) before.erase(known);
        auto probe = std::make_unique<HealthProbe>(worker_, subject, at, *upstream.health_check);
        probe->start();
        probes_.emplace(subject, std::move(probe));
      }
    }
  }
}

BackendId HealthChecker::asked_at(const Upstream &upstream, const BackendServer &server,
                                  BackendId subject) {
  const uint16_t port = upstream.health_check->port;
  if (port == 0) return subject;
  const Backend &backend = worker_.backends().at(subject);
  const auto own = SocketAddress::from(
      static_cast<const sockaddr *>(static_cast<const void *>(&backend.address)),
      backend.address_bytes);
  const auto other = own ? SocketAddress::numeric(own->ip(), port) : std::nullopt;
  if (!other) return kNoBackend;
  const std::string name = upstream.name + "/" + other->text();
  const BackendId at =
      intern_address(worker_.backends(), std::string(kCheckUpstream), name, *other, backend.tls);
  if (at != kNoBackend && upstream.tls) worker_.speak_tls(at, *upstream.tls, server);
  return at;
}

}  // namespace holdfast::proxy
