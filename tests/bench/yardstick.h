// mcp-mock and mcp-load as the bench tests run them.
#pragma once

#include <cstdlib>
#include <string>
#include <vector>

#include "tests/support/json_view.h"
#include "tests/support/pair.h"
#include "tests/support/process.h"

namespace holdfast::test {

// A running mcp-mock on a port the kernel chose.
class Mock {
 public:
  explicit Mock(std::vector<std::string> args = {}) : process_(command(std::move(args))) {
    port_ = static_cast<uint16_t>(Json{process_.wait_for_line("{\"port\":")}["port"].integer());
  }
  uint16_t port() const { return port_; }

 private:
  static Command command(std::vector<std::string> args) {
    args.insert(args.end(), {"--port", "0"});
    return {program("mcp-mock"), std::move(args), {}, {}};
  }

  Process process_;
  uint16_t port_ = 0;
};

// A figure of mcp-load, whole or not.
inline double figure(const Json &result, std::string_view key) {
  return std::strtod(result[key].dump().c_str(), nullptr);
}

// Runs mcp-load against a port to its end; its results.
inline Json run_load(uint16_t port, std::vector<std::string> args) {
  constexpr Millis kLoadTime{240'000};
  args.insert(args.end(), {"--target", "127.0.0.1:" + std::to_string(port), "--json"});
  return Json{run({program("mcp-load"), std::move(args), {}, {}}, kLoadTime).out};
}

}  // namespace holdfast::test
