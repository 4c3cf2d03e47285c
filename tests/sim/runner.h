// Runs seeds: the kept ones, then a range; prints what a person needs to look into a failure. The
// main function of every simulation. One thread.
#pragma once

#include <string>

#include "tests/sim/world.h"

namespace holdfast::sim {

// Understands --seed N, --first N, --seeds COUNT, --steps M, --lines L. Returns the process's exit
// status.
int run(int argc, char **argv, const char *seeds_file, const MakeProxy &make_proxy);

}  // namespace holdfast::sim
