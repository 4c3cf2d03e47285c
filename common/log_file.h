// The error log's file, opened before it is used, and handed from a process that may open it to one
// that may not. Any thread.
#pragma once

#include <string>

#include "common/log.h"
#include "common/unique_fd.h"

namespace holdfast {

// Opens what error_log names; no descriptor for "stderr". Errc::io.
Result<UniqueFd> log_file_open(const std::string &target);

// Lines go to `file` (none: stderr) from now on, and log_reopen() opens `target`. Other threads may
// be logging.
void log_move(const std::string &target, UniqueFd file);

// Lines go to `file` from now on. Takes it.
void log_take(UniqueFd file);

// Of the file that lines go to, or stderr's.
int log_descriptor();

}  // namespace holdfast
