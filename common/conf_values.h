// Values of directives that both daemons have. Built when a configuration is read, never changed
// afterwards. Pure types.
#pragma once

#include <string>

#include "common/log.h"

namespace holdfast {

// `error_log TARGET [LEVEL]`: "stderr" or an absolute path.
struct ErrorLog {
  std::string target = "stderr";
  LogLevel level = LogLevel::info;
};

// `user NAME [GROUP]`: who the daemon becomes when started as root; empty = stays who it is.
struct RunAs {
  std::string user;
  std::string group;  // empty = the user's own group
};

}  // namespace holdfast
