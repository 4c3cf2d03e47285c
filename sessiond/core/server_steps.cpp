// Core: what admins say of single servers, and how every proxy comes to obey it.
#include <fmt/format.h>

#include <algorithm>

#include "sessiond/core/step.h"

namespace holdfast::sessiond {
namespace {

std::string name_of(const link::BackendInfo &backend) {
  return backend.upstream + "/" + backend.server;
}

}  // namespace

void Core::on(const SetServer &event, Turn &turn) {
  const bool known = std::any_of(links_.begin(), links_.end(), [&](const auto &entry) {
    const auto &backends = entry.second.stats.backends;
    return std::any_of(backends.begin(), backends.end(), [&](const link::BackendInfo &backend) {
      return name_of(backend) == event.server;
    });
  });
  const bool kept = known && server_orders_.set(event.server, {event.state, event.weight});
  if (kept) tell_server(event.server, turn);
  const auto outcome = kept ? CommandOutcome::done : CommandOutcome::not_found;
  turn.out.push_back(CommandDone{event.token, outcome, 0, 0, {}});
}

// To every proxy: the same name may be configured in any of them.
void Core::tell_server(const std::string &server, Turn &turn) {
  const ServerOrder &order = *server_orders_.find(server);
  for (const auto &[id, link] : links_) {
    if (link.instance == nullptr || link.closing) continue;
    turn.send(id, link::SetServer{server, order.state, order.weight});
  }
}

void Core::tell_servers(const LinkState &link, Turn &turn) {
  for (const auto &[server, order] : server_orders_.all()) {
    turn.send(link.id, link::SetServer{server, order.state, order.weight});
  }
}

// A proxy obeys words we have not said: they are from before we were started. They hold on, here
// and for the other proxies; where we have a word of our own, that one is newer.
void Core::learn_servers(const LinkState &link, Turn &turn) {
  for (const link::BackendInfo &backend : link.stats.backends) {
    if (!backend.set_state && !backend.set_weight) continue;
    const std::string server = name_of(backend);
    if (server_orders_.find(server) != nullptr) continue;
    if (!server_orders_.set(server, {backend.set_state, backend.set_weight})) return;
    turn.log(LogLevel::info, fmt::format("event=server_order_learned server={} node={} "
                                         "hint=\"said before this daemon was started\"",
                                         quoted(server), quoted(link.node)));
    tell_server(server, turn);
  }
}

}  // namespace holdfast::sessiond
