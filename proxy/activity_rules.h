// What one session policy says about activity and idleness, in the form the registry asks it: does
// this message move the clock, does this event, does an open stream hold the session. Built from
// the policy sessiond sent; immutable. Pure; any thread.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "common/clock.h"
#include "common/link_messages.h"
#include "proxy/mcp/rpc_scanner.h"

namespace holdfast::proxy {

class ActivityRules {
 public:
  ActivityRules();  // the top-level defaults of SPEC section 1, until sessiond has told better
  explicit ActivityRules(const link::PolicyInfo &policy);

  const std::string &name() const noexcept { return name_; }
  Millis timeout() const noexcept { return timeout_; }
  bool persistent() const noexcept { return persistent_; }  // unless an admin said otherwise
  bool stream_keeps_alive() const noexcept { return stream_keeps_alive_; }

  // Does this message from the client move the clock? Responses and `ping` never do.
  bool counts(const mcp::RpcMessage &message) const noexcept;
  // Does a real data event to the client move it?
  bool counts_events() const noexcept { return kind_ == Kind::messages; }

 private:
  enum class Kind : uint8_t {
    methods,   // those in methods_
    requests,  // every message with a method except ping
    messages   // those and every data event
  };

  std::string name_;
  Kind kind_ = Kind::methods;
  std::vector<std::string> methods_;
  Millis timeout_;
  bool persistent_ = false;
  bool stream_keeps_alive_ = false;
};

// True for a message that counts under `activity requests` and in a session's request counter.
bool has_working_method(const mcp::RpcMessage &message) noexcept;

}  // namespace holdfast::proxy
