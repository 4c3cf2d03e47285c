// World: what goes wrong, and what admins order.
#include <algorithm>

#include "tests/sim/world.h"

namespace holdfast::sim {

using sessiond::Token;

void World::fault() {
  Node &node = *rng_.pick(nodes_);
  switch (rng_.below(scenario_.honest ? 6 : 8)) {
    case 0:
      return crash_proxy(node);
    case 1:
      return freeze_or_thaw(node);
    case 2:
      crash_armed_ = true;
      return;
    case 3:
      return jump(rng_.between(Millis{0}, scenario_.pause_max * 10));
    case 4:
    case 5:
      if (Wire *const wire = wire_of(node); wire != nullptr && !wire->broken) {
        break_wire(*wire, rng_.below(wire->up.size() + 1), rng_.below(wire->down.size() + 1));
      }
      return;
    default:
      return chatter();
  }
}

// kill -9 of the serving process: its connections and its memory are gone, the master starts
// another one.
void World::crash_proxy(Node &node) {
  trace_.note("proxy {} dies", node.index);
  if (Wire *const wire = wire_of(node)) {
    if (!wire->broken) break_wire(*wire, rng_.below(wire->up.size() + 1), 0);
    wire->down.truncate(0, rng_);
    wire->proxy_told = true;
  }
  std::erase_if(node.clients, [&](const auto &entry) {
    const Client &client = entry.second;
    return client.home == node.index &&
           (client.stage != Client::Stage::live || client.wish.transport != Transport::streamable);
  });
  for (auto &[id, client] : node.clients) client.uses.erase(node.index);
  node.frozen_since.reset();
  node.start();
}

void World::freeze_or_thaw(Node &node) {
  trace_.note("proxy {} {}", node.index, node.frozen_since ? "thaws" : "freezes");
  if (node.frozen_since) {
    late_ += kSilenceMax;
    node.frozen_since.reset();
  } else {
    node.frozen_since = clock_.now();
  }
}

std::string World::some_session() {
  return session_name(1 + rng_.below(std::max<size_t>(1, sessions_count_)));
}

void World::admin_step() {
  if (!core_) return;
  const auto token = static_cast<Token>(++last_token_);
  switch (rng_.below(8)) {
    case 0:
    case 1:
      return core_step(sessiond::ShutdownSession{token, some_session()});
    case 2: {
      sessiond::SessionFilter filter;
      if (rng_.percent(60)) filter.user = user_name(rng_.below(scenario_.users_count));
      if (rng_.percent(20)) filter.policy = kPolicyNames[rng_.below(kPolicyNames.size())];
      if (rng_.percent(20)) filter.transport = Transport::streamable;
      if (rng_.percent(20)) filter.idle_min = rng_.between(Millis{0}, scenario_.pause_max);
      return core_step(sessiond::ShutdownSessions{token, filter});
    }
    case 3:
    case 4:
      return core_step(sessiond::SetPersistent{token, some_session(), rng_.percent(40)});
    case 5:
      return core_step(sessiond::SetDrain{token, rng_.percent(30)});
    case 6:
      return core_step(sessiond::ReloadProxies{token});
    default:
      if (rng_.percent(70)) return;
      scenario_.settings = draw_settings(rng_);
      return core_step(sessiond::SettingsChanged{scenario_.settings});
  }
}

}  // namespace holdfast::sim
