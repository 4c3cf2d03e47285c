#include "tests/sim/world.h"

#include <algorithm>
#include <set>

namespace holdfast::sim {
namespace {

// What a line's way, a reconnect and the report interval may add.
constexpr Millis kAgeError{2000};
constexpr Millis kSettleWithin{30'000};
constexpr Millis kAfterwards{600'000};  // ten minutes, see F1

}  // namespace

World::World(uint64_t seed, MakeProxy make_proxy, Trace &trace)
    : rng_(seed),
      scenario_(Scenario::draw(rng_)),
      trace_(trace),
      make_proxy_(std::move(make_proxy)) {
  start_sessiond();
  for (size_t i = 0; i < scenario_.nodes_count; ++i) {
    if (i == 0 || !scenario_.siblings) clients_.push_back(std::make_unique<Clients>());
    nodes_.push_back(std::make_unique<Node>(
        *this, i, fmt::format("node{}", scenario_.siblings ? 0 : i), *clients_.back()));
  }
}

World::~World() = default;

void World::step() {
  const size_t what = rng_.below(1000);
  if (what < scenario_.faults_permille) return fault();
  if (what < scenario_.faults_permille + 25) return admin_step();
  if (what < 450) return client_step();
  if (what < 800) return deliver_some();
  advance(rng_.percent(70) ? rng_.between(Millis{0}, Millis{300})
                           : rng_.between(Millis{0}, scenario_.pause_max));
  if (settled() && scenario_.honest) check_reality();
}

bool World::settled() const {
  const bool quiet = std::all_of(wires_.begin(), wires_.end(), [](const auto &wire) {
    return wire->up.empty() && wire->down.empty() && !wire->broken;
  });
  return core_ && quiet && wires_.size() == nodes_.size() &&
         std::all_of(nodes_.begin(), nodes_.end(), [](const auto &node) {
           return !node->frozen_since && node->proxy->settled();
         });
}

// REQUIRES: settled. Every session a proxy holds is in the table as the proxy would tell it, and
// the table holds nothing else but reservations.
void World::check_reality() const {
  std::set<std::string> real;
  for (const auto &node : nodes_) {
    for (const link::Record &record : node->proxy->records()) {
      real.insert(record.session);
      check_session(*node, record);
    }
  }
  require(model_->sessions().size() - core_->table().opening_count() == real.size(), "F1",
          "{} sessions in the table, {} in reality", core_->table().session_count(), real.size());
  if (scenario_.siblings) check_siblings();
}

void World::check_session(const Node &node, const link::Record &record) const {
  const Wire *const wire = const_cast<World *>(this)->wire_of(node);
  const auto at = model_->sessions().find(record.session);
  require(at != model_->sessions().end(), "F1", "{} lives at {} and is not in the table",
          record.session, node.index);
  const Known &known = at->second;
  const sim::Told *const told = known.find(wire->id);
  require(told != nullptr, "F1", "{} lives at {}, not where the table says", record.session,
          node.index);
  require(known.user == record.user && known.transport == record.transport, "S1",
          "{} is another's in the table", record.session);
  require(told->in_flight == record.in_flight && told->streams == record.streams, "F1",
          "{}: {} in flight and {} streams, not {} and {}", record.session, told->in_flight,
          told->streams, record.in_flight, record.streams);
  // Ages travel: the table may be as much younger as a line is on its way; a proxy that has the
  // session from us and has not spoken of it, as much as ours was.
  const Millis younger = told->unconfirmed ? kAgeError + late_ : Millis{0};
  const Millis idle = clock_.now() - told->last_activity;
  const Millis difference = Millis{record.idle_ms} - idle;
  require(difference >= -younger && difference <= kAgeError + late_, "F1",
          "{}: idle for {} ms in the table, {} at {}", record.session, idle.count(), record.idle_ms,
          node.index);
}

// REQUIRES: settled. Whichever of its proxies a client meets, it finds its session.
void World::check_siblings() const {
  for (const auto &[id, known] : model_->sessions()) {
    const bool shared =
        known.state == sessiond::SessionState::open && known.transport == Transport::streamable;
    for (const auto &node : nodes_) {
      const Wire *const wire = const_cast<World *>(this)->wire_of(*node);
      const bool asked_alone = known.holders.size() == 1 && known.asked != sessiond::Ask::none;
      require(!shared || asked_alone || known.find(wire->id) != nullptr, "F4",
              "{} is not to be had at proxy {}", id, node->index);
      const bool real = known.state != sessiond::SessionState::opening && known.find(wire->id);
      require(!real || node->proxy->holds(id), "F1", "proxy {} does not hold {}, as the table says",
              node->index, id);
    }
  }
}

void World::settle() {
  const MonoTime until = clock_.now() + kSettleWithin;
  while (!settled() && clock_.now() < until) advance(Millis{100});
  require(settled(), "F1", "the links do not come to rest");
  check_reality();
}

void World::heal() {
  healing_ = true;
  crash_armed_ = false;
  trace_.note("{} everything heals", clock_.now().time_since_epoch().count());
  for (const auto &node : nodes_) node->frozen_since.reset();
  // Invented lines may have had one node's session handed to another as well: one of them keeps it.
  std::map<std::string, std::pair<const Clients *, link::Record>> held;
  for (const auto &node : nodes_) {
    for (const link::Record &record : node->proxy->records()) {
      const auto [at, first] =
          held.emplace(record.session, std::pair(&std::as_const(node->clients), record));
      const auto &[clients, other] = at->second;
      const bool shared = record.transport == Transport::streamable &&
                          other.transport == record.transport && other.user == record.user &&
                          clients == &node->clients;
      if (first || shared) continue;
      require(!scenario_.honest, "F3", "{} lives twice", record.session);
      node->proxy->end(record.session, EndReason::backend_lost);
    }
  }
  for (const auto &wire : wires_) {
    if (!wire->broken) break_wire(*wire, 0, 0);
  }
  late_ = Millis{0};  // the snapshots to come are fresh
  settle();
  const MonoTime until = clock_.now() + kAfterwards;
  while (clock_.now() < until) {
    for (size_t i = 0; i < 4; ++i) client_step();
    advance(rng_.between(Millis{1000}, Millis{60'000}));
    if (settled()) check_reality();
  }
  finish_everything();
}

// Nobody does anything any more: what may expire has expired when its time has come.
void World::finish_everything() {
  for (const auto &clients : clients_) {
    for (auto &[id, client] : std::exchange(*clients, {})) {
      ProxySide &home = *nodes_[client.home]->proxy;
      if (client.stage == Client::Stage::waiting) home.give_up(id);
      if (client.stage == Client::Stage::admitted) {
        home.release(client.wish, ReleaseReason::backend_failed);
      }
      finish_client(id, client);
    }
  }
  settle();
  Millis longest{0};
  std::vector<std::string> staying;
  for (const auto &[id, known] : model_->sessions()) {
    const sessiond::Policy &rules = model_->rules_of(known);
    longest = std::max({longest, rules.timeout, rules.orphan_timeout.value_or(Millis{0})});
    if (model_->persistent(known) && !rules.orphan_timeout) staying.push_back(id);
  }
  // Timeout, cleanup interval, a second (S2), and the way to the proxy and back.
  advance(longest + scenario_.settings.sweep_interval + Millis{3000});
  settle();
  for (const std::string &id : staying) {
    require(model_->sessions().contains(id), "S3", "{} is persistent and gone", id);
  }
  require(core_->table().size() == staying.size(), "S2", "{} sessions outlived their time",
          core_->table().size() - staying.size());
}

}  // namespace holdfast::sim
