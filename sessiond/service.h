// What sessiond offers to those who speak with people: the admin socket and the HTTP API. They read
// the core's tables and hand it commands; they never change anything themselves. Implemented by the
// composition root (and by a fake in tests). Loop thread only; nothing here blocks.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "common/clock.h"
#include "sessiond/config.h"
#include "sessiond/core/actions.h"
#include "sessiond/core/events.h"
#include "sessiond/core/step.h"

namespace holdfast::sessiond {

// How a reload went. The proxies are asked only after our own configuration was accepted.
struct ReloadOutcome {
  bool ok = false;      // sessiond took the new configuration
  std::string message;  // for a person: what was applied, or every error with FILE:LINE:COL
  std::vector<ProxyOutcome> proxies;
};

class Service {
 public:
  using OnDone = std::function<void(const CommandDone &)>;
  using OnReloaded = std::function<void(const ReloadOutcome &)>;

  virtual ~Service() = default;

  virtual const Core &core() const = 0;      // valid until control returns to the loop
  virtual const Config &config() const = 0;  // likewise
  virtual const Clock &clock() const = 0;
  virtual std::string_view version() const = 0;
  virtual MonoTime started() const = 0;
  // Configurations taken since the start: 1, and one more with every successful reload.
  virtual uint64_t generation() const = 0;
  virtual bool last_reload_ok() const = 0;
  virtual MonoTime last_reload() const = 0;  // the last successful one, or the start

  // A token for submit(), never used before.
  virtual Token new_token() = 0;
  // Hands a command to the core. `done` is called exactly once, perhaps before submit() returns
  // and at most a little more than kCommandPatience later. It must not refer to anything that may
  // be gone by then: ids, not pointers. `command` carries a token of new_token().
  virtual void submit(Token token, Event command, OnDone done) = 0;
  // Reads the configuration anew and asks the proxies to do the same; the rules of submit() hold.
  virtual void reload(OnReloaded done) = 0;
};

}  // namespace holdfast::sessiond
