// World: what clients and backends do.
#include <algorithm>

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
  if (trace_.on()) trace_.note("{} asks for {} of {}", node.name, wish.session, wish.user);
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

void World::use_session(Node &node, Client &client) {
  const Wish wish = client.wish;
  const MonoTime now = clock_.now();
  if (client.stage == Client::Stage::waiting) {
    if (!rng_.percent(20)) return;
    node.clients.erase(wish.session);
    return node.proxy->give_up(wish.session);
  }
  if (client.stage == Client::Stage::admitted) {
    if (rng_.percent(20)) {
      node.clients.erase(wish.session);
      return node.proxy->release(wish, ReleaseReason::backend_refused);
    }
    client.stage = Client::Stage::live;
    client.created = client.last_activity = client.last_use = now;
    node.proxy->bind(wish);
    if (wish.transport == Transport::streamable) return;
    client.streams.push_back(++last_exchange_);
    return node.proxy->open_stream(wish.session, last_exchange_);
  }
  if (!node.proxy->holds(wish.session)) {
    node.clients.erase(wish.session);  // its next request gets 404
    return;
  }
  const size_t what = rng_.below(100);
  if (what < 40 && client.requests.size() < kRequestsMax) {
    const bool counts = rng_.percent(60);
    client.requests[++last_exchange_] = counts;
    client.used = true;
    if (counts) client.last_activity = now;
    node.proxy->begin_request(wish.session, last_exchange_, counts);
  } else if (what < 80 && !client.requests.empty()) {
    const auto [exchange, counts] = *client.requests.begin();
    client.requests.erase(exchange);
    client.last_use = now;
    if (counts) client.last_activity = now;
    node.proxy->finish_request(wish.session, exchange);
  } else if (what < 94) {
    close_streams_at_random(node, client);
  } else {
    node.proxy->end(wish.session, what < 97 ? EndReason::client_delete : EndReason::backend_ended);
  }
}

void World::close_streams_at_random(Node &node, Client &client) {
  const std::string session = client.wish.session;
  if (client.streams.empty() || (client.streams.size() < kStreamsMax && rng_.percent(50) &&
                                 client.wish.transport == Transport::streamable)) {
    client.streams.push_back(++last_exchange_);
    return node.proxy->open_stream(session, last_exchange_);
  }
  const uint64_t exchange = client.streams.front();
  client.streams.erase(client.streams.begin());
  client.last_use = clock_.now();
  node.proxy->close_stream(session, exchange);
  // A legacy or listen session is its stream.
  if (client.wish.transport != Transport::streamable) {
    node.proxy->end(session, EndReason::client_gone);
  }
}

// What sessiond believed does not matter here: no order may end what its client still uses.
void World::check_drop(Node &node, const link::DropIfIdle &order, const Client &before) {
  const std::string &id = order.session;
  if (before.stage != Client::Stage::live || node.clients.contains(id)) return;
  const MonoTime now = clock_.now();
  const Millis idle_min{order.idle_ms_min};
  require(before.requests.empty(), "S2", "{} ended with a request in flight", id);
  if (order.reason == EndReason::orphan_timeout) {
    require(before.streams.empty() && now - before.last_use >= idle_min, "S3",
            "{} ended although it is used", id);
  } else if (order.reason == EndReason::unused_timeout) {
    require(!before.used && now - before.created >= idle_min, "S2",
            "{} ended as unused, which it is not", id);
  } else {
    require(now - before.last_activity >= idle_min, "S2", "{} ended after {} ms, not {}", id,
            (now - before.last_activity).count(), idle_min.count());
  }
}

// ---- the proxy's word ----

World::Node::Node(World &world_in, size_t index_in)
    : world(world_in), index(index_in), name(fmt::format("node{}", index_in)) {
  start();
}

void World::Node::start() {
  told = {};
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

void World::Node::on_ended(const std::string &session, EndReason reason) {
  if (world.trace_.on()) world.trace_.note("{} ends {}: {}", name, session, to_word(reason));
  clients.erase(session);
}

}  // namespace holdfast::sim
