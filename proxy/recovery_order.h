// What it takes to open a lost backend session again, as it travels from the registry to whoever
// does it, maybe by another worker's mailbox. Plain data.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "common/clock.h"
#include "proxy/backend_directory.h"
#include "proxy/exchange_ref.h"

namespace holdfast::proxy {

// What the registry knows of it.
struct RecoveryPlan {
  std::string target;  // of the request that opened the session
  std::string initialize;
  uint64_t result = 0;  // see initialize_result.h
  std::vector<std::string> replays;
  std::optional<ExchangeRef> stream;  // of an HTTP+SSE session: its client's
};

// Heads are written but for their end: framing, Mcp-Session-Id and MCP-Protocol-Version are added
// as the conversation knows them.
struct RecoveryHeads {
  std::string post;
  std::string get;      // of the session's event streams
  std::string version;  // value of MCP-Protocol-Version; empty: not sent
  std::string host;     // value of Host
};

struct RecoveryOrder {
  std::string session;
  BackendId backend = kNoBackend;
  BackendId elsewhere = kNoBackend;  // HTTP+SSE: asked where `backend` cannot be connected to
  RecoveryPlan plan;
  RecoveryHeads heads;
  Millis connect_timeout{5000};
};

}  // namespace holdfast::proxy
