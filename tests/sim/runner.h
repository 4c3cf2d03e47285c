// Runs seeds: the kept ones, then a range; prints what a person needs to look into a failure. The
// main function of every simulation. One thread.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string_view>

#include "tests/sim/trace.h"

namespace holdfast::sim {

// How one seed's history went.
struct Outcome {
  std::optional<Violation> violation;
  uint64_t step = 0;        // in which it happened; past the last one: while healing
  uint64_t work_count = 0;  // what the history is made of: steps of the core, turns of a loop
};

// Plays one seed's history.
using Play = std::function<Outcome(uint64_t seed, uint64_t steps_count, Trace &trace)>;

// What a simulation is, besides its histories.
struct Simulation {
  Play play;
  uint64_t steps_count = 400;  // of a history
  const char *seeds_file;      // those that failed once
  const char *work;            // what Outcome::work_count counts
};

// `world` needs step() and heal(), which throw Violation.
template <class World>
Outcome play_in(World &world, uint64_t steps_count) {
  Outcome outcome;
  try {
    for (; outcome.step < steps_count; ++outcome.step) world.step();
    world.heal();
  } catch (const Violation &violation) {
    outcome.violation = violation;
  }
  outcome.work_count = world.work_count();
  return outcome;
}

// Understands --seed N, --first N, --seeds COUNT, --steps M, --lines L. Returns the process's exit
// status.
int run(int argc, char **argv, const Simulation &simulation);

}  // namespace holdfast::sim
