#include "proxy/upstream.h"

#include <algorithm>
#include <cstring>

namespace holdfast::proxy {

UpstreamState::UpstreamState(const Upstream &upstream, std::vector<std::vector<BackendId>> backends)
    : backends_(std::move(backends)), keepalive_(upstream.keepalive) {
  for (const BackendServer &server : upstream.servers) {
    Peer peer;
    peer.weight = static_cast<int>(server.weight);
    peer.max_fails = server.max_fails;
    peer.fail_timeout = server.fail_timeout;
    peer.backup = server.backup;
    peer.down = server.down;
    peers_.push_back(peer);
  }
}

bool UpstreamState::counted_out(const Peer &peer, MonoTime now) const {
  // A lone server is never counted out: there is nowhere else to go.
  return peers_.size() > 1 && now < peer.out_until;
}

bool UpstreamState::up(size_t server, MonoTime now) const {
  return !peers_[server].down && now >= peers_[server].out_until;
}

bool UpstreamState::any_up(MonoTime now) const {
  for (size_t i = 0; i < peers_.size(); ++i) {
    if (up(i, now)) return true;
  }
  return false;
}

std::optional<BackendId> UpstreamState::untried(size_t server,
                                                const std::vector<BackendId> &tried) const {
  for (const BackendId id : backends_[server]) {
    if (std::find(tried.begin(), tried.end(), id) == tried.end()) return id;
  }
  return std::nullopt;
}

std::optional<BackendId> UpstreamState::pick_among(MonoTime now,
                                                   const std::vector<BackendId> &tried, bool backup,
                                                   bool ignore_failures) {
  Peer *best = nullptr;
  std::optional<BackendId> chosen;
  int total = 0;
  for (size_t i = 0; i < peers_.size(); ++i) {
    Peer &peer = peers_[i];
    if (peer.down || peer.backup != backup || (!ignore_failures && counted_out(peer, now)))
      continue;
    const std::optional<BackendId> id = untried(i, tried);
    if (!id) continue;
    peer.current += peer.weight;
    total += peer.weight;
    if (best == nullptr || peer.current > best->current) {
      best = &peer;
      chosen = id;
    }
  }
  if (best != nullptr) best->current -= total;
  return chosen;
}

std::optional<BackendId> UpstreamState::pick(MonoTime now, const std::vector<BackendId> &tried) {
  if (!tried.empty()) {
    // The next address of a name that resolved to several counts as the same server.
    const std::optional<size_t> last = server_of(tried.back());
    if (last) {
      const std::optional<BackendId> next = untried(*last, tried);
      if (next) return next;
    }
  }
  for (const bool ignore_failures : {false, true}) {
    for (const bool backup : {false, true}) {
      const std::optional<BackendId> id = pick_among(now, tried, backup, ignore_failures);
      if (id) return id;
    }
  }
  return std::nullopt;
}

std::optional<size_t> UpstreamState::server_of(BackendId backend) const {
  for (size_t i = 0; i < backends_.size(); ++i) {
    if (std::find(backends_[i].begin(), backends_[i].end(), backend) != backends_[i].end())
      return i;
  }
  return std::nullopt;
}

void UpstreamState::note_failure(BackendId backend, MonoTime now) {
  const std::optional<size_t> server = server_of(backend);
  if (!server) return;
  Peer &peer = peers_[*server];
  if (peer.max_fails == 0) return;
  if (peer.fails == 0 || now - peer.first_fail > peer.fail_timeout) {
    peer.fails = 0;
    peer.first_fail = now;
  }
  if (++peer.fails >= peer.max_fails) {
    peer.out_until = now + peer.fail_timeout;
    peer.fails = 0;
  }
}

void UpstreamState::note_success(BackendId backend) {
  const std::optional<size_t> server = server_of(backend);
  if (!server) return;
  peers_[*server].fails = 0;
  peers_[*server].out_until = MonoTime{};
}

BackendId intern_address(BackendDirectory &directory, const std::string &upstream,
                         const std::string &server, const SocketAddress &address,
                         const std::string &tls) {
  Backend backend;
  backend.name = upstream + "/" + server;
  backend.upstream = upstream;
  backend.server = server;
  std::memcpy(&backend.address, address.get(), address.length_bytes());
  backend.address_bytes = address.length_bytes();
  backend.tls = tls;
  return directory.intern(backend).value_or(kNoBackend);
}

std::string tls_name(const UpstreamTls &tls, const BackendServer &server) {
  return tls.name.empty() ? server.host : tls.name;
}

std::vector<BackendId> intern_server(BackendDirectory &directory, const Upstream &upstream,
                                     const BackendServer &server) {
  std::vector<BackendId> ids;
  const std::string tls =
      upstream.tls ? upstream.tls->identity + tls_name(*upstream.tls, server) : std::string();
  for (const SocketAddress &address : server.addresses) {
    // One address: as configured. Several: by address, since a session sticks to the one it
    // reached.
    const std::string text = server.addresses.size() == 1 ? server.text : address.text();
    const BackendId id = intern_address(directory, upstream.name, text, address, tls);
    if (id != kNoBackend) ids.push_back(id);
  }
  return ids;
}

}  // namespace holdfast::proxy
