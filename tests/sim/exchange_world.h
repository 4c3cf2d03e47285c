// The simulated world of one worker's data path: the real Worker with everything it owns, stepped
// turn by turn under a virtual clock, between fake clients and fake backends. One seed is one
// history. Throws Violation. One thread.
#pragma once

#include <bitset>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "proxy/config.h"
#include "proxy/net/timer_wheel.h"
#include "tests/sim/exchange_client.h"
#include "tests/sim/exchange_server.h"
#include "tests/sim/rng.h"

namespace holdfast::sim {

// A configuration histories may run with, and what of it the oracle must know.
struct ExchangeConfig {
  std::shared_ptr<const proxy::Config> config;
  uint64_t body_bytes_max = 0;
  size_t keepalive_count = 0;  // idle connections to each backend
};

class ExchangeWorld final : public FakeKernel {
 public:
  ExchangeWorld(uint64_t seed, std::span<const ExchangeConfig> configs, Meddling meddling,
                Trace &trace);
  ~ExchangeWorld();

  // One thing that happens, and some turns of the worker's loop.
  void step();
  // Ends all trouble: everybody reads and writes what there is, then time passes; nobody may be
  // left waiting, and nothing may be left.
  void heal();

  uint64_t work_count() const noexcept { return turns_count_; }  // turns of the loop

 private:
  struct Proxy;
  using Fds = std::bitset<128>;  // more than a history ever holds

  int on_connect(int fd, unsigned port) override;
  void on_reset_on_close(int fd) override;

  // ---- what happens (exchange_world.cpp) ----
  void connect_client();
  void act(FakeClient &client);
  void act(FakeServer &server);
  bool read(FakeClient &client, size_t bytes_max);
  bool read(FakeServer &server, size_t bytes_max);
  void pass(Millis time, Millis tick = proxy::TimerWheel::kTick);
  void turn(size_t count);
  size_t some_bytes();
  static Fds open_fds();

  // ---- the end, and what holds always (exchange_check.cpp) ----
  bool pump(bool patient);
  bool pump(FakeClient &client, bool patient);
  bool pump(FakeServer &server);
  void settle();
  void check_rest();
  void end_endless();
  void check_bounds();
  void check_held(FakeClient &client, FakeServer &server);
  void check_end(FakeClient &client);
  void check_answered();
  void check_answered(FakeClient &client);
  bool at_backend(const AskedRequest &request);
  void check_all_ended();
  void check_nothing_left();

  // ---- lies (exchange_meddling.cpp) ----
  void meddle_with_answer(FakeClient &client, std::string &bytes);
  void meddle_with_end(FakeClient &client);
  void meddle_with_request(FakeServer &server, std::string &bytes);
  void meddle();

  Rng rng_;
  ExchangeShape shape_;
  const ExchangeConfig &config_;
  const Meddling meddling_;
  bool meddled_ = false;
  ExchangeBooks books_;
  std::unique_ptr<Proxy> proxy_;
  std::vector<std::unique_ptr<FakeClient>> clients_;
  std::vector<std::unique_ptr<FakeServer>> servers_;
  Fds fds_before_;     // the first connection
  UniqueFd leaked_;    // by a lie
  std::string hoard_;  // by another
  size_t robbed_ = 0;  // the client that gets nothing any more
  uint32_t last_tag_ = 0;
  uint32_t last_answer_ = 0;
  uint64_t turns_count_ = 0;
  Millis waited_{0};
  bool healing_ = false;
};

}  // namespace holdfast::sim
