#include "sessiond/config.h"

#include <algorithm>

namespace holdfast::sessiond {

std::string_view to_word(Origin origin) noexcept {
  switch (origin) {
    case Origin::default_value:
      return "default";
    case Origin::conf:
      return "conf";
    case Origin::env_file:
      return "env_file";
    case Origin::environment:
      return "environment";
    case Origin::command_line:
      return "command_line";
  }
  return "";
}

namespace {

void append_block(std::string &out, const Policy &policy) {
  const auto ms = [](Millis duration) { return std::to_string(duration.count()) + "ms"; };
  out += "   Session: timeout=" + ms(policy.timeout) + ", cleanup=" + ms(policy.cleanup_interval) +
         ", persistent=" + (is_persistent(policy) ? "true" : "false") + "\n";
  if (policy.max_sessions) {
    out += "     - maxSessions: " + std::to_string(*policy.max_sessions) + "\n";
  }
}

}  // namespace

std::string start_banner(const Config &config) {
  std::string out = "📋 Configuration:\n";
  append_block(out, config.top);
  for (const NamedPolicy &named : config.policies) {
    out += "📋 Policy " + named.name + ":\n";
    append_block(out, named.policy);
  }
  return out;
}

const Policy &Config::policy(std::string_view name) const noexcept {
  const auto it = std::find_if(policies.begin(), policies.end(),
                               [name](const NamedPolicy &named) { return named.name == name; });
  return it == policies.end() ? top : it->policy;
}

bool Config::has_policy(std::string_view name) const noexcept { return &policy(name) != &top; }

Millis Config::sweep_interval() const noexcept {
  Millis interval = top.cleanup_interval;
  for (const NamedPolicy &named : policies) {
    interval = std::min(interval, named.policy.cleanup_interval);
  }
  return interval;
}

}  // namespace holdfast::sessiond
