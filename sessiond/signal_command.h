// `-s stop|quit|reopen|reload` of holdfast-sessiond: what the command line says to the daemon that
// is running with the same configuration. Blocks until the daemon has answered or a deadline
// passed; used by main() instead of serving.
#pragma once

#include "common/command_line.h"
#include "sessiond/config.h"

namespace holdfast::sessiond {

// Delivers the signal; prints what a person must know. The exit code: 0 done, 1 not. `reload` waits
// for the outcome on the admin socket and prints it.
int deliver_signal(const Config &config, DaemonSignal signal);

}  // namespace holdfast::sessiond
