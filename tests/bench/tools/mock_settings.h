// What an mcp-mock was asked to be, and what it counted. One of each per process.
#pragma once

#include <cstdint>
#include <string>

#include "tests/bench/tools/wire.h"

namespace holdfast::bench {

struct MockSettings {
  std::string host = "127.0.0.1";
  uint16_t port = 9000;
  size_t resp_bytes = 200;          // length of the text in a tools/call result
  bool sse_response = false;        // answer tools/call as text/event-stream
  double delay_ms = 0;              // before each tools/call answer
  double rate = 0;                  // events per second on each GET /mcp stream
  size_t event_bytes = 64;          // padding inside each event
  size_t stall_bytes = 256 * 1024;  // a stream this far behind skips events
  TlsRules tls;                     // empty: plain TCP
  std::string fault;                // misbehave on purpose, to test the load generator
};

struct MockCounters {
  uint64_t accepted = 0;
  uint64_t requests = 0;
  uint64_t initialize = 0;
  uint64_t calls = 0;
  uint64_t deletes = 0;
  uint64_t streams = 0;
  uint64_t events = 0;
  uint64_t stalled = 0;
  uint64_t not_found = 0;
  uint64_t malformed = 0;
  uint64_t peak_conns = 0;
};

}  // namespace holdfast::bench
