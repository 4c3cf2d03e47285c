// The core under a still clock, with proxies that are only names: what a test says as a proxy goes
// in as messages, what the core orders is kept per proxy until it is taken. Single thread.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "common/clock.h"
#include "sessiond/core/step.h"

namespace holdfast::sessiond::test {

// The n-th session id of a test: well formed, and telling in a failure's text.
inline std::string sid(int n) {
  const std::string digits = std::to_string(n);
  std::string id = "s" + std::string(6 - std::min<size_t>(6, digits.size()), '0') + digits + "_";
  id.resize(kSessionIdChars, 'x');
  return id;
}

inline Settings settings_of(const Policy &top) {
  Settings settings;
  settings.top = top;
  settings.sweep_interval = top.cleanup_interval;
  settings.version = "test";
  return settings;
}

// A multi-tenant policy as most tests want it: expiring after 10 minutes, looked at every minute.
inline Settings expiring() {
  Policy top;
  top.timeout = std::chrono::minutes{10};
  top.persistent_mode = false;
  return settings_of(top);
}

class Rig {
 public:
  explicit Rig(const Settings &settings = expiring()) : core(settings, clock.now()) {}

  void step(const Event &event) {
    Actions actions;
    core.step(event, clock.now(), actions);
    for (Action &action : actions) keep(std::move(action));
  }
  void say(LinkId link, link::ToSessiond message) { step(Message{link, std::move(message)}); }

  // Lets the time go by, ticking whenever the core wants it.
  void pass(Millis time) {
    const MonoTime until = clock.now() + time;
    for (;;) {
      const MonoTime wake = std::max(core.next_wake(clock.now()), clock.now());
      if (wake > until) break;
      clock.advance(wake - clock.now());
      step(Tick{});
    }
    clock.advance(until - clock.now());
  }

  // A new connection of a serving process that has said hello.
  LinkId hello(const std::string &instance, const std::string &node = "node",
               std::vector<std::string> policies = {}) {
    const LinkId link = connect();
    link::Hello message;
    message.node = node;
    message.instance = instance;
    message.version = "test";
    message.policies = std::move(policies);
    say(link, message);
    return link;
  }
  LinkId connect() {
    const auto link = static_cast<LinkId>(++last_link_);
    step(LinkUp{link});
    return link;
  }
  void snapshot(LinkId link, const std::vector<link::Record> &records) {
    say(link, link::SnapshotBegin{});
    for (const link::Record &record : records) say(link, link::Snapshot{record});
    say(link, link::SnapshotEnd{});
  }
  void down(LinkId link) { step(LinkDown{link}); }

  void admit(LinkId link, const std::string &id, const std::string &user = "-",
             Transport transport = Transport::streamable, const std::string &policy = "",
             const std::string &peer = "") {
    link::Admit message;
    message.session = id;
    message.peer = peer;
    message.user = user;
    message.transport = transport;
    message.policy = policy;
    say(link, message);
  }
  void bind(LinkId link, const std::string &id) {
    say(link, link::Bound{id, "everything/127.0.0.1:3001", "backend-" + id, "/mcp"});
  }
  // Admitted and bound.
  void open(LinkId link, const std::string &id, const std::string &user = "-",
            Transport transport = Transport::streamable, const std::string &policy = "") {
    admit(link, id, user, transport, policy);
    bind(link, id);
  }
  void active(LinkId link, const std::string &id, Millis idle = Millis{0}, int64_t in_flight = 0) {
    say(link, link::Activity{{{id, idle.count(), in_flight, 1}}});
  }
  void alive(LinkId link, const std::string &id, Millis idle, int64_t in_flight = 0) {
    say(link, link::Alive{id, idle.count(), in_flight});
  }
  void ended(LinkId link, const std::string &id, EndReason reason) {
    say(link, link::Ended{id, reason, 0});
  }

  // Takes the messages of one type sent to a proxy and not taken before.
  template <class M>
  std::vector<M> take(LinkId link) {
    std::vector<M> found;
    std::erase_if(sent_, [&](const Send &send) {
      if (send.link != link || !std::holds_alternative<M>(send.message)) return false;
      found.push_back(std::get<M>(send.message));
      return true;
    });
    return found;
  }
  std::vector<CommandDone> take_done() { return std::exchange(done, {}); }
  // [SessionManager] lines since the last call.
  std::vector<std::string> take_lines() { return std::exchange(lines, {}); }

  bool holds(const std::string &id) const { return core.table().find(id) != nullptr; }

  FakeClock clock;
  Core core;
  std::vector<std::string> lines;  // contract lines
  std::vector<std::string> logs;   // all others
  std::vector<CloseLink> closes;
  std::vector<CommandDone> done;

 private:
  void keep(Action action) {
    if (auto *send = std::get_if<Send>(&action)) sent_.push_back(std::move(*send));
    if (auto *close = std::get_if<CloseLink>(&action)) closes.push_back(std::move(*close));
    if (auto *answer = std::get_if<CommandDone>(&action)) done.push_back(std::move(*answer));
    if (auto *log = std::get_if<Log>(&action)) {
      (log->verbatim ? lines : logs).push_back(std::move(log->text));
    }
  }

  std::vector<Send> sent_;
  uint64_t last_link_ = 0;
};

// A session as a proxy's snapshot tells it.
inline link::Record record(const std::string &id, Millis idle = Millis{0},
                           Transport transport = Transport::streamable) {
  link::Record out;
  out.session = id;
  out.transport = transport;
  out.backend = "everything/127.0.0.1:3001";
  out.age_ms = idle.count() + 60'000;
  out.idle_ms = idle.count();
  return out;
}

}  // namespace holdfast::sessiond::test
