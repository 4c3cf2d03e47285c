// Chooses a backend for a request that is not bound to one, as the upstream block says: smooth
// weighted round robin, least_conn, or hash. Left out are servers that failed (max_fails within
// fail_timeout, nginx's rule) and those that take no new sessions (`down`, an admin's word);
// backups come last. A session's own requests never come here: they go where it lives. One per
// upstream and worker, rebuilt at reload; what it knows of a server's state all workers share
// (backend_stats.h). Worker thread only.
#pragma once

#include <optional>
#include <vector>

#include "common/clock.h"
#include "proxy/backend_directory.h"
#include "proxy/backend_stats.h"
#include "proxy/config.h"

namespace holdfast::proxy {

class UpstreamState {
 public:
  // `backends[i][j]`: the number of server i's address j. Borrows `stats`.
  UpstreamState(const Upstream &upstream, std::vector<std::vector<BackendId>> backends,
                BackendStats &stats);

  // The next backend to try; `tried` are those that already failed this request, `key` what `hash`
  // goes by (balance.h). When all servers are counted out, all are given another chance (nginx does
  // the same). nullopt: all were tried, or none takes new sessions.
  std::optional<BackendId> pick(MonoTime now, const std::vector<BackendId> &tried,
                                std::optional<uint64_t> key = std::nullopt);
  // The same for a session whose backend is lost: any server but that one, whatever its address.
  std::optional<BackendId> pick_other(MonoTime now, BackendId lost,
                                      std::optional<uint64_t> key = std::nullopt);
  // Whether this backend is one of its servers.
  bool has(BackendId backend) const { return server_of(backend).has_value(); }
  // Whether this backend takes new sessions now.
  bool admits(BackendId backend, MonoTime now) const;
  // Whether any other server than this backend's does.
  bool admits_elsewhere(BackendId backend, MonoTime now) const;

  void note_failure(BackendId backend, MonoTime now);
  void note_success(BackendId backend);

  bool any_up(MonoTime now) const;
  bool up(size_t server, MonoTime now) const;
  const std::vector<std::vector<BackendId>> &backends() const { return backends_; }
  size_t keepalive() const { return keepalive_; }
  // What `hash` makes its key of; empty without it.
  const std::vector<ValuePart> &hash_key() const { return hash_key_; }
  // Counts an exchange at its backend, where that decides anything.
  RunningMark mark_running(BackendId backend) const;

 private:
  struct Peer {
    int weight = 1;
    int current = 0;    // smooth weighted round robin
    uint64_t hash = 0;  // balance_server()
    unsigned max_fails = 1;
    Millis fail_timeout{0};
    bool backup = false;
    bool down = false;
  };
  // A server that may be chosen now, and the address that would be dialled.
  struct Offer {
    size_t server = 0;
    BackendId backend = kNoBackend;
    int weight = 1;
  };
  struct Who {
    MonoTime now;
    const std::vector<BackendId> &tried;
    std::optional<size_t> not_server;
    std::optional<uint64_t> key;
  };

  std::optional<BackendId> pick_for(const Who &who);
  void gather(const Who &who, bool backup, bool ignore_failures);
  std::optional<BackendId> choose(const Who &who);
  std::optional<BackendId> take_turn();
  void keep_least_loaded();
  std::optional<BackendId> by_hash(uint64_t key, bool backup) const;
  std::optional<BackendId> by_rendezvous(uint64_t key) const;

  bool counted_out(size_t server, MonoTime now) const;
  bool takes_sessions(size_t server, BackendId backend) const;
  std::optional<BackendId> untried(size_t server, const std::vector<BackendId> &tried) const;
  std::optional<size_t> server_of(BackendId backend) const;
  int weight_of(size_t server) const;
  int64_t load_of(size_t server) const;
  BackendStats::Cell *cell_of(size_t server) const;

  std::vector<Peer> peers_;
  std::vector<std::vector<BackendId>> backends_;
  std::vector<Offer> offers_;  // of the choice under way; kept for its capacity
  std::vector<ValuePart> hash_key_;
  BackendStats &stats_;
  Balance balance_;
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
