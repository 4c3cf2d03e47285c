// Chooses a backend for a request that is not bound to one: smooth weighted round robin over the
// servers of an upstream block, counting out those that failed (max_fails within fail_timeout,
// nginx's rule), backups last. One per upstream and worker, rebuilt at reload. Worker thread only.
#pragma once

#include <optional>
#include <vector>

#include "common/clock.h"
#include "proxy/backend_directory.h"
#include "proxy/config.h"

namespace holdfast::proxy {

class UpstreamState {
 public:
  // `backends[i][j]`: the number of server i's address j.
  UpstreamState(const Upstream &upstream, std::vector<std::vector<BackendId>> backends);

  // The next backend to try; `tried` are those that already failed this request. When all servers
  // are counted out, all are given another chance (nginx does the same). nullopt: all were tried.
  std::optional<BackendId> pick(MonoTime now, const std::vector<BackendId> &tried);
  void note_failure(BackendId backend, MonoTime now);
  void note_success(BackendId backend);

  bool any_up(MonoTime now) const;
  bool up(size_t server, MonoTime now) const;
  const std::vector<std::vector<BackendId>> &backends() const { return backends_; }
  size_t keepalive() const { return keepalive_; }

 private:
  struct Peer {
    int weight = 1;
    int current = 0;  // smooth weighted round robin
    unsigned max_fails = 1;
    Millis fail_timeout{0};
    bool backup = false;
    bool down = false;
    unsigned fails = 0;
    MonoTime first_fail{};
    MonoTime out_until{};
  };
  bool counted_out(const Peer &peer, MonoTime now) const;
  std::optional<BackendId> pick_among(MonoTime now, const std::vector<BackendId> &tried,
                                      bool backup, bool ignore_failures);
  std::optional<BackendId> untried(size_t server, const std::vector<BackendId> &tried) const;
  std::optional<size_t> server_of(BackendId backend) const;

  std::vector<Peer> peers_;
  std::vector<std::vector<BackendId>> backends_;
  size_t keepalive_;
};

// The numbers of a server's addresses, given on first sight.
std::vector<BackendId> intern_server(BackendDirectory &directory, const Upstream &upstream,
                                     const BackendServer &server);
// The same for one address of our own choosing (sessiond's HTTP socket); kNoBackend when full.
BackendId intern_address(BackendDirectory &directory, const std::string &upstream,
                         const std::string &server, const SocketAddress &address,
                         const std::string &tls = {});
// The name a server's certificate must be for.
std::string tls_name(const UpstreamTls &tls, const BackendServer &server);

}  // namespace holdfast::proxy
