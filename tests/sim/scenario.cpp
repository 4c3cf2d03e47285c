#include "tests/sim/scenario.h"

#include <fmt/format.h>

#include "common/ids.h"

namespace holdfast::sim {
namespace {

using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;

const std::vector<Millis> kTimeouts{seconds{5}, seconds{30}, minutes{2}, minutes{10}, hours{1}};
const std::vector<Millis> kIntervals{seconds{1}, seconds{7}, minutes{1}};
const std::vector<Millis> kGraces{Millis{0}, seconds{3}, seconds{20}, minutes{5}};

std::optional<uint64_t> draw_cap(Rng &rng) {
  if (rng.percent(50)) return std::nullopt;
  return 1 + rng.below(rng.percent(70) ? 4 : 12);
}

sessiond::Policy draw_policy(Rng &rng) {
  sessiond::Policy policy;
  policy.timeout = rng.pick(kTimeouts);
  policy.max_sessions = draw_cap(rng);
  if (rng.percent(30)) policy.max_sessions_per_user = 1 + rng.below(3);
  if (rng.percent(60)) policy.persistent_mode = rng.percent(25);
  if (rng.percent(50)) policy.at_capacity = sessiond::AtCapacity::evict_idle;
  policy.evict_grace = rng.pick(kGraces);
  policy.stream_keeps_alive = rng.percent(25);
  if (rng.percent(25)) policy.orphan_timeout = rng.pick(kTimeouts);
  if (rng.percent(20)) policy.unused_timeout = rng.pick(kTimeouts);
  return policy;
}

}  // namespace

const std::vector<std::string> kPolicyNames{"", "team", "batch", "nowhere"};

std::string user_name(size_t n) { return n == 0 ? "-" : fmt::format("user{}", n); }

std::string session_name(size_t n) {
  std::string name = fmt::format("s{:07}", n);
  name.resize(kSessionIdChars, 'x');
  return name;
}

sessiond::Settings draw_settings(Rng &rng) {
  sessiond::Settings settings;
  settings.top = draw_policy(rng);
  if (rng.percent(60)) settings.policies.push_back({"team", draw_policy(rng)});
  if (rng.percent(30)) settings.policies.push_back({"batch", draw_policy(rng)});
  settings.sweep_interval = rng.pick(kIntervals);
  settings.tombstone_lifetime = rng.percent(50) ? Millis{hours{1}} : Millis{seconds{20}};
  settings.log_full_ids = true;  // the model reads the log
  settings.version = "sim";
  return settings;
}

Scenario Scenario::draw(Rng &rng) {
  Scenario scenario;
  scenario.settings = draw_settings(rng);
  scenario.nodes_count = 1 + rng.below(3);
  scenario.users_count = 1 + rng.below(4);
  scenario.live_max = 3 + rng.below(10);
  scenario.bytes = rng.percent(10);
  scenario.honest = rng.percent(75);
  scenario.faults_permille = rng.percent(20) ? 0 : static_cast<unsigned>(5 + rng.below(60));
  const std::vector<Millis> pauses{Millis{200}, seconds{2}, seconds{20}, minutes{3}, minutes{30}};
  scenario.pause_max = rng.pick(pauses);
  scenario.siblings = scenario.nodes_count > 1 && rng.percent(50);
  if (rng.permille(4)) {
    // More than one piece of a restore.
    scenario.live_max = 200;
    scenario.settings.top.max_sessions.reset();
    scenario.settings.top.max_sessions_per_user.reset();
  }
  return scenario;
}

}  // namespace holdfast::sim
