// "--name value" and "--flag" options of the bench tools. Unknown and left-over options end the
// program, so that a typing error in a bench script cannot pass unnoticed.
#pragma once

#include <cstdarg>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

namespace holdfast::bench {

// Ends the program with a message: for wrong usage, and for a machine that refuses bare
// necessities.
[[noreturn, gnu::format(printf, 1, 2)]] inline void die(const char *format, ...) {
  va_list values;
  va_start(values, format);
  (void)std::vfprintf(stderr, format, values);
  va_end(values);
  (void)std::fputc('\n', stderr);
  std::exit(2);
}

class Options {
 public:
  Options(int argc, char **argv, int first)
      : args_(argv + first, argv + argc), used_(args_.size(), false) {}

  bool flag(const char *name) {
    for (size_t i = 0; i < args_.size(); ++i) {
      if (args_[i] != name) continue;
      used_[i] = true;
      return true;
    }
    return false;
  }
  std::string str(const char *name, std::string preset) {
    for (size_t i = 0; i + 1 < args_.size(); ++i) {
      if (args_[i] != name) continue;
      used_[i] = used_[i + 1] = true;
      return args_[i + 1];
    }
    return preset;
  }
  double num(const char *name, double preset) {
    const std::string text = str(name, "");
    if (text.empty()) return preset;
    char *end = nullptr;
    const double value = std::strtod(text.c_str(), &end);
    if (*end != '\0') die("%s: not a number: %s", name, text.c_str());
    return value;
  }
  size_t count(const char *name, size_t preset) {
    const double value = num(name, static_cast<double>(preset));
    if (value < 0 || value > 1e15) die("%s: out of range", name);
    return static_cast<size_t>(value);
  }
  uint16_t port(const char *name, uint16_t preset) {
    const size_t value = count(name, preset);
    if (value > UINT16_MAX) die("%s: not a port", name);
    return static_cast<uint16_t>(value);
  }
  // Call it when all options have been asked for.
  void done() const {
    for (size_t i = 0; i < args_.size(); ++i) {
      if (!used_[i]) die("unknown option or missing value: %s", args_[i].c_str());
    }
  }

 private:
  std::vector<std::string> args_;
  std::vector<bool> used_;
};

}  // namespace holdfast::bench
