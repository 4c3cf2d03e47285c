// World: what clients and backends do.
#include <algorithm>

#include "sessiond/core/sharing.h"
#include "tests/sim/world.h"

namespace holdfast::sim {
namespace {

constexpr size_t kRequestsMax = 3;
constexpr size_t kStreamsMax = 2;
// A small queue, so that histories reach its bound.
constexpr size_t kUpMax = 40;

}  // namespace

void World::client_step() {
  Node &node = *rng_.pick(nodes_);
  if (node.frozen_since) return;
  const bool full = node.clients.size() >= scenario_.live_max;
  if (node.clients.empty() || (!full && rng_.percent(scenario_.live_max > 100 ? 70 : 25))) {
    return wish_for_session(node);
  }
  auto at = node.clients.begin();
  std::advance(at, static_cast<std::ptrdiff_t>(rng_.below(node.clients.size())));
  use_session(node, at->second);
}

void World::wish_for_session(Node &node) {
  Wish wish;
  wish.session = session_name(++sessions_count_);
  wish.user = user_name(rng_.below(scenario_.users_count));
  wish.policy = rng_.percent(60) ? "" : kPolicyNames[rng_.below(kPolicyNames.size())];
  const size_t kind = rng_.below(10);
  wish.transport = kind < 7 ? Transport::streamable : kind < 9 ? Transport::sse : Transport::listen;
  wish.serve_alone = rng_.percent(40);
  node.clients[wish.session].wish = wish;
  node.clients[wish.session].home = node.index;
  if (trace_.on()) {
    trace_.note("proxy {} asks for {} of {}", node.index, wish.session, wish.user);
  }
  node.proxy->ask(wish);
  const bool unasked = node.clients.contains(wish.session) &&
                       node.clients.at(wish.session).stage == Client::Stage::admitted;
  require(!unasked || node.told.may_admit(wish), "S4", "{} admitted without asking", wish.session);
}

void World::Told::note(const link::ToProxy &message) {
  if (const auto *const welcome = std::get_if<link::Welcome>(&message)) {
    *this = {welcome->policies, false, false};
  } else if (const auto *const changed = std::get_if<link::Policies>(&message)) {
    policies = changed->policies;
  } else if (const auto *const drain = std::get_if<link::Drain>(&message)) {
    draining = drain->on;
  } else if (std::holds_alternative<link::RestoredEnd>(message)) {
    restored = true;
  }
}

// No cap counts this session, sessiond hears of it at once, and has nothing against it.
bool World::Told::may_admit(const Wish &wish) const {
  const bool named = std::any_of(policies.begin(), policies.end(),
                                 [&](const auto &policy) { return policy.name == wish.policy; });
  const bool capped = std::any_of(policies.begin(), policies.end(), [&](const auto &policy) {
    const bool counts = policy.name.empty() || (named && policy.name == wish.policy);
    return counts &&
           (policy.max_sessions || policy.max_sessions_per_user || policy.max_sessions_per_address);
  });
  return restored && !draining && !policies.empty() && !capped;
}

bool World::held_anywhere(const Node &node, const std::string &session) const {
  return std::any_of(nodes_.begin(), nodes_.end(), [&](const auto &other) {
    return &other->clients == &node.clients && other->proxy->holds(session);
  });
}

// Before a session lives its client speaks to the proxy it began at, afterwards to any.
void World::open_session(Node &node, Client &client) {
  const Wish wish = client.wish;
  if (client.stage == Client::Stage::waiting) {
    if (!rng_.percent(20)) return;
    node.clients.erase(wish.session);
    return node.proxy->give_up(wish.session);
  }
  if (rng_.percent(20)) {
    node.clients.erase(wish.session);
    return node.proxy->release(wish, ReleaseReason::backend_refused);
  }
  client.stage = Client::Stage::live;
  Client::Use &use = client.uses[node.index];
  client.created = use.last_activity = use.last_use = clock_.now();
  node.proxy->bind(wish);
  if (wish.transport == Transport::streamable) return;
  use.streams.push_back(++last_exchange_);
  (void)node.proxy->open_stream(wish.session, last_exchange_);
}

void World::use_session(Node &met, Client &client) {
  const bool anywhere =
      client.stage == Client::Stage::live && client.wish.transport == Transport::streamable;
  Node &node = anywhere ? met : *nodes_[client.home];
  if (node.frozen_since) return;
  if (client.stage != Client::Stage::live) return open_session(node, client);
  const Wish wish = client.wish;
  if (!node.proxy->holds(wish.session)) {
    // Its next request gets 404, unless it may still be handed over.
    if (!held_anywhere(node, wish.session)) node.clients.erase(wish.session);
    return;
  }
  const size_t what = rng_.below(100);
  const Client::Use &use = client.uses[node.index];
  if (what < 40 && use.requests.size() + use.waiting.size() < kRequestsMax) {
    begin_request(node, client);
  } else if (what < 80 && !use.requests.empty()) {
    finish_request(node, client);
  } else if (what < 94) {
    close_streams_at_random(node, client);
  } else {
    const EndReason reason = what < 97 ? EndReason::client_delete : EndReason::backend_ended;
    node.proxy->end(wish.session, reason);
  }
}

void World::begin_request(Node &node, Client &client) {
  const bool counts = rng_.percent(60);
  const uint64_t exchange = ++last_exchange_;
  const ProxySide::Begin outcome = node.proxy->begin_request(client.wish.session, exchange, counts);
  Client::Use &use = client.uses[node.index];
  use.since[exchange] = clock_.now();
  if (outcome == ProxySide::Begin::waiting) {
    use.waiting[exchange] = counts;
    return;
  }
  require(outcome == ProxySide::Begin::begun, "S2", "{} is held and not to be had",
          client.wish.session);
  use.requests[exchange] = counts;
  client.used = use.used = true;
  if (counts) use.last_activity = clock_.now();
}

void World::finish_request(Node &node, Client &client) {
  Client::Use &use = client.uses[node.index];
  const auto [exchange, counts] = *use.requests.begin();
  use.requests.erase(exchange);
  use.since.erase(exchange);
  use.last_use = clock_.now();
  if (counts) use.last_activity = clock_.now();
  node.proxy->finish_request(client.wish.session, exchange);
}

void World::close_streams_at_random(Node &node, Client &client) {
  const std::string session = client.wish.session;
  Client::Use &use = client.uses[node.index];
  if (use.streams.empty() || (use.streams.size() < kStreamsMax && rng_.percent(50) &&
                              client.wish.transport == Transport::streamable)) {
    const uint64_t exchange = ++last_exchange_;
    if (node.proxy->open_stream(session, exchange)) use.streams.push_back(exchange);
    return;
  }
  const uint64_t exchange = use.streams.front();
  use.streams.erase(use.streams.begin());
  use.last_use = clock_.now();
  node.proxy->close_stream(session, exchange);
  // A legacy or listen session is its stream.
  if (client.wish.transport != Transport::streamable) {
    node.proxy->end(session, EndReason::client_gone);
  }
}

void World::finish_client(const std::string &session, const Client &client) {
  for (const auto &[index, use] : client.uses) {
    ProxySide &proxy = *nodes_[index]->proxy;
    for (const auto &[exchange, counts] : use.requests) proxy.finish_request(session, exchange);
    for (const uint64_t exchange : use.streams) proxy.close_stream(session, exchange);
  }
}

// What sessiond believed does not matter here: no order may end what its client still uses.
void World::check_drop(Node &node, const link::DropIfIdle &order, const Client &before,
                       MonoTime said) {
  const std::string &id = order.session;
  if (before.stage != Client::Stage::live || node.proxy->holds(id)) return;
  const MonoTime now = clock_.now();
  const Millis idle_min{order.idle_ms_min};
  const Client::Use &use = before.use(node.index);
  require(use.requests.empty(), "S2", "{} ended with a request in flight", id);
  if (order.reason == EndReason::orphan_timeout) {
    require(use.streams.empty() && use.last_use <= now - idle_min, "S3",
            "{} ended although it is used", id);
  } else if (order.reason == EndReason::unused_timeout) {
    const bool used = before.used && !used_unseen(node, before, said);
    require(!used && now - before.created >= idle_min, "S2", "{} ended as unused, which it is not",
            id);
  } else {
    // Of a proxy that never served it there is no moment to count from.
    const MonoTime last = std::max(use.last_activity, MonoTime{});
    require(use.last_activity <= now - idle_min, "S2", "{} ended after {} ms, not {}", id,
            (now - last).count(), idle_min.count());
  }
  if (!order.keep_backend) check_last_drop(node, order, before, said);
}

// Another proxy of the node has used it, and sessiond, started anew, had yet to hear of that one.
bool World::used_unseen(const Node &node, const Client &before, MonoTime said) const {
  return !before.use(node.index).used &&
         std::any_of(nodes_.begin(), nodes_.end(), [&](const auto &other) {
           const bool known = other->known_since && *other->known_since <= said;
           return &other->clients == &node.clients && before.use(other->index).used && !known;
         });
}

// The backend is told that the session is over: it must be for every proxy of the node, as far as
// sessiond could have known when it said so.
void World::check_last_drop(const Node &node, const link::DropIfIdle &order, const Client &before,
                            MonoTime said) const {
  const std::string &id = order.session;
  for (const auto &other : nodes_) {
    const bool known = other.get() != &node && &other->clients == &node.clients &&
                       other->known_since && *other->known_since <= said && other->proxy->holds(id);
    if (!known) continue;
    const Client::Use &use = before.use(other->index);
    for (const auto &[exchange, counts] : use.requests) {
      require(use.since.at(exchange) < *other->known_since, "S2",
              "{} ended with a request in flight at proxy {}", id, other->index);
    }
    const bool active = order.reason == EndReason::idle_timeout &&
                        use.last_activity >= *other->known_since &&
                        use.last_activity > clock_.now() - Millis{order.idle_ms_min};
    require(!active, "S2", "{} ended although it was active at proxy {}", id, other->index);
  }
}

// No request waits for longer than siblings may take to agree.
void World::check_waits() const {
  for (const auto &clients : clients_) {
    for (const auto &[id, client] : *clients) {
      for (const auto &[index, use] : client.uses) {
        if (nodes_[index]->frozen_since) continue;
        for (const auto &[exchange, counts] : use.waiting) {
          require(clock_.now() - use.since.at(exchange) <= kSharedWaitMax + late_, "F1",
                  "a request of {} waits for {} ms", id,
                  (clock_.now() - use.since.at(exchange)).count());
        }
      }
    }
  }
}

// ---- the proxy's word ----

World::Node::Node(World &world_in, size_t index_in, std::string name_in, Clients &clients_in)
    : world(world_in), index(index_in), name(std::move(name_in)), clients(clients_in) {
  start();
}

void World::Node::start() {
  told = {};
  known_since.reset();
  proxy = world.make_proxy_(world.clock_, *this, name,
                            fmt::format("{}-i{:04}", name, ++world.last_instance_));
  reconnect_at = world.clock_.now() + world.rng_.between(Millis{0}, Millis{1000});
}

bool World::Node::send(link::ToSessiond message) {
  Wire *const wire = world.wire_of(*this);
  if (wire == nullptr || wire->broken) return true;  // into the void, as with any socket
  if (room() == 0) return false;
  wire->up.push(std::move(message), world.clock_.now());
  return true;
}

size_t World::Node::room() const {
  const Wire *const wire = world.wire_of(*this);
  if (wire == nullptr || wire->broken) return kUpMax;
  return kUpMax - std::min(kUpMax, wire->up.size());
}

void World::Node::hang_up() {
  Wire *const wire = world.wire_of(*this);
  if (wire != nullptr && !wire->broken) world.break_wire(*wire, wire->up.size(), 0);
}

void World::Node::on_decided(const std::string &session, bool admitted) {
  const auto at = clients.find(session);
  if (at == clients.end()) return;
  if (!admitted) {
    clients.erase(at);
  } else {
    at->second.stage = Client::Stage::admitted;
  }
}

void World::Node::on_begun(const std::string &session, uint64_t exchange) {
  const auto at = clients.find(session);
  const bool there = at != clients.end() && at->second.uses[index].waiting.contains(exchange);
  if (!there) return proxy->finish_request(session, exchange);  // its client has left
  Client::Use &use = at->second.uses[index];
  const bool counts = use.waiting.at(exchange);
  use.waiting.erase(exchange);
  use.requests[exchange] = counts;
  at->second.used = use.used = true;
  if (counts) use.last_activity = world.clock_.now();
}

// What went through this proxy is over; the session is if no other has it, or the client or the
// backend has ended it.
void World::Node::on_ended(const std::string &session, EndReason reason) {
  if (world.trace_.on()) {
    world.trace_.note("proxy {} ends {}: {}", index, session, to_word(reason));
  }
  const auto at = clients.find(session);
  if (at == clients.end()) return;
  at->second.uses.erase(index);
  if (!sessiond::ends_for_all(reason) && world.held_anywhere(*this, session)) return;
  const Client gone = at->second;
  clients.erase(at);
  world.finish_client(session, gone);  // what it still does elsewhere comes to nothing
}

}  // namespace holdfast::sim
