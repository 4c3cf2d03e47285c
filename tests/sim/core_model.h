// What sessiond must know after what it has been told, kept in plain maps and recomputed by walking
// all of them: the oracle of the simulation. What follows from an event alone it does itself; what
// the core may decide (whom to admit, whom to ask) it reads from the core's actions and judges.
// Throws Violation. One thread.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "sessiond/core/step.h"
#include "tests/sim/trace.h"

namespace holdfast::sim {

struct Known {
  std::string user;
  std::string policy;
  Transport transport = Transport::streamable;
  std::string node;
  std::string instance;  // empty: handed out and lost again, nobody's until the next hello
  sessiond::LinkId holder = sessiond::LinkId::none;
  sessiond::SessionState state = sessiond::SessionState::opening;
  EndReason end_reason = EndReason::unknown;
  sessiond::Ask asked = sessiond::Ask::none;
  sessiond::Pin pin = sessiond::Pin::by_policy;
  MonoTime created{};
  MonoTime last_activity{};
  MonoTime last_use{};
  MonoTime stable_since{};  // nothing that deadlines depend on has changed since
  int64_t in_flight = 0;
  int64_t streams = 0;
  int64_t requests = 0;
  MonoTime asked_at{};
  bool seen = false;  // named since its link's last snapshot_begin
  bool used = false;
  bool unconfirmed = false;
  bool named = false;  // by its present link: before, nobody asks whether it was ever used
};

class CoreModel {
 public:
  CoreModel(const sessiond::Settings &settings, MonoTime now);

  // One step of the core: the event before, the actions after, in the order in which they came.
  void on_event(const sessiond::Event &event, MonoTime now);
  void on_actions(const sessiond::Actions &actions);
  // Compares every session, then everything that is counted.
  void check(const sessiond::Core &core);
  // That nothing has been left lying longer than it may. `slack` is how late the last Tick was.
  void check_time(const sessiond::Core &core, Millis slack) const;

  const std::map<std::string, Known> &sessions() const noexcept { return sessions_; }
  const sessiond::Policy &rules_of(const Known &known) const { return rules_of(known.policy); }
  const sessiond::Policy &rules_of(const std::string &policy) const;
  bool persistent(const Known &known) const;

 private:
  struct Link {
    std::optional<std::string> instance;  // none before hello and when replaced
    std::string node;
    bool closing = false;
    bool restoring = false;
    bool in_snapshot = false;
    bool snapshot_taken = false;
    bool lenient = false;
  };
  struct Grave {
    EndReason reason = EndReason::unknown;
    bool drop_again = false;
    MonoTime ended{};
  };
  struct Waiting {
    sessiond::LinkId link{};
    link::Admit admit;
    MonoTime deadline{};
  };
  struct Command {
    std::set<std::string> sessions;      // not over yet
    std::set<sessiond::LinkId> proxies;  // that have not answered
    MonoTime deadline{};
    bool not_found = false;
  };

  void on(const sessiond::LinkUp &event);
  void on(const sessiond::LinkDown &event);
  void on(const sessiond::Message &event);
  void on(const sessiond::Drained &) {}
  void on(const sessiond::Tick &) {}
  void on(const sessiond::SettingsChanged &event);
  void on(const sessiond::ShutdownSession &event);
  void on(const sessiond::ShutdownSessions &event);
  void on(const sessiond::SetPersistent &event);
  void on(const sessiond::SetDrain &event);
  void on(const sessiond::ReloadProxies &event);
  void on(const sessiond::SetServer &) {}

  using LinkAt = std::map<sessiond::LinkId, Link>::iterator;
  void hear(LinkAt link, const link::Hello &hello);
  void hear(LinkAt link, const link::SnapshotBegin &);
  void hear(LinkAt link, const link::Snapshot &snapshot);
  void hear(LinkAt link, const link::SnapshotEnd &);
  void hear(LinkAt link, const link::Admit &admit);
  void hear(LinkAt link, const link::Bound &bound);
  void hear(LinkAt link, const link::Released &released);
  void hear(LinkAt link, const link::Opened &opened);
  void hear(LinkAt link, const link::Closed &closed);
  void hear(LinkAt link, const link::Activity &activity);
  void hear(LinkAt link, const link::Alive &alive);
  void hear(LinkAt link, const link::Ended &ended);
  void hear(LinkAt, const link::Stats &) {}
  void hear(LinkAt link, const link::Obeyed &obeyed);
  void hear(LinkAt link, const link::Reloaded &reloaded);
  void hear(LinkAt, const link::Pong &) {}
  void hear(LinkAt, const link::Unsupported &) {}
  void hear(LinkAt, const link::Bye &) {}
  Known *reported(LinkAt link, const std::string &session);
  void hand_over(const std::string &node);
  void take_admitted(LinkAt link, const std::string &session);
  void take_over(const std::string &instance, LinkAt link);

  void judge(const sessiond::Send &send);
  void judge(const sessiond::CloseLink &close);
  void judge(const sessiond::Log &log);
  void judge(const sessiond::CommandDone &done);
  void judge(sessiond::LinkId link, const link::Restored &restored);
  void judge(sessiond::LinkId link, const link::RestoredEnd &);
  void judge(sessiond::LinkId link, const link::Admitted &admitted);
  void judge(sessiond::LinkId link, const link::Refused &refused);
  void judge(sessiond::LinkId link, const link::DropIfIdle &order);
  void judge(sessiond::LinkId link, const link::Drop &order);
  template <class M>
  void judge(sessiond::LinkId link, const M &);
  void judge_deleted(const std::string &session, const std::string &reason);
  void judge_cleaned(int64_t count);
  // Whether making room for one of those who wait wants this very session gone.
  bool right_victim(const Known &victim, std::optional<Millis> grace) const;
  const Known *best_victim(const Waiting &waiting, bool asked_too) const;
  // A cap that one more session would break, and whose it is.
  struct Broken {
    RefuseReason reason;
    std::string policy;
  };
  std::optional<Broken> cap_broken(const std::string &policy, const std::string &user) const;
  std::vector<Waiting>::iterator find_waiting(sessiond::LinkId link, const std::string &session);
  void check_session(const std::string &id, const Known &known,
                     const sessiond::Session &real) const;
  void check_counts(const sessiond::Core &core) const;
  void check_graves(const sessiond::Core &core);

  bool defined(const std::string &policy) const;
  bool held(const Known &known) const;
  bool due(const Known &known, EndReason reason, MonoTime now) const;
  std::optional<MonoTime> due_at(const Known &known) const;
  size_t count(const std::string *policy, const std::string *user) const;
  void over(const std::string &session);
  void lose(const std::string &session, EndReason reason);  // the core is to say so
  void forget(const std::string &session);                  // without a word
  void owe(sessiond::LinkId link, std::string what) { owed_.emplace(link, std::move(what)); }
  void pay(sessiond::LinkId link, const std::string &what);

  MonoTime now_;
  MonoTime started_;
  sessiond::Settings settings_;
  std::map<std::string, Known> sessions_;
  std::map<sessiond::LinkId, Link> links_;
  std::map<std::string, Grave> graves_;
  std::vector<Waiting> waiting_;
  std::map<sessiond::Token, Command> commands_;
  bool draining_ = false;
  int64_t created_count_ = 0;
  int64_t deleted_count_ = 0;
  int64_t expired_count_ = 0;  // not yet reported as cleaned

  // What the present step has yet to say.
  std::map<std::string, EndReason> dying_;
  std::set<std::string> newborn_;
  std::multiset<std::pair<sessiond::LinkId, std::string>> owed_;
};

}  // namespace holdfast::sim
