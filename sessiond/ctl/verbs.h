// What each verb of holdfastctl does: asks, renders, and decides the exit code.
#pragma once

#include <iosfwd>

#include "sessiond/ctl/client.h"
#include "sessiond/ctl/command_line.h"

namespace holdfast::ctl {

// Where a run prints and asks.
struct Console {
  std::ostream &out;
  std::ostream &err;
  std::istream &in;
  bool interactive = false;  // a person can be asked
};

Exit run_verb(const Options &options, Client &client, Console &console);

}  // namespace holdfast::ctl
