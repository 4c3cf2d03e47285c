#include "tests/bench/tools/load_report.h"

#include <array>
#include <cstdio>

namespace holdfast::bench {

void Report::num(const char *key, double value, const char *unit) {
  std::array<char, 40> text;
  const bool small = value != 0 && value < 100 && value > -100;
  (void)std::snprintf(text.data(), text.size(), small ? "%.4g" : "%.1f", value);
  rows_.push_back({key, text.data(), unit, false});
}

void Report::latency(const Histogram &histogram) {
  const auto us = [&](double q) { return static_cast<double>(histogram.quantile_ns(q)) / 1e3; };
  num("p50_us", us(0.50), "us");
  num("p90_us", us(0.90), "us");
  num("p99_us", us(0.99), "us");
  num("p999_us", us(0.999), "us");
  num("max_us", static_cast<double>(histogram.max_ns()) / 1e3, "us");
}

void Report::print(bool json) const {
  const char *separator = "{";
  for (const Row &row : rows_) {
    if (json) {
      const char *quote = row.quoted ? "\"" : "";
      (void)std::printf("%s\"%s\":%s%s%s", separator, row.key.c_str(), quote, row.value.c_str(),
                        quote);
      separator = ",";
    } else {
      (void)std::printf("%-22s %16s %s\n", row.key.c_str(), row.value.c_str(), row.unit.c_str());
    }
  }
  if (json) (void)std::puts("}");
}

}  // namespace holdfast::bench
