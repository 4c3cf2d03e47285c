// What admission goes by of the policies sessiond has told. Pure; one thread at a time.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/link_messages.h"

namespace holdfast::proxy {

class KnownPolicies {
 public:
  struct Policy {
    bool capped = false;  // by a cap of its own, or of the top level, which counts all sessions
    bool persistent = false;
  };

  void set(const std::vector<link::PolicyInfo> &policies);
  // The policy of this name, or the top-level one where sessiond has none of it; nullopt: none was
  // ever known.
  std::optional<Policy> find(std::string_view name) const;

 private:
  std::map<std::string, Policy, std::less<>> policies_;
};

}  // namespace holdfast::proxy
