// sessiond's judgement: what happens (Event) and the time go in, what is to be done (Action) comes
// out. No clock, no I/O, no randomness and no dependence on hash order inside: the same history
// gives the same actions, so that whole years of failures can be simulated and replayed.
//
// The rules, each in its file:
//   link_steps.cpp     hello, snapshot, restoring, the end of a link (PROTOCOL.md 1.4)
//   session_steps.cpp  admission, activity, the one way a session ends
//   share_steps.cpp    sessions several instances hold: handing over, agreeing (PROTOCOL.md 1.6)
//   time_steps.cpp     passes of the reaper, asking proxies, deadlines of what waits
//   command_steps.cpp  admin commands and new settings
//   server_steps.cpp   what admins say of single servers of an upstream
// Owned by the program (or a test). One thread.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "sessiond/core/actions.h"
#include "sessiond/core/admission.h"
#include "sessiond/core/commands.h"
#include "sessiond/core/events.h"
#include "sessiond/core/link_state.h"
#include "sessiond/core/policy_table.h"
#include "sessiond/core/reaper.h"
#include "sessiond/core/server_orders.h"
#include "sessiond/core/session_table.h"
#include "sessiond/core/tombstones.h"

namespace holdfast::sessiond {

// Records sent in one piece of a restore: even of the longest ones the link's queue holds as many.
inline constexpr size_t kRestoredPerPiece = 128;
// Asks a proxy may leave unanswered: enough to keep it busy, far below the link's queue bound.
inline constexpr size_t kAsksUnansweredMax = 2048;
// Admissions that may wait for an eviction; beyond it they are refused at once.
inline constexpr size_t kWaitingAdmissionsMax = 1024;
// How long one waits: shorter than kAdmitDeadline, so that the refusal still arrives.
inline constexpr Millis kEvictionPatience{800};

// The longest a refused proxy is told to wait before it asks again.
inline constexpr std::chrono::seconds kRetryAfterMax{60};

// Totals since the start, for metrics and `show info`.
struct Counters {
  uint64_t created = 0;
  std::array<uint64_t, kEndReasonsCount> ended{};         // by EndReason
  std::array<uint64_t, kReleaseReasonsCount> released{};  // by ReleaseReason
  std::array<uint64_t, kRefuseReasonsCount> refused{};    // by RefuseReason
  uint64_t asks = 0;                                      // drop_if_idle sent
  uint64_t asks_refused = 0;                              // answered `alive`
  uint64_t evictions = 0;
  uint64_t snapshots = 0;
  uint64_t restored = 0;
  uint64_t unknown_reports = 0;  // about sessions that are not known; the next snapshot heals it
};

class Core {
 public:
  Core(const Settings &settings, MonoTime now);
  Core(const Core &) = delete;
  Core &operator=(const Core &) = delete;

  // Appends to `out` what is to be done, in order. Never fails: nonsense from a proxy costs that
  // proxy its link.
  void step(const Event &event, MonoTime now, Actions &out);

  // When a Tick is wanted at the latest; `now` means at once.
  MonoTime next_wake(MonoTime now) const;

  // ---- for reports; valid until the next step ----
  const SessionTable &table() const noexcept { return table_; }
  const PolicyTable &policies() const noexcept { return policies_; }
  const Settings &settings() const noexcept { return settings_; }
  const Tombstones &tombstones() const noexcept { return tombstones_; }
  const Reaper &reaper() const noexcept { return reaper_; }
  const std::map<LinkId, LinkState> &links() const noexcept { return links_; }
  const Counters &counters() const noexcept { return counters_; }
  const ServerOrders &server_orders() const noexcept { return server_orders_; }
  bool draining() const noexcept { return draining_; }
  // Admissions that wait for an eviction.
  size_t waiting_count() const noexcept { return waiting_.size(); }

