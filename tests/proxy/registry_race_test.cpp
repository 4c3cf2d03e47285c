// Begin and drop from several threads at once: a request that was let in never finds its session
// dropped for idleness under it.
#include <atomic>
#include <thread>

#include "common/ids.h"
#include "tests/proxy/registry_fixture.h"
#include "tests/support/hf_test.h"

using namespace holdfast;
using namespace holdfast::proxy;
using namespace holdfast::proxy::test;

namespace {

constexpr size_t kSessions = 16;
constexpr uint32_t kWorkers = 3;
constexpr uint64_t kRounds = 20'000;

// Sessions that are ended and bound anew all the time, named by slot and generation.
struct Arena {
  SystemClock clock;
  SessionRegistry registry{clock};
  std::array<std::atomic<uint64_t>, kSessions> generation{};
  std::atomic<uint64_t> let_in{0}, refused{0}, dropped{0}, spared{0}, violations{0};
  std::atomic<bool> stop{false};

  static std::string id_of(size_t slot, uint64_t generation) {
    return "slot-" + std::to_string(slot) + "-" + std::to_string(generation);
  }
  void bind(size_t slot, uint64_t generation_now) {
    const std::string id = id_of(slot, generation_now);
    registry.bind({id, kAlice, "", Transport::streamable, 0, "b", "", "", "", ""}, false, kOpener);
    registry.finish(id, kOpener, SessionRegistry::Finish::answered);
    generation[slot] = generation_now;
  }
};

// One worker: begins requests wherever it can and checks that a session it was let into is still
// there as long as its request is in flight.
void serve(Arena &arena, uint32_t worker) {
  const std::vector<mcp::RpcMessage> call{request("tools/call", "1")};
  SessionView view;
  for (uint64_t round = 0; round < kRounds; ++round) {
    const size_t slot = (round * 7 + worker) % kSessions;
    const std::string id = Arena::id_of(slot, arena.generation[slot]);
    const ExchangeRef exchange{worker, round};
    if (!arena.registry.begin(id, kAlice, exchange, true, view)) {
      ++arena.refused;
      continue;
    }
    ++arena.let_in;
    if (round % 2 == 0) arena.registry.classify(id, exchange, call);
    // Still there for its own request: a second begin by the same user must succeed.
    const ExchangeRef probe{worker, kRounds + round};
    if (arena.registry.begin(id, kAlice, probe, false, view)) {
      arena.registry.finish(id, probe, SessionRegistry::Finish::answered);
    } else {
      ++arena.violations;
    }
    arena.registry.finish(id, exchange, SessionRegistry::Finish::answered);
  }
}

// The control thread: drops whatever it may at once, and binds the slot anew.
void drop(Arena &arena) {
  std::vector<link::ActivityEntry> activity;
  for (size_t turn = 0; !arena.stop; ++turn) {
    const size_t slot = turn % kSessions;
    const uint64_t generation = arena.generation[slot];
    const auto verdict = arena.registry.drop_if_idle(Arena::id_of(slot, generation), Millis{0});
    if (const auto *ended = std::get_if<EndedSession>(&verdict)) {
      ++arena.dropped;
      // Whoever is named here holds nothing: probes expect no messages.
      for (const ExchangeRef &exchange : ended->exchanges) {
        if (exchange.exchange < kRounds) ++arena.violations;
      }
      arena.bind(slot, generation + 1);
    } else {
      ++arena.spared;
    }
    activity.clear();
    arena.registry.collect_activity(500, activity);
    (void)arena.registry.counts(true);
  }
}

}  // namespace

HF_TEST(a_request_that_was_let_in_is_never_dropped_for_idleness) {
  Arena arena;
  for (size_t slot = 0; slot < kSessions; ++slot) arena.bind(slot, 1);
  std::thread dropper([&] { drop(arena); });
  std::vector<std::thread> workers;
  for (uint32_t w = 0; w < kWorkers; ++w) workers.emplace_back([&arena, w] { serve(arena, w); });
  for (std::thread &worker : workers) worker.join();
  arena.stop = true;
  dropper.join();
  HF_EQ(arena.violations.load(), uint64_t{0});
  HF_CHECK(arena.let_in > 0 && arena.dropped > 0);
  HF_EQ(arena.let_in + arena.refused, kWorkers * kRounds);
  HF_EQ(arena.registry.size(), kSessions);
}

int main() {
  const CMUnitTest tests[] = {HF_UNIT(a_request_that_was_let_in_is_never_dropped_for_idleness)};
  return HF_RUN(tests);
}
