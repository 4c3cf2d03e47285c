// What all clients of one mcp-load share. Owned by the modes; one thread.
#pragma once

#include "tests/bench/tools/histogram.h"
#include "tests/bench/tools/load_engine.h"
#include "tests/bench/tools/load_errors.h"
#include "tests/bench/tools/load_requests.h"

namespace holdfast::bench {

// What is counted between the end of warm-up and the end.
struct Window {
  bool open = false;
  uint64_t done = 0;
  uint64_t bytes = 0;
  uint64_t reconnects = 0;
  Histogram latency;

  void count(uint64_t begun_ns) {
    if (!open) return;
    ++done;
    const uint64_t now = now_ns();
    latency.add(now > begun_ns ? now - begun_ns : 0);
  }
};

struct LoadContext {
  explicit LoadContext(const LoadSettings &given) : settings(given), requests(given) {}

  const LoadSettings &settings;
  LoadErrors errors;
  Engine engine;
  Requests requests;
  Window window;
  size_t ready = 0;  // clients that finished their handshake
  uint64_t next_id = kFirstId;
};

}  // namespace holdfast::bench