 private:
  // One step's surroundings, passed down instead of being kept.
  struct Turn {
    MonoTime now;
    Actions &out;
    void send(LinkId link, link::ToProxy message) { out.push_back(Send{link, std::move(message)}); }
    void log(LogLevel level, std::string text) {
      out.push_back(Log{level, false, std::move(text)});
    }
    void log_contract(std::string line) {
      out.push_back(Log{LogLevel::info, true, std::move(line)});
    }
  };

  // An admission that waits for somebody else's session to go.
  struct WaitingAdmission {
    LinkId link = LinkId::none;
    link::Admit admit;
    MonoTime deadline{};
    SessionId victim;  // asked last; nobody's id before
  };

  // link_steps.cpp
  void on(const LinkUp &event, Turn &turn);
  void on(const LinkDown &event, Turn &turn);
  void on(const Message &event, Turn &turn);
  void on(const Drained &event, Turn &turn);
  void on_message(LinkState &link, const link::Hello &hello, Turn &turn);
  void on_message(LinkState &link, const link::SnapshotBegin &, Turn &turn);
  void on_message(LinkState &link, const link::Snapshot &snapshot, Turn &turn);
  void on_message(LinkState &link, const link::SnapshotEnd &, Turn &turn);
  void on_message(LinkState &link, const link::Stats &stats, Turn &turn);
  void on_message(LinkState &link, const link::Obeyed &obeyed, Turn &turn);
  void on_message(LinkState &link, const link::Reloaded &reloaded, Turn &turn);
  void on_message(LinkState &link, const link::Pong &, Turn &turn);
  void on_message(LinkState &link, const link::Unsupported &unsupported, Turn &turn);
  void on_message(LinkState &link, const link::Bye &bye, Turn &turn);
  void close_link(LinkState &link, std::string reason, Turn &turn);
  void welcome(LinkState &link, Turn &turn);
  std::vector<std::string> unknown_policies(const LinkState &link, Turn &turn);
  void report_unknown_policy(std::string_view name, std::string_view node, Turn &turn);
  void take_instance(LinkState &link, const link::Hello &hello, Turn &turn);
  void leave_ownerless(Instance &instance, Turn &turn);
  void hand_to_next(std::string_view node, Turn &turn);
  void forget_asks(Instance &instance, Turn &turn);
  void forget_waiting(LinkId link);
  void restore_some(LinkState &link, Turn &turn);
  void restore(Session &session, LinkState &link, Turn &turn);
  void take_back(Session &session);
  Session &add_told(const SessionId &id, LinkState &link, const link::Record &record, Turn &turn);
  void apply(Session &session, const LinkState &link, const link::Record &record, Turn &turn);
  int64_t end_unnamed(LinkState &link, Turn &turn);

  // share_steps.cpp
  void on_message(LinkState &link, const link::Idle &idle, Turn &turn);
  template <class Do>
  void for_siblings(std::string_view node, Do what);  // every linked instance of the node
  template <class Do>
  void for_holders(Session &session, Do what);
  void tell_siblings(std::string_view node, Turn &turn);
  void offer_all(Instance &to);
  void offer(const Session &session, Turn &turn);
  void owe(Instance &instance, const Session &session, Turn &turn);
  bool hand_over(const SessionId &id, LinkState &link, Turn &turn);
  void hold(Session &session, Instance &instance, Turn &turn);
  bool is_being_agreed(const Session &session, MonoTime now) const;
  void probe(Session &session, const DueRule &rule, Turn &turn);
  void decide(Session &session, Turn &turn);
  bool still_wanted(const Session &session, const DueRule &rule, MonoTime now) const;
  bool stop_round(Session &session, Turn &turn);
  void call_off(Session &session, Turn &turn);
  void forget_holder(Session &session, LinkState &link, EndReason reason, Turn &turn);
  void take_away(Session &session, const Instance &instance, Turn &turn);
  void leave(Session &session, Instance &instance, Turn &turn);
  void leave_shared(Instance &instance, Turn &turn);
  void forget_said(Instance &instance, Turn &turn);
  void drop_elsewhere(Session &session, EndReason reason, LinkId told_by, Turn &turn);

