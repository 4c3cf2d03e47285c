// What the core knows of one connection to a proxy. Plain data, owned by the core; the instance on
// the other end outlives the connection and stands in the SessionTable.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "common/clock.h"
#include "common/link_messages.h"
#include "sessiond/core/session.h"

namespace holdfast::sessiond {

struct LinkState {
  LinkId id = LinkId::none;
  // nullptr before hello, and after another connection of the same instance took its place.
  Instance *instance = nullptr;
  std::string node;
  int64_t pid = 0;
  std::string version;
  std::vector<std::string> policies;  // the names the proxy uses
  MonoTime since{};
  link::Stats stats;

  bool closing = false;    // CloseLink was ordered: what still arrives is not read
  bool restoring = false;  // sessions of earlier instances are still to be handed over
  bool piece_out = false;  // as many as go at once are on their way; more follow behind them
  int64_t siblings_told = 0;
  bool in_snapshot = false;     // between snapshot_begin and snapshot_end
  bool snapshot_taken = false;  // one was complete
  // The snapshot under way may lack sessions handed over so recently that the proxy had not read
  // of them when it began.
  bool snapshot_lenient = false;
};

}  // namespace holdfast::sessiond
