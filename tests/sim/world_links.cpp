// World: sessiond's process, the links and the clock.
#include <algorithm>

#include "tests/sim/world.h"

namespace holdfast::sim {
namespace {

// How long a line may be on its way while nobody is frozen.
constexpr Millis kLatencyMax{300};
// A small queue, so that histories reach its bound.
constexpr size_t kDownMax = 400;

std::string describe(const sessiond::Event &event) {
  struct Describe {
    std::string operator()(const sessiond::LinkUp &e) const {
      return fmt::format("link {} up", static_cast<uint64_t>(e.link));
    }
    std::string operator()(const sessiond::LinkDown &e) const {
      return fmt::format("link {} down", static_cast<uint64_t>(e.link));
    }
    std::string operator()(const sessiond::Message &e) const {
      return fmt::format("link {} > {}", static_cast<uint64_t>(e.link), link::encode(e.message));
    }
    std::string operator()(const sessiond::Drained &e) const {
      return fmt::format("link {} drained", static_cast<uint64_t>(e.link));
    }
    std::string operator()(const sessiond::Tick &) const { return "tick"; }
    std::string operator()(const sessiond::SettingsChanged &) const { return "new settings"; }
    std::string operator()(const sessiond::ShutdownSession &e) const {
      return "shutdown " + e.session;
    }
    std::string operator()(const sessiond::ShutdownSessions &) const { return "shutdown many"; }
    std::string operator()(const sessiond::SetPersistent &e) const {
      return fmt::format("set {} persistent {}", e.session, e.persistent);
    }
    std::string operator()(const sessiond::SetDrain &e) const {
      return fmt::format("drain {}", e.on);
    }
    std::string operator()(const sessiond::ReloadProxies &) const { return "reload proxies"; }
    std::string operator()(const sessiond::SetServer &e) const { return "set server " + e.server; }
  };
  return std::visit(Describe{}, event);
}

std::string describe(const sessiond::Action &action) {
  struct Describe {
    std::string operator()(const sessiond::Send &a) const {
      return fmt::format("link {} < {}", static_cast<uint64_t>(a.link), link::encode(a.message));
    }
    std::string operator()(const sessiond::CloseLink &a) const {
      return fmt::format("link {} closed: {}", static_cast<uint64_t>(a.link), a.reason);
    }
    std::string operator()(const sessiond::Log &a) const { return a.text; }
    std::string operator()(const sessiond::CommandDone &a) const {
      return fmt::format("command {} outcome {}", static_cast<uint64_t>(a.token),
                         static_cast<int>(a.outcome));
    }
  };
  return std::visit(Describe{}, action);
}

}  // namespace

// ---- sessiond ----

void World::core_step(const sessiond::Event &event) {
  if (!core_) return;
  ++core_steps_count_;
  const MonoTime now = clock_.now();
  if (trace_.on()) trace_.note("{} core {}", now.time_since_epoch().count(), describe(event));
  sessiond::Actions actions;
  core_->step(event, now, actions);
  if (trace_.on()) {
    for (const sessiond::Action &action : actions) trace_.note("    -> {}", describe(action));
  }
  model_->on_event(event, now);
  model_->on_actions(actions);
  model_->check(*core_);
  if (crash_armed_ && !actions.empty()) {
    carry_out(actions, rng_.below(actions.size() + 1));
    return crash_sessiond();
  }
  carry_out(actions, actions.size());
}

void World::carry_out(const sessiond::Actions &actions, size_t count) {
  for (size_t i = 0; i < count; ++i) {
    const auto *const send = std::get_if<sessiond::Send>(&actions[i]);
    const auto *const close = std::get_if<sessiond::CloseLink>(&actions[i]);
    const sessiond::LinkId id = send != nullptr    ? send->link
                                : close != nullptr ? close->link
                                                   : sessiond::LinkId::none;
    const auto at = std::find_if(wires_.begin(), wires_.end(),
                                 [&](const auto &wire) { return wire->id == id; });
    if (at == wires_.end() || (*at)->broken) continue;
    Wire &wire = **at;
    if (send != nullptr) {
      wire.down.push(send->message, clock_.now());
      wire.may_drain = true;
      if (wire.down.size() > kDownMax) break_wire(wire, 0, 0);
    } else {
      wire.down.push(link::Bye{close->reason}, clock_.now());
      break_wire(wire, 0, wire.down.size());
    }
  }
}

void World::start_sessiond() {
  trace_.note("sessiond starts");
  core_ = std::make_unique<sessiond::Core>(scenario_.settings, clock_.now());
  model_ = std::make_unique<CoreModel>(scenario_.settings, clock_.now());
}

// What it said before still arrives, at least the beginning of it; nothing it was told matters.
void World::crash_sessiond() {
  trace_.note("sessiond dies");
  crash_armed_ = false;
  core_.reset();
  model_.reset();
  sessiond_back_ = clock_.now() + rng_.between(Millis{0}, Millis{20'000});
  for (const auto &wire : wires_) {
    if (!wire->broken) break_wire(*wire, 0, rng_.below(wire->down.size() + 1));
    wire->core_told = true;
    wire->up.truncate(0, rng_);
  }
}

// ---- links ----

World::Wire *World::wire_of(const Node &node) {
  for (const auto &wire : wires_) {
    if (wire->node == node.index && !wire->proxy_told) return wire.get();
  }
  return nullptr;
}

void World::connect(Node &node) {
  node.reconnect_at.reset();
  if (!core_ || node.frozen_since) return disconnect(node);
  const auto id = static_cast<sessiond::LinkId>(++last_link_);
  wires_.push_back(std::make_unique<Wire>(id, node.index, scenario_.bytes));
  core_step(sessiond::LinkUp{id});
  node.proxy->on_connected();
}

void World::disconnect(Node &node) {
  node.reconnect_at = clock_.now() + rng_.between(Millis{50}, Millis{2000});
}

void World::break_wire(Wire &wire, size_t up_kept, size_t down_kept) {
  trace_.note("link {} breaks", static_cast<uint64_t>(wire.id));
  wire.broken = true;
  if (!wire.proxy_told) nodes_[wire.node]->known_since.reset();
  wire.up.truncate(up_kept, rng_);
  wire.down.truncate(down_kept, rng_);
}

// False: nothing is on its way, or nobody there to hear it.
bool World::deliver_up(Wire &wire) {
  if (!core_ || wire.core_told || wire.up.empty()) return false;
  const link::ToSessiond message = wire.up.pop(rng_);
  const bool lossy = !scenario_.honest && !healing_;
  const sessiond::LinkId id = wire.id;
  if (!lossy || !rng_.percent(2)) core_step(sessiond::Message{id, message});
  if (lossy && rng_.percent(2)) core_step(sessiond::Message{id, message});
  if (wire.up.empty() && !wire.proxy_told) nodes_[wire.node]->proxy->on_drained();
  return true;
}

bool World::deliver_down(Wire &wire) {
  Node &node = *nodes_[wire.node];
  if (wire.proxy_told || wire.down.empty() || node.frozen_since) return false;
  const MonoTime said = wire.down.oldest();
  const link::ToProxy message = wire.down.pop(rng_);
  const bool lossy = !scenario_.honest && !healing_;
  if (!lossy || !rng_.percent(2)) deliver_to_proxy(node, message, said);
  if (lossy && rng_.percent(2)) deliver_to_proxy(node, message, said);
  if (wire.down.empty() && !wire.broken && std::exchange(wire.may_drain, false)) {
    core_step(sessiond::Drained{wire.id});
  }
  return true;
}

void World::deliver_to_proxy(Node &node, const link::ToProxy &message, MonoTime said) {
  if (trace_.on()) {
    trace_.note("{} proxy {} hears {}", clock_.now().time_since_epoch().count(), node.index,
                link::encode(message));
  }
  node.told.note(message);
  if (std::holds_alternative<link::RestoredEnd>(message)) {
    node.known_since = node.known_since.value_or(clock_.now());
  }
  const auto *const order = std::get_if<link::DropIfIdle>(&message);
  const auto at = order != nullptr ? node.clients.find(order->session) : node.clients.end();
  // Invented lines may have made it the holder of a session that another has.
  const bool misled = !scenario_.honest && order != nullptr && !node.proxy->holds(order->session);
  if (at == node.clients.end() || misled) return node.proxy->on_message(message);
  const Client before = at->second;
  node.proxy->on_message(message);
  check_drop(node, *order, before, said);
}

void World::deliver_some() {
  if (wires_.empty()) return;
  Wire &wire = *rng_.pick(wires_);
  const bool up = rng_.percent(50);
  for (size_t left = 1 + rng_.below(6); left > 0; --left) {
    if (up ? !deliver_up(wire) : !deliver_down(wire)) break;
  }
  tidy_wires();
}

// Tells both ends of broken connections, once they have heard what was left in them.
void World::tidy_wires() {
  for (size_t i = 0; i < wires_.size(); ++i) {
    Wire &wire = *wires_[i];
    Node &node = *nodes_[wire.node];
    if (!wire.broken) continue;
    if (wire.up.empty() && !wire.core_told) {
      wire.core_told = true;
      core_step(sessiond::LinkDown{wire.id});
    }
    if (wire.down.empty() && !wire.proxy_told && !node.frozen_since) {
      wire.proxy_told = true;
      node.told = {};
      node.known_since.reset();
      node.proxy->on_disconnected();
      disconnect(node);
    }
  }
  std::erase_if(wires_, [](const auto &wire) { return wire->core_told && wire->proxy_told; });
}

// A line no proxy would say now: an old one, a foreign one, or nonsense.
void World::chatter() {
  if (wires_.empty() || sessions_count_ == 0) return;
  const sessiond::LinkId id = rng_.pick(wires_)->id;
  const std::string session = session_name(1 + rng_.below(sessions_count_));
  link::Record record;
  record.session = session;
  record.user = user_name(rng_.below(scenario_.users_count));
  record.idle_ms = static_cast<int64_t>(rng_.below(100'000));
  record.age_ms = record.idle_ms;
  // Whose a session is nobody can say better later: that much is true.
  bool begun = true;
  for (const auto &clients : clients_) {
    const auto at = clients->find(session);
    if (at == clients->end()) continue;
    begun = at->second.stage == Client::Stage::live;
    record.user = at->second.wish.user;
    record.policy = at->second.wish.policy;
    record.transport = at->second.wish.transport;
  }
  // Its client may have left it.
  for (const auto &node : nodes_) {
    for (const link::Record &held : node->proxy->records()) {
      if (held.session != session) continue;
      record.user = held.user;
      record.policy = held.policy;
      record.transport = held.transport;
    }
  }
  const std::vector<link::ToSessiond> lines{
      link::Snapshot{record},
      link::SnapshotBegin{},
      link::SnapshotEnd{},
      link::Admit{session, record.user, "", Transport::streamable, "", "", ""},
      link::Bound{session, "everything/127.0.0.1:3001", "b", "/mcp"},
      link::Released{session, ReleaseReason::late},
      link::Opened{session, 1, StreamKind::get},
      link::Closed{session, 1, StreamReason::complete, 0, 0},
      link::Activity{{{session, record.idle_ms, static_cast<int64_t>(rng_.below(2)), 1}}},
      link::Alive{session, record.idle_ms, 0, record.idle_ms, rng_.percent(50)},
      link::Idle{session, static_cast<int64_t>(1 + rng_.below(20)), record.idle_ms},
      link::Ended{session, EndReason::client_delete, 0},
      link::Obeyed{static_cast<int64_t>(1 + rng_.below(last_token_ + 1))},
      link::Reloaded{static_cast<int64_t>(1 + rng_.below(last_token_ + 1)), false, "no"},
      link::Admit{"short", "-", "", Transport::streamable, "", "", ""},
  };
  const link::ToSessiond &line = lines[rng_.below(lines.size())];
  // Nor does anybody say of one that it has begun before it has: until then its id is a secret.
  const bool begins =
      std::holds_alternative<link::Snapshot>(line) || std::holds_alternative<link::Bound>(line);
  if (begun || !begins) core_step(sessiond::Message{id, line});
}

// ---- time ----

MonoTime World::next_event(MonoTime until) const {
  MonoTime next = until;
  if (core_) next = std::min(next, core_->next_wake(clock_.now()));
  if (!core_) next = std::min(next, sessiond_back_);
  for (const auto &node : nodes_) {
    if (node->frozen_since) {
      next = std::min(next, *node->frozen_since + kSilenceMax);
      continue;
    }
    if (node->reconnect_at) next = std::min(next, *node->reconnect_at);
    if (const auto due = node->proxy->due()) next = std::min(next, *due);
  }
  for (const auto &wire : wires_) {
    const bool frozen = nodes_[wire->node]->frozen_since.has_value();
    if (core_ && !wire->up.empty()) next = std::min(next, wire->up.oldest() + kLatencyMax);
    if (!frozen && !wire->down.empty()) next = std::min(next, wire->down.oldest() + kLatencyMax);
  }
  return next;
}

void World::advance(Millis by) {
  const MonoTime until = clock_.now() + by;
  for (;;) {
    const MonoTime next = std::max(next_event(until), clock_.now());
    clock_.advance(next - clock_.now());
    run_due();
    if (next >= until) return;
  }
}

void World::run_due() {
  const MonoTime now = clock_.now();
  if (!core_ && sessiond_back_ <= now) start_sessiond();
  for (const auto &wire : wires_) {
    Node &node = *nodes_[wire->node];
    const bool silent = node.frozen_since && *node.frozen_since + kSilenceMax <= now;
    if (silent && !wire->broken) break_wire(*wire, wire->up.size(), 0);
  }
  for (size_t i = 0; i < wires_.size(); ++i) {
    Wire &wire = *wires_[i];
    while (!wire.up.empty() && wire.up.oldest() + kLatencyMax <= now && deliver_up(wire)) continue;
    while (!wire.down.empty() && wire.down.oldest() + kLatencyMax <= now && deliver_down(wire)) {
      continue;
    }
  }
  tidy_wires();
  for (const auto &node : nodes_) {
    if (node->frozen_since) {
      if (*node->frozen_since + kSilenceMax <= now) node->frozen_since = now;
      continue;
    }
    node->proxy->on_time();
    if (node->reconnect_at && *node->reconnect_at <= now) connect(*node);
  }
  if (core_ && core_->next_wake(now) <= now) core_step(sessiond::Tick{});
  check_waits();
  if (core_) model_->check_time(*core_, Millis{0});
}

// The machine slept, or sessiond was stopped: time has passed and nothing was done in it.
void World::jump(Millis by) {
  trace_.note("{} ms pass at once", by.count());
  late_ += by;
  clock_.advance(by);
  clock_.jump_wall(-by * 3);  // which nobody may notice
  if (core_ && core_->next_wake(clock_.now()) <= clock_.now()) core_step(sessiond::Tick{});
}

}  // namespace holdfast::sim
