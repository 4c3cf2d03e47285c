// How logs reach the serving process, which may open nothing and may run as somebody who could not:
// the master opens them and sends the descriptors, at start, at each reload and when they are to be
// opened anew. Master's thread on one side, control thread on the other.
#pragma once

#include <string>
#include <vector>

#include "common/result.h"
#include "proxy/access_log.h"
#include "proxy/config.h"
#include "proxy/master_channel.h"

namespace holdfast::proxy {

// Which logs a handover is about.
enum class Logs {
  access,  // at start and reload; a fork has error_log already
  all,     // after logrotate, and when error_log has changed
};

// Opens the logs of `config` and sends them through `channel`. One that cannot be opened is told in
// the error log and left out: its lines are lost, or go where they went before. Errc::io: the child
// is gone.
Result<void> hand_over_logs(int channel, const Config &config, Logs which);

// What the child does with a `logs` message. Takes its descriptors.
void take_logs(MasterMessage &message, LogFiles &files);

}  // namespace holdfast::proxy
