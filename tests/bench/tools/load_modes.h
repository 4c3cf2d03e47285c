// The modes of mcp-load: each opens its clients, warms up, measures one window and reports.
#pragma once

#include <memory>
#include <string_view>
#include <vector>

#include "tests/bench/tools/load_context.h"
#include "tests/bench/tools/load_report.h"
#include "tests/bench/tools/process_sample.h"
#include "tests/bench/tools/session_client.h"

namespace holdfast::bench {

class LoadModes {
 public:
  LoadModes(LoadContext &load, Report &report) : load_(load), report_(report) {}  // borrows

  // Runs the mode of that name; false when there is none.
  bool run(std::string_view mode);

 private:
  struct Measured {
    double seconds = 0;
    double target_cpu_s = 0;
    double target_user_s = 0;
    double mock_cpu_s = 0;
    double load_cpu_s = 0;
    ProcSample after;
  };
  class StreamSet;

  void call();
  void churn();
  void once();
  void idle();
  void conns();
  void events();
  void slow();
  void legacy();

  void wait_ready(size_t wanted);
  Measured measure(double seconds);
  void report_rate(const Measured &measured, size_t clients, const char *count_key,
                   const char *rate_key);
  void report_cpu(const Measured &measured);
  void report_transfer(const Measured &measured);
  void report_memory(const ProcSample &before, const ProcSample &held, size_t count);

  LoadContext &load_;
  Report &report_;
};

}  // namespace holdfast::bench
