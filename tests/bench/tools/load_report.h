// The results of one mcp-load, in order; printed as a table or as one JSON object.
#pragma once

#include <string>
#include <vector>

#include "tests/bench/tools/histogram.h"

namespace holdfast::bench {

class Report {
 public:
  void num(const char *key, double value, const char *unit = "");
  void text(const char *key, const std::string &value) { rows_.push_back({key, value, "", true}); }
  void latency(const Histogram &histogram);
  void print(bool json) const;

 private:
  struct Row {
    std::string key;
    std::string value;
    std::string unit;
    bool quoted;
  };
  std::vector<Row> rows_;
};

}  // namespace holdfast::bench
