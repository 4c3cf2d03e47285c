#include "proxy/activity_rules.h"

#include <algorithm>

namespace holdfast::proxy {
namespace {

constexpr Millis kDefaultTimeout = std::chrono::hours{1};
// Deadlines are sums of a moment and a timeout; a timeout beyond this is as good as for ever.
constexpr Millis kTimeoutMax = std::chrono::hours{24 * 365 * 100};

}  // namespace

bool has_working_method(const mcp::RpcMessage &message) noexcept {
  return message.has_method && message.method != "ping";
}

ActivityRules::ActivityRules() : methods_{"tools/call"}, timeout_(kDefaultTimeout) {}

ActivityRules::ActivityRules(const link::PolicyInfo &policy)
    : name_(policy.name),
      timeout_(std::clamp(Millis{policy.timeout_ms}, Millis{0}, kTimeoutMax)),
      persistent_(policy.persistent),
      stream_keeps_alive_(policy.stream_keeps_alive) {
  for (const std::string &word : policy.activity) {
    if (word == "requests" || word == "messages") {
      kind_ = word == "requests" ? Kind::requests : Kind::messages;
    } else {
      methods_.push_back(word);
    }
  }
}

bool ActivityRules::counts(const mcp::RpcMessage &message) const noexcept {
  if (!has_working_method(message)) return false;
  if (kind_ != Kind::methods) return true;
  return std::find(methods_.begin(), methods_.end(), message.method) != methods_.end();
}

}  // namespace holdfast::proxy
