// Finds the session a person means: ids are unique beginnings of at least four characters, as in
// git. Pure; the core's thread.
#pragma once

#include <string>
#include <string_view>

#include "common/admin_line.h"
#include "sessiond/core/step.h"

namespace holdfast::sessiond {

struct SessionLookup {
  const Session *session = nullptr;  // valid until the next step; nullptr: see fault
  AdminFault fault = AdminFault::not_found;
  std::string message;  // complete for a person
};
SessionLookup look_up_session(const Core &core, std::string_view id);

}  // namespace holdfast::sessiond
