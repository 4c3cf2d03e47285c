#include "proxy/upstream.h"

#include <algorithm>
#include <cstring>

#include "proxy/balance.h"

namespace holdfast::proxy {
namespace {

// Draws of `hash` before it goes round instead, as in nginx: with most servers out it would go on
// for long.
constexpr unsigned kDrawsMax = 20;

constexpr auto kRelaxed = std::memory_order_relaxed;

}  // namespace

UpstreamState::UpstreamState(const Upstream &upstream, std::vector<std::vector<BackendId>> backends,
                             BackendStats &stats)
    : backends_(std::move(backends)),
      hash_key_(upstream.hash_key),
      stats_(stats),
      balance_(upstream.balance),
      keepalive_(upstream.keepalive) {
  for (const BackendServer &server : upstream.servers) {
    Peer peer;
    peer.weight = static_cast<int>(server.weight);
    peer.hash = balance_server(server.text);
    peer.max_fails = server.max_fails;
    peer.fail_timeout = server.fail_timeout;
    peer.backup = server.backup;
    peer.down = server.down;
    peers_.push_back(peer);
  }
}

// ---- what is known of a server ----

BackendStats::Cell *UpstreamState::cell_of(size_t server) const {
  return backends_[server].empty() ? nullptr : &stats_.cells[backends_[server].front()];
}

bool UpstreamState::counted_out(size_t server, MonoTime now) const {
  const BackendStats::Cell *const cell = cell_of(server);
  return cell != nullptr && now.time_since_epoch().count() < cell->out_until_ms.load(kRelaxed);
}

// By the admin's word, else the configuration's, and by the active checks.
bool UpstreamState::takes_sessions(size_t server, BackendId backend) const {
  const BackendStats::Cell &cell = stats_.cells[backend];
  switch (cell.order.load(kRelaxed)) {
    case ServerOrder::none:
      if (peers_[server].down) return false;
      break;
    case ServerOrder::ready:
      break;
    case ServerOrder::drain:
    case ServerOrder::maint:
      return false;
  }
  return !cell.check_failed();
}

int UpstreamState::weight_of(size_t server) const {
  const BackendStats::Cell *const cell = cell_of(server);
  const int32_t ordered =
      cell == nullptr ? BackendStats::kConfiguredWeight : cell->weight.load(kRelaxed);
  return ordered == BackendStats::kConfiguredWeight ? peers_[server].weight : ordered;
}

int64_t UpstreamState::load_of(size_t server) const {
  int64_t load = 0;
  for (const BackendId id : backends_[server]) {
    load += stats_.cells[id].sessions.load(kRelaxed) + stats_.cells[id].running.load(kRelaxed);
  }
  return load;
}

bool UpstreamState::up(size_t server, MonoTime now) const {
  return weight_of(server) > 0 && !counted_out(server, now) && untried(server, {}).has_value();
}

bool UpstreamState::any_up(MonoTime now) const {
  for (size_t i = 0; i < peers_.size(); ++i) {
    if (up(i, now)) return true;
  }
  return false;
}

bool UpstreamState::admits(BackendId backend, MonoTime now) const {
  const std::optional<size_t> server = server_of(backend);
  return server && up(*server, now) && takes_sessions(*server, backend);
}

bool UpstreamState::admits_elsewhere(BackendId backend, MonoTime now) const {
  const std::optional<size_t> own = server_of(backend);
  for (size_t i = 0; i < peers_.size(); ++i) {
    if (i != own && up(i, now)) return true;
  }
  return false;
}

std::optional<BackendId> UpstreamState::untried(size_t server,
                                                const std::vector<BackendId> &tried) const {
  for (const BackendId id : backends_[server]) {
    if (!takes_sessions(server, id)) continue;
    if (std::find(tried.begin(), tried.end(), id) == tried.end()) return id;
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

RunningMark UpstreamState::mark_running(BackendId backend) const {
  if (balance_ != Balance::least_conn) return {};
  return RunningMark(stats_.cells[backend].running);
}

// ---- the choice ----

std::optional<BackendId> UpstreamState::pick(MonoTime now, const std::vector<BackendId> &tried,
                                             std::optional<uint64_t> key) {
  if (!tried.empty()) {
    // The next address of a name that resolved to several counts as the same server.
    const std::optional<size_t> last = server_of(tried.back());
    if (last) {
      const std::optional<BackendId> next = untried(*last, tried);
      if (next) return next;
    }
  }
  return pick_for({now, tried, std::nullopt, key});
}

std::optional<BackendId> UpstreamState::pick_other(MonoTime now, BackendId lost,
                                                   std::optional<uint64_t> key) {
  const std::vector<BackendId> none_tried;
  return pick_for({now, none_tried, server_of(lost), key});
}

std::optional<BackendId> UpstreamState::pick_for(const Who &who) {
  for (const bool ignore_failures : {false, true}) {
    for (const bool backup : {false, true}) {
      gather(who, backup, ignore_failures);
      const std::optional<BackendId> id = choose(who);
      if (id) return id;
    }
  }
  return std::nullopt;
}

void UpstreamState::gather(const Who &who, bool backup, bool ignore_failures) {
  offers_.clear();
  // A lone server is never counted out: there is nowhere else to go.
  const bool lone = peers_.size() == 1;
  for (size_t i = 0; i < peers_.size(); ++i) {
    const Peer &peer = peers_[i];
    if (peer.backup != backup || i == who.not_server) continue;
    if (!ignore_failures && !lone && counted_out(i, who.now)) continue;
    const std::optional<BackendId> id = untried(i, who.tried);
    const int weight = weight_of(i);
    if (id && weight > 0) offers_.push_back({i, *id, weight});
  }
}

std::optional<BackendId> UpstreamState::choose(const Who &who) {
  if (offers_.empty()) return std::nullopt;
  switch (balance_) {
    case Balance::round_robin:
      break;
    case Balance::least_conn:
      keep_least_loaded();
      break;
    case Balance::hash: {
      const bool backup = peers_[offers_.front().server].backup;
      const auto id = who.key ? by_hash(*who.key, backup) : std::nullopt;
      if (id) return id;
      break;
    }
    case Balance::consistent_hash:
      if (who.key) return by_rendezvous(*who.key);
      break;
  }
  return take_turn();
}

// Smooth weighted round robin among the offers.
std::optional<BackendId> UpstreamState::take_turn() {
  const Offer *best = nullptr;
  int total = 0;
  for (const Offer &offer : offers_) {
    Peer &peer = peers_[offer.server];
    peer.current += offer.weight;
    total += offer.weight;
    if (best == nullptr || peer.current > peers_[best->server].current) best = &offer;
  }
  if (best == nullptr) return std::nullopt;
  peers_[best->server].current -= total;
  return best->backend;
}

// Leaves those with the least load for their weight; between equals the turn decides.
void UpstreamState::keep_least_loaded() {
  int64_t least = 0;
  int64_t its_weight = 0;
  size_t kept = 0;
  for (const Offer &offer : offers_) {
    const int64_t load = load_of(offer.server);
    // load / weight < least / its_weight, without dividing
    const bool less = its_weight == 0 || load * its_weight < least * offer.weight;
    if (!less && load * its_weight != least * offer.weight) continue;
    if (less) {
      least = load;
      its_weight = offer.weight;
      kept = 0;
    }
    offers_[kept++] = offer;
  }
  offers_.resize(kept);
}

// A draw among all servers of the kind, wanted or not, so that one that is out moves no keys but
// its own; if it is not on offer, the next draw decides.
std::optional<BackendId> UpstreamState::by_hash(uint64_t key, bool backup) const {
  uint64_t total = 0;
  for (size_t i = 0; i < peers_.size(); ++i) {
    if (peers_[i].backup == backup) total += static_cast<uint64_t>(weight_of(i));
  }
  for (unsigned attempt = 0; attempt < kDrawsMax && total > 0; ++attempt) {
    uint64_t point = draw(key, attempt) % total;
    for (size_t i = 0; i < peers_.size(); ++i) {
      if (peers_[i].backup != backup) continue;
      const auto weight = static_cast<uint64_t>(weight_of(i));
      if (point >= weight) {
        point -= weight;
        continue;
      }
      const auto offered = std::find_if(offers_.begin(), offers_.end(),
                                        [i](const Offer &offer) { return offer.server == i; });
      if (offered != offers_.end()) return offered->backend;
      break;
    }
  }
  return std::nullopt;
}

std::optional<BackendId> UpstreamState::by_rendezvous(uint64_t key) const {
  const Offer *best = nullptr;
  double best_score = 0;
  for (const Offer &offer : offers_) {
    const double score = rendezvous_score(key, peers_[offer.server].hash, offer.weight);
    if (best != nullptr && score <= best_score) continue;
    best = &offer;
    best_score = score;
  }
  if (best == nullptr) return std::nullopt;
  return best->backend;
}

// ---- failures ----

// Workers may count at the same moment; one failure more or less is no harm.
void UpstreamState::note_failure(BackendId backend, MonoTime now) {
  const std::optional<size_t> server = server_of(backend);
  if (!server) return;
  const Peer &peer = peers_[*server];
  if (peer.max_fails == 0) return;
  BackendStats::Cell &cell = *cell_of(*server);
  const int64_t now_ms = now.time_since_epoch().count();
  const int64_t window_begin_ms = now_ms - peer.fail_timeout.count();
  if (cell.fails.load(kRelaxed) == 0 || cell.first_fail_ms.load(kRelaxed) < window_begin_ms) {
    cell.fails.store(0, kRelaxed);
    cell.first_fail_ms.store(now_ms, kRelaxed);
  }
  if (cell.fails.fetch_add(1, kRelaxed) + 1 >= peer.max_fails) {
    cell.out_until_ms.store(now_ms + peer.fail_timeout.count(), kRelaxed);
    cell.fails.store(0, kRelaxed);
  }
}

void UpstreamState::note_success(BackendId backend) {
  const std::optional<size_t> server = server_of(backend);
  if (!server) return;
  BackendStats::Cell &cell = *cell_of(*server);
  // The usual case writes nothing: the line stays shared between the workers.
  if (cell.fails.load(kRelaxed) != 0) cell.fails.store(0, kRelaxed);
  if (cell.out_until_ms.load(kRelaxed) != INT64_MIN) cell.out_until_ms.store(INT64_MIN, kRelaxed);
}

// ---- numbers ----

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
