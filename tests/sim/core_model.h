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

#include "sessiond/core/sharing.h"
#include "sessiond/core/step.h"
#include "tests/sim/trace.h"

namespace holdfast::sim {

// What one proxy that holds a session has told of it.
struct Told {
  sessiond::LinkId link = sessiond::LinkId::none;
  MonoTime last_activity{};
  MonoTime last_use{};
  int64_t in_flight = 0;
  int64_t streams = 0;
  int64_t requests = 0;
  bool seen = false;         // named since its link's last snapshot_begin
  bool unconfirmed = false;  // handed to it, and not named since
  bool named = false;        // by its present link: before, nobody asks whether it was ever used
  bool idle = false;         // its answer to the present probe
};

struct Known {
  std::string user;
  std::string policy;
  Transport transport = Transport::streamable;
  std::string node;
  std::string instance;       // empty: handed out and lost again, nobody's until the next hello
  std::vector<Told> holders;  // in the order they came; none: it waits for its node's next instance
  sessiond::SessionState state = sessiond::SessionState::opening;
  EndReason end_reason = EndReason::unknown;
  sessiond::Ask asked = sessiond::Ask::none;
  sessiond::Pin pin = sessiond::Pin::by_policy;
  MonoTime created{};
  MonoTime stable_since{};  // nothing that deadlines depend on has changed since
  MonoTime asked_at{};
  bool used = false;

  // What its holders tell together, or the last one told.
  MonoTime last_activity{};
  MonoTime last_use{};
  int64_t in_flight = 0;
  int64_t streams = 0;
  int64_t requests = 0;

  // How far its holders' agreement on its end is.
  sessiond::Sharing::Stage stage = sessiond::Sharing::Stage::quiet;
  int64_t round = 0;
  EndReason reason = EndReason::idle_timeout;
  Millis idle_min{0};
  bool asked_alone = false;            // its first holder, before there was another
  std::set<sessiond::LinkId> forgot;   // who has done so in this round
  std::set<sessiond::LinkId> refused;  // who has said that it cannot hold it
  bool was_shared = false;

  // Who is told what only one is to do.
  sessiond::LinkId holder() const {
    return holders.empty() ? sessiond::LinkId::none : holders.front().link;
  }
  bool shared() const { return holders.size() > 1; }
  const Told *find(sessiond::LinkId link) const;
  Told *find(sessiond::LinkId link);
  void merge();
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
    int64_t siblings_told = 0;
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
  void hear(LinkAt link, const link::Idle &idle);
  void hear(LinkAt link, const link::Ended &ended);
  void hear(LinkAt, const link::Stats &) {}
  void hear(LinkAt link, const link::Obeyed &obeyed);
  void hear(LinkAt link, const link::Reloaded &reloaded);
  void hear(LinkAt, const link::Pong &) {}
  void hear(LinkAt, const link::Unsupported &) {}
  void hear(LinkAt, const link::Bye &) {}
  // Both set, or neither.
  struct Report {
    Known *known = nullptr;
    Told *told = nullptr;
    explicit operator bool() const { return known != nullptr; }
  };
  Report reported(LinkAt link, const std::string &session);
  Told &hold(Known &known, LinkAt link);
  void call_off(const std::string &session, Known &known);
  void erase_holder(Known &known, sessiond::LinkId link);
  void leave(const std::string &session, sessiond::LinkId link);
  void forget_holder(const std::string &session, sessiond::LinkId link, EndReason reason);
  bool last_word(const Known &known, sessiond::LinkId link, EndReason reason) const;
  bool wanted(const Known &known) const;
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
  void judge(sessiond::LinkId link, const link::Siblings &siblings);
  void judge(sessiond::LinkId link, const link::Probe &probe);
  void judge(sessiond::LinkId link, const link::Release &release);
  void judge(sessiond::LinkId link, const link::DropIfIdle &order);
  void judge_asked_alone(sessiond::LinkId link, Known &known, const link::DropIfIdle &order);
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
  void check_holders(const std::string &id, const Known &known,
                     const sessiond::Session &real) const;
  void check_siblings(const sessiond::Core &core) const;
  void check_counts(const sessiond::Core &core) const;
  void check_graves(const sessiond::Core &core);

  bool defined(const std::string &policy) const;
  bool held(const Known &known) const;
  bool due(const Known &known, EndReason reason, MonoTime now) const;
  std::optional<MonoTime> due_at(const Known &known) const;
  size_t count(const std::string *policy, const std::string *user) const;
  void over(const std::string &session);
  // The core is to say so, and to tell every proxy that may hold it but the one whose word it is.
  void lose(const std::string &session, EndReason reason,
            sessiond::LinkId told_by = sessiond::LinkId::none);
  void forget(const std::string &session);  // without a word
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
