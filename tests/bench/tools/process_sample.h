// What the kernel says about processes: CPU time, memory and open files, summed over them and their
// descendants. Reads /proc; processes that end meanwhile count for what could still be read.
#pragma once

#include <cstddef>
#include <vector>

namespace holdfast::bench {

struct ProcSample {
  double cpu_s = 0;   // user and system time since the processes started
  double user_s = 0;  // the user part (10 ms resolution)
  double rss_kib = 0;
  double pss_kib = 0;  // shared pages divided among sharers
  double hwm_kib = 0;  // sum of the peak RSS of each process
  size_t files = 0;
  int procs = 0;
  int threads = 0;
};

// Samples `roots` and everything descended from them. `walk_pages` makes the memory exact and costs
// milliseconds for a big process: leave it out inside a latency measurement.
ProcSample sample_processes(const std::vector<int> &roots, bool walk_pages);

}  // namespace holdfast::bench
