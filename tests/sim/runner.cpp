#include "tests/sim/runner.h"

#include <charconv>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <optional>
#include <vector>

namespace holdfast::sim {
namespace {

struct Options {
  std::optional<uint64_t> seed;  // only this one, explained
  uint64_t first = 1;
  uint64_t seeds_count = 10'000;
  uint64_t steps_count = 0;
  uint64_t lines_max = 50;  // of a failing history are told
};

std::optional<Options> parse(int argc, char **argv, uint64_t steps_count) {
  Options options;
  options.steps_count = steps_count;
  for (int i = 1; i + 1 < argc; i += 2) {
    uint64_t value = 0;
    const char *const end = argv[i + 1] + std::strlen(argv[i + 1]);
    if (std::from_chars(argv[i + 1], end, value).ptr != end) return std::nullopt;
    const std::string_view name = argv[i];
    if (name == "--seed") {
      options.seed = value;
    } else if (name == "--first") {
      options.first = value;
    } else if (name == "--seeds") {
      options.seeds_count = value;
    } else if (name == "--lines") {
      options.lines_max = value;
    } else if (name == "--steps") {
      options.steps_count = value;
    } else {
      return std::nullopt;
    }
  }
  return argc % 2 == 1 ? std::optional(options) : std::nullopt;
}

// Seeds that failed once, a number a line; what stands behind it says why.
std::vector<uint64_t> kept_seeds(const char *path) {
  std::vector<uint64_t> seeds;
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) {
    uint64_t seed = 0;
    if (std::from_chars(line.data(), line.data() + line.size(), seed).ec == std::errc()) {
      seeds.push_back(seed);
    }
  }
  return seeds;
}

// The same history once more, told.
void explain(uint64_t seed, const Options &options, const Play &play) {
  Trace trace(options.lines_max);
  const Outcome outcome = play(seed, options.steps_count, trace);
  for (const std::string &line : trace.lines()) std::printf("  %s\n", line.c_str());
  if (!outcome.violation) {
    std::printf("seed %llu holds\n", static_cast<unsigned long long>(seed));
    return;
  }
  std::printf("seed %llu, step %llu of %llu: promise %s is broken: %s\n",
              static_cast<unsigned long long>(seed), static_cast<unsigned long long>(outcome.step),
              static_cast<unsigned long long>(options.steps_count),
              outcome.violation->invariant.c_str(), outcome.violation->what.c_str());
}

}  // namespace

int run(int argc, char **argv, const Simulation &simulation) {
  const auto options = parse(argc, argv, simulation.steps_count);
  if (!options) {
    std::fprintf(stderr, "usage: %s [--seed N | --first N --seeds COUNT] [--steps M] [--lines L]\n",
                 argv[0]);
    return 2;
  }
  const Play &play = simulation.play;
  if (options->seed) {
    explain(*options->seed, *options, play);
    Trace quiet(0);
    return play(*options->seed, options->steps_count, quiet).violation ? 1 : 0;
  }
  std::vector<uint64_t> seeds = kept_seeds(simulation.seeds_file);
  for (uint64_t i = 0; i < options->seeds_count; ++i) seeds.push_back(options->first + i);
  uint64_t work_count = 0;
  for (const uint64_t seed : seeds) {
    Trace quiet(0);
    const Outcome outcome = play(seed, options->steps_count, quiet);
    work_count += outcome.work_count;
    if (!outcome.violation) continue;
    explain(seed, *options, play);
    std::printf("again: %s --seed %llu; keep it in %s\n", argv[0],
                static_cast<unsigned long long>(seed), simulation.seeds_file);
    return 1;
  }
  std::printf("%zu seeds hold, %llu %s\n", seeds.size(),
              static_cast<unsigned long long>(work_count), simulation.work);
  return 0;
}

}  // namespace holdfast::sim
