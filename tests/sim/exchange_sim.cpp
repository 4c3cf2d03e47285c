// The proxy's exchange between fake clients and fake backends.
#include <cstdio>
#include <cstring>
#include <vector>

#include "common/log.h"
#include "tests/sim/exchange_world.h"
#include "tests/sim/runner.h"
#include "tests/support/memory_conf_source.h"

namespace holdfast::sim {
namespace {

constexpr uint64_t kStepsCount = 120;
constexpr uint64_t kLieSeedsMax = 4000;  // in which every lie must have been noticed

// Deadlines as short as they can be told apart: time is not real here. All of them are longer than
// the second in which the oracle holds that nothing can have ended by time alone.
constexpr const char *kServer = R"(
  server {
    listen 127.0.0.1:8080;
    client_header_timeout 3s;
    client_body_timeout 3s;
    client_body_total_timeout 9s;
    keepalive_timeout 3s;
    location / {
      proxy_pass http://pool;
      proxy_connect_timeout 2s;
      proxy_read_timeout 4s;
      proxy_send_timeout 4s;
      send_timeout 5s;
      stream_send_timeout 6s;
)";

struct ConfigText {
  const char *upstream;
  const char *location;
  uint64_t body_bytes_max;
  size_t keepalive_count;
};

constexpr ConfigText kConfigs[] = {
    {"server 127.0.0.1:1 max_fails=0; keepalive 2;", "client_max_body_size 256k;", 256 * 1024, 2},
    {"server 127.0.0.1:1 max_fails=0; server 127.0.0.1:2 max_fails=0; keepalive 1;",
     "client_max_body_size 20k; sse_heartbeat 1s;", 20 * 1024, 1},
    {"server 127.0.0.1:1; server 127.0.0.1:2; keepalive 8;",
     "client_max_body_size 256k; sse_heartbeat off; legacy_sse off;", 256 * 1024, 8},
    {"server 127.0.0.1:1 max_fails=0; keepalive 0;", "client_max_body_size 256k;", 256 * 1024, 0},
};

std::vector<ExchangeConfig> load_configs() {
  std::vector<ExchangeConfig> configs;
  for (const ConfigText &text : kConfigs) {
    test::MemoryConfSource source;
    const ConfRequest request = test::request_for("proxy.conf");
    source.files[request.path] =
        std::string("upstream pool { ") + text.upstream + " }" + kServer + text.location + " } }";
    LoadedConf<proxy::Config> loaded = proxy::load_config(request, source);
    if (!loaded.config) {
      std::fputs(loaded.report.text(loaded.tree.files, "sim").c_str(), stderr);
      return {};
    }
    configs.push_back({std::move(loaded.config), text.body_bytes_max, text.keepalive_count});
  }
  return configs;
}

struct Lie {
  Meddling meddling;
  const char *name;
  const char *promises;  // one of which it must be found to break
};

constexpr Lie kLies[] = {
    {Meddling::dropped_byte, "a byte of an answer is dropped", "D1 D2 F5"},
    {Meddling::swapped_answers, "an answer goes to another client", "D5"},
    {Meddling::cut_as_whole, "a cut answer gets a last chunk", "D2"},
    {Meddling::hidden_reset, "a cut answer ends without a reset", "D2"},
    {Meddling::lost_answer, "an answer is lost", "F5"},
    {Meddling::changed_request, "a byte of a request is changed", "D1 D3"},
    {Meddling::doubled_request, "a POST is sent twice", "D3"},
    {Meddling::second_host, "a request has two Hosts", "D3"},
    {Meddling::leaked_descriptor, "a descriptor is left", "R2"},
    {Meddling::hoarded_bytes, "an answer is held without bound", "R1"},
};

// Every lie must be found out, and as what it is.
int tell_lies(const std::vector<ExchangeConfig> &configs) {
  int status = 0;
  for (const Lie &lie : kLies) {
    std::optional<Violation> found;
    uint64_t seed = 0;
    while (!found && seed < kLieSeedsMax) {
      Trace quiet(0);
      ExchangeWorld world(++seed, configs, lie.meddling, quiet);
      found = play_in(world, kStepsCount).violation;
    }
    const bool right = found && std::strstr(lie.promises, found->invariant.c_str()) != nullptr;
    std::printf("%s: %s after %llu seeds: %s %s\n", right ? "found" : "NOT FOUND", lie.name,
                static_cast<unsigned long long>(seed), found ? found->invariant.c_str() : "-",
                found ? found->what.c_str() : "");
    if (!right) status = 1;
  }
  return status;
}

}  // namespace
}  // namespace holdfast::sim

int main(int argc, char **argv) {
  using namespace holdfast;
  (void)log_open("stderr", LogLevel::error);  // ignoring: stderr is open
  const std::vector<sim::ExchangeConfig> configs = sim::load_configs();
  if (configs.empty()) return 2;
  if (argc == 2 && std::strcmp(argv[1], "--lies") == 0) return sim::tell_lies(configs);
  const auto play = [&configs](uint64_t seed, uint64_t steps_count, sim::Trace &trace) {
    sim::ExchangeWorld world(seed, configs, sim::Meddling::none, trace);
    return sim::play_in(world, steps_count);
  };
  return sim::run(argc, argv, {play, sim::kStepsCount, SEEDS_FILE, "turns of the loop"});
}
