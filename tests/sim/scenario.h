// What one seed's history is made of: the policies, how many proxies, how hostile the world is.
// Values drawn from the seed before the first step. Pure.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "sessiond/core/settings.h"
#include "tests/sim/rng.h"

namespace holdfast::sim {

struct Scenario {
  sessiond::Settings settings;
  size_t nodes_count = 1;
  bool siblings = false;  // all proxies are one node, and hold the same sessions
  size_t users_count = 1;
  size_t live_max = 12;           // sessions a node's clients keep open at most
  bool bytes = false;             // links carry bytes in pieces, not whole messages
  bool honest = true;             // no line is lost or doubled inside a connection
  unsigned faults_permille = 20;  // of the steps
  Millis pause_max{0};            // between two things that clients do

  static Scenario draw(Rng &rng);
};

// New settings for a reload: policies, caps and timeouts change, nothing else does.
sessiond::Settings draw_settings(Rng &rng);

// The names that occur in a history. Sessions of undefined policies follow the top-level one.
extern const std::vector<std::string> kPolicyNames;
std::string user_name(size_t n);     // 0 is "-"
std::string session_name(size_t n);  // well formed, unique in its first 8 characters

}  // namespace holdfast::sim
