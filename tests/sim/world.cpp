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
    nodes_.push_back(std::make_unique<Node>(*this, i));
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
  size_t real_count = 0;
  for (const auto &node : nodes_) {
    const Wire *const wire = const_cast<World *>(this)->wire_of(*node);
    for (const link::Record &record : node->proxy->records()) {
      ++real_count;
      const auto at = model_->sessions().find(record.session);
      require(at != model_->sessions().end(), "F1", "{} lives at {} and is not in the table",
              record.session, node->name);
      const Known &known = at->second;
      require(known.holder == wire->id, "F1", "{} lives at {}, not where the table says",
              record.session, node->name);
      require(known.user == record.user && known.transport == record.transport, "S1",
              "{} is another's in the table", record.session);
      require(known.in_flight == record.in_flight && known.streams == record.streams, "F1",
              "{}: {} in flight and {} streams, not {} and {}", record.session, known.in_flight,
              known.streams, record.in_flight, record.streams);
      // Ages travel: the table may be as much younger as a line is on its way.
      const Millis idle = clock_.now() - known.last_activity;
      const Millis difference = Millis{record.idle_ms} - idle;
      require(difference >= Millis{0} && difference <= kAgeError + late_, "F1",
              "{}: idle for {} ms in the table, {} at {}", record.session, idle.count(),
              record.idle_ms, node->name);
    }
  }
  require(model_->sessions().size() - core_->table().opening_count() == real_count, "F1",
          "{} sessions in the table, {} in reality", core_->table().session_count(), real_count);
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
  std::set<std::string> held;
  for (const auto &node : nodes_) {
    for (const link::Record &record : node->proxy->records()) {
      if (held.insert(record.session).second) continue;
      require(!scenario_.honest, "F3", "{} lives twice", record.session);
      node->proxy->end(record.session, EndReason::client_delete);
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
  for (const auto &node : nodes_) {
    for (auto &[id, client] : std::exchange(node->clients, {})) {
      if (client.stage == Client::Stage::waiting) node->proxy->give_up(id);
      if (client.stage == Client::Stage::admitted) {
        node->proxy->release(client.wish, ReleaseReason::backend_failed);
      }
      for (const auto &[exchange, counts] : client.requests) {
        node->proxy->finish_request(id, exchange);
      }
      for (const uint64_t exchange : client.streams) node->proxy->close_stream(id, exchange);
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
