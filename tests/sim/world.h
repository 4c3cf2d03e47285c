// The simulated world: sessiond's core, some proxies, the links between them, clients, admins, and
// everything that can go wrong, under one virtual clock. One seed is one history; each step of the
// core is compared with the model, each settled moment with what the proxies really hold.
// Throws Violation. One thread.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "sessiond/core/step.h"
#include "tests/sim/core_model.h"
#include "tests/sim/pipe.h"
#include "tests/sim/proxy_side.h"
#include "tests/sim/rng.h"
#include "tests/sim/scenario.h"
#include "tests/sim/trace.h"

namespace holdfast::sim {

// Makes the serving process of a node. The outlet is the world's and outlives it.
using MakeProxy = std::function<std::unique_ptr<ProxySide>(
    const Clock &clock, ProxySide::Outlet &outlet, std::string node, std::string instance)>;

// A side that hears nothing for so long ends its connection.
inline constexpr Millis kSilenceMax{kLinkSilenceMax};

class World {
 public:
  World(uint64_t seed, MakeProxy make_proxy, Trace &trace);
  ~World();
  World(const World &) = delete;
  World &operator=(const World &) = delete;

  // One thing that happens: to clients, links, processes, admins or the clock.
  void step();
  // Ends all trouble, and checks that the table becomes reality, stays so for ten minutes, and that
  // whoever is not persistent is gone when nobody does anything any more.
  void heal();

  uint64_t work_count() const noexcept { return core_steps_count_; }  // steps of the core

 private:
  // A session as its client sees it.
  struct Client {
    // What goes through one proxy.
    struct Use {
      std::map<uint64_t, bool> requests;   // and whether they count
      std::map<uint64_t, bool> waiting;    // that have not begun
      std::map<uint64_t, MonoTime> since;  // when each of both came
      std::vector<uint64_t> streams;
      MonoTime last_activity = MonoTime::min();
      MonoTime last_use = MonoTime::min();
      bool used = false;
    };
    Wish wish;
    size_t home = 0;  // the proxy it began at
    enum class Stage : uint8_t { waiting, admitted, live } stage = Stage::waiting;
    std::map<size_t, Use> uses;  // by the proxy's index
    MonoTime created{};
    bool used = false;

    const Use &use(size_t node) const {
      static const Use kNone;
      const auto at = uses.find(node);
      return at == uses.end() ? kNone : at->second;
    }
  };
  // The clients of one node, however many proxies it has.
  using Clients = std::map<std::string, Client>;
  struct Wire {
    sessiond::LinkId id;
    Pipe<link::ToSessiond> up;
    Pipe<link::ToProxy> down;
    size_t node = 0;
    bool broken = false;  // nothing is added any more; both ends hear of it behind what is left
    bool core_told = false;
    bool proxy_told = false;
    bool may_drain = false;  // something was written since the core heard that all was

    Wire(sessiond::LinkId id_in, size_t node_in, bool bytes)
        : id(id_in), up(bytes), down(bytes), node(node_in) {}
  };
  struct Told;
  struct Node;

  // ---- sessiond (world_links.cpp) ----
  void core_step(const sessiond::Event &event);
  void carry_out(const sessiond::Actions &actions, size_t count);
  void start_sessiond();
  void crash_sessiond();

  // ---- links (world_links.cpp) ----
  Wire *wire_of(const Node &node);
  void connect(Node &node);
  void disconnect(Node &node);
  bool deliver_up(Wire &wire);
  bool deliver_down(Wire &wire);
  void deliver_to_proxy(Node &node, const link::ToProxy &message, MonoTime said);
  void deliver_some();
  void tidy_wires();
  void break_wire(Wire &wire, size_t up_kept, size_t down_kept);
  void chatter();

  // ---- time (world_links.cpp) ----
  void advance(Millis by);
  MonoTime next_event(MonoTime until) const;
  void run_due();
  void jump(Millis by);

  // ---- clients (world_clients.cpp) ----
  void client_step();
  void wish_for_session(Node &node);
  void use_session(Node &node, Client &client);
  void open_session(Node &node, Client &client);
  void begin_request(Node &node, Client &client);
  void finish_request(Node &node, Client &client);
  void close_streams_at_random(Node &node, Client &client);
  void finish_client(const std::string &session, const Client &client);
  bool held_anywhere(const Node &node, const std::string &session) const;
  void check_drop(Node &node, const link::DropIfIdle &order, const Client &before, MonoTime said);
  bool used_unseen(const Node &node, const Client &before, MonoTime said) const;
  void check_last_drop(const Node &node, const link::DropIfIdle &order, const Client &before,
                       MonoTime said) const;
  void check_waits() const;

  // ---- trouble and admins (world_faults.cpp) ----
  void fault();
  void crash_proxy(Node &node);
  void freeze_or_thaw(Node &node);
  void admin_step();
  std::string some_session();

  // ---- the whole (world.cpp) ----
  bool settled() const;
  void check_reality() const;
  void check_session(const Node &node, const link::Record &record) const;
  void check_siblings() const;
  void settle();
  void finish_everything();

  Rng rng_;
  Scenario scenario_;
  Trace &trace_;
  MakeProxy make_proxy_;
  FakeClock clock_;
  std::unique_ptr<sessiond::Core> core_;  // none while sessiond is down
  std::unique_ptr<CoreModel> model_;
  MonoTime sessiond_back_{};
  std::vector<std::unique_ptr<Clients>> clients_;
  std::vector<std::unique_ptr<Node>> nodes_;
  std::vector<std::unique_ptr<Wire>> wires_;
  uint64_t last_link_ = 0;
  uint64_t last_instance_ = 0;
  uint64_t last_token_ = 0;
  uint64_t last_exchange_ = 0;
  size_t sessions_count_ = 0;  // minted
  uint64_t core_steps_count_ = 0;
  bool crash_armed_ = false;  // sessiond dies in the middle of its next step's actions
  bool healing_ = false;
  Millis late_{0};  // what stopped clocks and processes may have added to ages on their way
};

// What a proxy has been told that lets it admit without asking.
struct World::Told {
  std::vector<link::PolicyInfo> policies;
  bool restored = false;  // on this link
  bool draining = false;

  void note(const link::ToProxy &message);
  bool may_admit(const Wish &wish) const;
};

struct World::Node final : ProxySide::Outlet {
  World &world;
  size_t index;
  std::string name;
  std::unique_ptr<ProxySide> proxy;
  Clients &clients;  // shared with its siblings
  Told told;
  std::optional<MonoTime> reconnect_at;
  std::optional<MonoTime> frozen_since;

  // All that was handed over on the present link has been heard; since then sessiond knows what it
  // holds.
  std::optional<MonoTime> known_since;

  Node(World &world_in, size_t index_in, std::string name_in, Clients &clients_in);
  void start();
  bool send(link::ToSessiond message) override;
  size_t room() const override;
  void hang_up() override;
  void on_decided(const std::string &session, bool admitted) override;
  void on_begun(const std::string &session, uint64_t exchange) override;
  void on_ended(const std::string &session, EndReason reason) override;
};

}  // namespace holdfast::sim
