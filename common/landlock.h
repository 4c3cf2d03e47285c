// Landlock: what a process may still do with files, TCP ports and its neighbours, given up by the
// process itself and for good. The kernel says which of it it knows (its ABI number); the rest is
// left out, so that an old kernel gives less protection and no error. Called once, before threads
// are started: only the calling thread and those it starts later are bound.
#pragma once

#include <string>
#include <vector>

#include "common/result.h"

namespace holdfast {

// A file, or a folder with everything below it. What does not exist is left out.
struct FileGrant {
  enum class Use {
    read,    // open for reading, list
    append,  // create files and write to them
    remove,  // remove files
  };
  std::string path;
  Use use = Use::read;
};

struct LandlockPlan {
  std::vector<FileGrant> files;  // nothing else is opened, made or removed
  bool connects_tcp = false;     // binding a TCP port is never granted: listeners exist by now
};

// The kernel's ABI; 0 when it has no landlock or has it switched off.
int landlock_abi() noexcept;

// Gives up everything but the plan. REQUIRES: no_new_privs or CAP_SYS_ADMIN. Errc::io; nothing is
// given up then.
Result<void> enter_landlock(const LandlockPlan &plan);

}  // namespace holdfast
