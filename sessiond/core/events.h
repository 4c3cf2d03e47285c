// What can happen to the core. Values: whatever a driver (the program, a test, the simulation)
// wants to happen, it says with one of these and the time.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>

#include "common/clock.h"
#include "common/close_reason.h"
#include "common/link_messages.h"
#include "sessiond/core/session.h"
#include "sessiond/core/settings.h"

namespace holdfast::sessiond {

// Names one command of an admin until its CommandDone; chosen by the driver, never reused.
enum class Token : uint64_t {};

// ---- proxies ----
struct LinkUp {
  LinkId link;
};
struct LinkDown {
  LinkId link;
};
struct Message {
  LinkId link;
  link::ToSessiond message;
};
struct Drained {  // everything queued towards the proxy has been written
  LinkId link;
};

// ---- time and configuration ----
struct Tick {};  // wanted at Core::next_wake(); earlier or later does no harm but lateness
struct SettingsChanged {
  Settings settings;
};

// ---- admin commands; each is answered by one CommandDone ----

// Which sessions; members that are not set match all.
struct SessionFilter {
  std::optional<std::string> user;
  std::optional<std::string> policy;
  std::optional<std::string> backend;  // "upstream/host:port", or "upstream" for all its servers
  std::optional<Transport> transport;
  std::optional<Millis> idle_min;
};
struct ShutdownSession {
  Token token;
  std::string session;  // the whole id
};
struct ShutdownSessions {
  Token token;
  SessionFilter filter;
};
struct SetPersistent {
  Token token;
  std::string session;  // the whole id
  bool persistent = false;
};
struct SetDrain {
  Token token;
  bool on = false;
  bool exit = false;  // with on: the proxies finish and leave
};
struct SetServer {  // of one server of an upstream; what is not named stays as it is
  Token token;
  std::string server;  // "upstream/host:port"
  std::optional<ServerState> state;
  std::optional<int64_t> weight;
};
struct ReloadProxies {  // asks every linked proxy to read its configuration anew
  Token token;
};

using Event =
    std::variant<LinkUp, LinkDown, Message, Drained, Tick, SettingsChanged, ShutdownSession,
                 ShutdownSessions, SetPersistent, SetDrain, SetServer, ReloadProxies>;

}  // namespace holdfast::sessiond