  // session_steps.cpp
  void on_message(LinkState &link, const link::Admit &admit, Turn &turn);
  void on_message(LinkState &link, const link::Bound &bound, Turn &turn);
  void on_message(LinkState &link, const link::Released &released, Turn &turn);
  void on_message(LinkState &link, const link::Opened &opened, Turn &turn);
  void on_message(LinkState &link, const link::Closed &closed, Turn &turn);
  void on_message(LinkState &link, const link::Activity &activity, Turn &turn);
  void on_message(LinkState &link, const link::Alive &alive, Turn &turn);
  void on_message(LinkState &link, const link::Ended &ended, Turn &turn);
  Session *reported(LinkState &link, std::string_view id, Turn &turn);
  bool admit_known(LinkState &link, std::string_view id, Turn &turn);
  void reserve(LinkState &link, const link::Admit &admit, Turn &turn);
  void refuse(LinkId link, std::string_view session, RefuseReason reason, Turn &turn);
  void move_to(Session &session, Instance &instance);
  void announce(const Session &session, Turn &turn);
  void set_asked(Session &session, Ask ask) noexcept;
  // `told_by`: the link whose word it is, if any.
  void end(Session &session, EndReason reason, Turn &turn, LinkId told_by = LinkId::none);
  bool is_last_word(const Session &session, const LinkState &link, EndReason reason) const;
  void answered_alive(Session &session, const LinkState &link, Turn &turn);
  void end_unheld(const LinkState &link, const link::Ended &ended, Turn &turn);
  void release(Session &session);
  std::string_view shown(const Session &session) const noexcept;
  bool settle(WaitingAdmission &waiting, Turn &turn);
  void settle_waiting(Turn &turn);

  // time_steps.cpp
  void on(const Tick &, Turn &turn);
  void look(Turn &turn);
  void enqueue(Session &session, bool first);
  void pump(Instance &instance, Turn &turn);
  void ask(Session &session, const DueRule &rule, Ask why, Turn &turn);
  void report_cleaned(Turn &turn);
  void end_pass(Turn &turn);
  void finish(Turn &turn);

  // command_steps.cpp
  void on(const SettingsChanged &event, Turn &turn);
  void on(const ShutdownSession &event, Turn &turn);
  void on(const ShutdownSessions &event, Turn &turn);
  void on(const SetPersistent &event, Turn &turn);
  void on(const SetDrain &event, Turn &turn);
  void on(const ReloadProxies &event, Turn &turn);
  bool shut_down(Session &session, Turn &turn);

  // server_steps.cpp
  void on(const SetServer &event, Turn &turn);
  void tell_server(const std::string &server, Turn &turn);
  void tell_servers(const LinkState &link, Turn &turn);
  void learn_servers(const LinkState &link, Turn &turn);

  MonoTime started_;
  Settings settings_;
  PolicyTable policies_;
  SessionTable table_;
  Reaper reaper_;
  Tombstones tombstones_;
  Commands commands_;
  ServerOrders server_orders_;
  std::map<LinkId, LinkState> links_;
  std::deque<WaitingAdmission> waiting_;
  std::set<std::string, std::less<>> reported_policies_;  // unknown names already complained about
  Counters counters_;
  int64_t last_round_ = 0;  // of a probe
  bool draining_ = false;
  bool waiting_may_settle_ = false;  // a slot or an answer came in this step
  size_t expired_count_ = 0;         // ended by expiry and not yet reported as cleaned
  size_t expiry_asks_count_ = 0;     // sessions with Ask::expiry
};

template <class Do>
void Core::for_siblings(std::string_view node, Do what) {
  for (auto &[name, instance] : table_.instances()) {
    if (instance.linked() && instance.node == node) what(instance);
  }
}

template <class Do>
void Core::for_holders(Session &session, Do what) {
  if (!session.sharing) return what(*session.instance);
  std::vector<Instance *> instances;  // what is done may change the session
  for (const auto &holding : session.sharing->holders) instances.push_back(holding->instance);
  for (Instance *instance : instances) what(*instance);
}

}  // namespace holdfast::sessiond
