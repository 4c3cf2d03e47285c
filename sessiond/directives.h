// The words of sessiond.conf: one row each (conf_schema.h), and for the settings of a policy how
// words become a value and a value becomes words again. Constant data.
#pragma once

#include <array>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "common/conf_schema.h"
#include "sessiond/core/policy.h"

namespace holdfast::sessiond {

inline constexpr ConfContexts kMain = kConfMain;
inline constexpr ConfContexts kPolicy = 2;

const ConfSchema &conf_schema();

// A setting that the top level and every policy block has.
struct PolicySetting {
  std::string_view name;
  // Stores words that the schema has accepted.
  void (*set)(Policy &policy, const std::vector<std::string> &words);
  // The words that say the present value.
  std::string (*show)(const Policy &policy);
};
std::span<const PolicySetting> policy_settings() noexcept;
const PolicySetting *find_policy_setting(std::string_view name) noexcept;

// The environment names users already have, and the setting each one means.
struct EnvironmentName {
  std::string_view variable;
  std::string_view setting;
};
inline constexpr std::array<EnvironmentName, 4> kEnvironmentNames{{
    {"SESSION_TIMEOUT", "session_timeout"},
    {"SESSION_CLEANUP_INTERVAL", "session_cleanup_interval"},
    {"MAX_SESSIONS", "max_sessions"},
    {"PERSISTENT_MODE", "persistent_mode"},
}};

}  // namespace holdfast::sessiond
