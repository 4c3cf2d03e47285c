// What mcp-load was asked to do. Read only once parsed.
#pragma once

#include <netinet/in.h>

#include <cstdint>
#include <string>
#include <vector>

#include "tests/bench/tools/wire.h"

namespace holdfast::bench {

struct LoadSettings {
  std::string mode;
  std::string host = "127.0.0.1";
  uint16_t port = 8080;
  sockaddr_in address{};
  std::string path = "/mcp";
  std::string legacy_path = "/sse";
  size_t conns = 16;
  size_t streams = 1000;
  size_t slow = 20;
  size_t sessions = 0;  // churn: this many instead of --seconds
  size_t req_bytes = 100;
  size_t expect_bytes = 0;
  unsigned sources = 1;  // client addresses
  double seconds = 5;
  double warmup_s = 1;
  double setup_limit_s = 20;
  std::vector<int> pids;  // the target's processes
  std::vector<int> mock_pids;
  bool json = false;
  TlsRules tls;
};

}  // namespace holdfast::bench
