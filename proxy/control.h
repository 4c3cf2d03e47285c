// What workers see of the control thread: the one place that speaks to sessiond and to the master.
// report(), flush(), admits_at_once(), admit() and cancel_admit() may be called from any worker;
// they never block.
// The control thread owns the SessionLink, answers drops from the registry and passes their
// consequences on to the workers' mailboxes.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "common/clock.h"
#include "common/link_messages.h"
#include "common/result.h"
#include "proxy/admission_room.h"
#include "proxy/session_link.h"
#include "proxy/session_registry.h"
#include "proxy/worker_mailbox.h"

namespace holdfast::proxy {

struct ControlOptions {
  std::string
      socket_path;  // empty: no sessiond is configured; everything is admitted, nothing reported
  std::string node;
  std::string instance;
  std::string version;
  std::vector<std::string> policy_names;  // session_policy names in use
  std::vector<uid_t> allow_uids;          // whom sessiond may run as, besides root and our own uid
  LinkTiming timing;
  bool predecessor = false;  // we take over from a process that serves on for a while
};

// Everything the control thread needs from its process, as callbacks on the control thread.
struct ControlHooks {
  std::function<void(int64_t token)> on_reload;  // sessiond asks; answer with reloaded()
  std::function<link::Stats()> stats;            // totals for the link's stats message
  std::function<void(const link::SetServer &order)> on_server_set;
  std::function<void(bool on)> on_drain;
  std::function<void()> on_exit;  // an admin wants the process to finish and leave
  // A session has begun, once tell_openings() has been called.
  std::function<void(const std::string &session)> on_opening;
  std::function<void()> on_not_accepting;  // every worker has said so
};

class Control {
 public:
  // Borrows everything; all must outlive *this. mailboxes[i] is worker i's.
  Control(const ControlOptions &options, const Clock &clock, SessionRegistry &registry,
          const BackendDirectory &backends, std::vector<WorkerMailbox *> mailboxes,
          ControlHooks hooks);
  ~Control();
  Control(const Control &) = delete;
  Control &operator=(const Control &) = delete;

  // ---- any worker thread ----
  // Nothing of the following reaches the control thread before flush(), so that all that a worker
  // says in a turn costs one switch of threads.
  void flush();
  // Tells sessiond. Bounded: when too much waits, it is dropped and a fresh snapshot follows.
  void report(link::ToSessiond message);
  // Whether a new session of this policy is persistent, if there is nothing to ask sessiond about:
  // it has no cap, or no sessiond is configured. The session is told with a `snapshot` once it is
  // bound, and nothing is to be released. nullopt: admit() asks.
  std::optional<bool> admits_at_once(std::string_view policy) const;
  // Asks for a slot. REQUIRES: a sessiond is configured. Exactly one AdmitAnswer reaches the
  // exchange's worker, within 1 s: sessiond's, or by `when_down` when it cannot be asked.
  void admit(link::Admit request, ExchangeRef waiter, WhenDown when_down);
  // The client left while waiting: no answer is wanted any more; an admission is given back.
  void cancel_admit(std::string session, ExchangeRef waiter);
  // The consequences of an ended session: finishes its exchanges, tells its backend unless the
  // backend ended it itself, reports `ended`.
  void session_ended(EndedSession ended);
  // A worker of a process that has handed over accepts no more. Once a worker.
  void not_accepting();
  // A session lives at another backend session now.
  void rebound(link::Bound bound);
  // A backend has gone down or come up: sessiond is told now and not with the next stats.
  void backend_changed();
  // True until sessiond has handed back the sessions of the previous instance (or 1 s has passed).
  bool restoring() const noexcept;
  bool linked() const noexcept;  // a welcomed link stands now
  // True while other processes hold the same sessions: an id unknown here may come any moment.
  bool has_siblings() const noexcept;
  // Path of sessiond's management HTTP socket, from the last welcome; empty when never known.
  std::string http_socket() const;

  // ---- control thread ----
  // The control thread's own loop; other control-thread users (master's channel) add their events
  // to it.
  event_base *base() noexcept;
  void run();               // until stop()
  void stop();              // any thread; what was reported before is still written (at most 2 s)
  void tell_openings();     // from now on, by hooks.on_opening
  void predecessor_told();  // its sessions are here
  void expect_others();     // another process opens sessions that may be asked for here
  void others_over();       // no more
  void reloaded(int64_t token, bool ok, std::string message);
  void set_policy_names(
      std::vector<std::string> names);  // after a reload; sends a new hello if they changed

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace holdfast::proxy
