// What the core wants done, in order. The driver does it and knows nothing of the reasons.
#pragma once

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "common/link_messages.h"
#include "common/log.h"
#include "sessiond/core/events.h"

namespace holdfast::sessiond {

struct Send {
  LinkId link;
  link::ToProxy message;
};

// Tells the proxy why (`bye`) and closes. A LinkDown for it is expected afterwards.
struct CloseLink {
  LinkId link;
  std::string reason;
};

struct Log {
  LogLevel level = LogLevel::info;
  bool verbatim = false;  // one of the [SessionManager] lines: the text alone is the line
  std::string text;
};

// What became of a command that was carried to one proxy.
struct ProxyOutcome {
  enum class State : uint8_t { pending, ok, failed };
  LinkId link = LinkId::none;
  std::string node;
  int64_t pid = 0;
  State state = State::pending;
  std::string message;
};

enum class CommandOutcome : uint8_t {
  done,
  pending,    // something still waits for a proxy, which has had 5 s; it will happen yet
  not_found,  // no such session, or no such server
};

struct CommandDone {
  Token token{};
  CommandOutcome outcome = CommandOutcome::done;
  int64_t sessions_count = 0;  // matched
  int64_t ended_count = 0;     // of those, known to be over
  std::vector<ProxyOutcome> proxies;
};

using Action = std::variant<Send, CloseLink, Log, CommandDone>;
using Actions = std::vector<Action>;

}  // namespace holdfast::sessiond
