// What the core is told of the configuration: the policies and the few settings that are not a
// policy's. A value; a reload hands the core a new one. Pure.
#pragma once

#include <string>
#include <vector>

#include "common/clock.h"
#include "sessiond/core/policy.h"

namespace holdfast::sessiond {

struct Settings {
  Policy top;                         // its caps count all sessions
  std::vector<NamedPolicy> policies;  // theirs count their own in addition
  Millis sweep_interval{std::chrono::seconds{60}};
  Millis tombstone_lifetime{std::chrono::hours{1}};
  bool log_full_ids = false;
  std::string version;      // told to proxies at welcome
  std::string http_socket;  // told to proxies at welcome; empty: there is none
};

}  // namespace holdfast::sessiond
