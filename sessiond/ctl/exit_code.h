// holdfastctl's exit codes, which scripts and container health checks rely on.
#pragma once

#include <string_view>

#include "common/admin_line.h"

namespace holdfast::ctl {

enum class Exit : int {
  done = 0,
  failed = 1,       // refused or failed; health: degraded or draining
  usage = 2,        // the command line makes no sense
  unreachable = 3,  // no daemon answers
  not_found = 4,    // no such session
  denied = 5,       // not permitted
};

constexpr Exit exit_of(AdminFault fault) noexcept {
  switch (fault) {
    case AdminFault::usage:
      return Exit::usage;
    case AdminFault::not_found:
      return Exit::not_found;
    case AdminFault::refused:
      return Exit::failed;
    case AdminFault::denied:
      return Exit::denied;
  }
  return Exit::failed;
}

// What several steps together exit with.
constexpr Exit worse(Exit a, Exit b) noexcept { return a < b ? b : a; }

}  // namespace holdfast::ctl
