// The main function of the simulations of sessiond's core: World, with proxies of one kind.
#pragma once

#include <utility>

#include "tests/sim/runner.h"
#include "tests/sim/world.h"

namespace holdfast::sim {

inline int run_world(int argc, char **argv, const char *seeds_file, const MakeProxy &make_proxy) {
  const auto play = [&make_proxy](uint64_t seed, uint64_t steps_count, Trace &trace) {
    World world(seed, make_proxy, trace);
    return play_in(world, steps_count);
  };
  return run(argc, argv, {play, 400, seeds_file, "steps of the core"});
}

}  // namespace holdfast::sim
