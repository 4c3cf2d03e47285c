// The error log's file, handed from a process that may open it to one that may not. Any thread.
#pragma once

#include "common/unique_fd.h"

namespace holdfast {

// Lines go to `file` from now on. Takes it.
void log_take(UniqueFd file);

// Of the file that lines go to; -1: stderr.
int log_descriptor();

}  // namespace holdfast
