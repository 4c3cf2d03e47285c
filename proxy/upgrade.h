// The old master's side of an upgrade in place (upgrade_channel.h has the conversation): starts the
// program that lies at our path now, gives it the listeners, and lets it take over once it serves.
// Whatever goes wrong before that, the new process is ended and we serve on. Master thread only;
// never blocks; lives as long as the master.
//
//   idle ──start()──▶ starting ──serving──▶ handing ──took_over──▶ done
//     ▲                  └──── failure, abort(), 30 s ────┘
//     └── it has ended ◀── undoing ◀──────────┘
#pragma once

#include <sys/types.h>

#include <csignal>
#include <functional>
#include <string>
#include <vector>

#include "common/clock.h"
#include "common/ev_ptr.h"
#include "common/unique_fd.h"
#include "proxy/launch.h"
#include "proxy/listening.h"
#include "proxy/upgrade_channel.h"

namespace holdfast::proxy {

// How a reload or an upgrade went, for whoever asked.
struct Outcome {
  bool ok = false;
  std::string message;  // lines: every error with FILE:LINE:COL, or what was done
};

// What `-s` finds the master by. Borrowed; without descriptors there is no pid file.
struct MasterKeys {
  std::string pid_path;
  std::vector<int> fds;  // the pid file, the control socket, its lock
};

// Reading a configuration, its keys and starting threads take far less than a second; a disk or a
// name server that hangs may take this long before we stop waiting.
inline constexpr Millis kUpgradePatience{30'000};
// A new process that is called off gives what its clients have begun 5 s, as on SIGTERM; then this.
inline constexpr Millis kUndoPatience{8'000};

class Upgrade {
 public:
  class Owner {
   public:
    virtual ~Owner() = default;
    virtual std::vector<ListenerSockets> listeners() = 0;
    virtual unsigned workers_count() = 0;
    virtual MasterKeys keys() = 0;
    // The new one may have written its number into the pid file and is gone.
    virtual void take_keys_back() = 0;
    // The new one serves and `-s` finds it; with our keys, or with its own.
    virtual void handed_over(bool with_keys) = 0;
    // What the new one says of sessions that begin there.
    virtual void inherit_sessions(const UpgradeMessage &message) = 0;
  };
  using Waiter = std::function<void(const Outcome &)>;

  // Borrows base and owner, which must outlive *this.
  Upgrade(event_base *base, Owner &owner, Launch launch, Millis patience = kUpgradePatience);
  ~Upgrade();  // a new process that has not taken over is killed
  Upgrade(const Upgrade &) = delete;
  Upgrade &operator=(const Upgrade &) = delete;

  // `done` is called once, maybe at once. REQUIRES: !under_way().
  void start(Waiter done);
  bool under_way() const noexcept { return state_ != State::idle && state_ != State::done; }
  bool done() const noexcept { return state_ == State::done; }
  // Calls it off, whatever it has come to but `done`; who waits is told now.
  void abort(const std::string &why);
  // To the one that took over: sessions, as text or (not -1) as a file. Nothing without one.
  void bequeath(const std::string &lines, int file);
  // True: that was the new process.
  bool on_child_exit(pid_t pid, int status);

 private:
  enum class State { idle, starting, handing, undoing, done };

  bool spawn();
  [[noreturn]] void become(int channel, const sigset_t &mask) const;
  void on_channel();
  bool on_message(const UpgradeMessage &message);
  bool give_listeners(int64_t version);
  bool give_keys();
  void on_late();
  void took_over(const UpgradeMessage &message);
  bool fail(const std::string &why);
  void settle();
  void tell(const Outcome &outcome);
  static void on_channel_c(evutil_socket_t, short, void *self) noexcept;
  static void on_late_c(evutil_socket_t, short, void *self) noexcept;

  event_base *base_;
  Owner &owner_;
  Launch launch_;
  Millis patience_;
  State state_ = State::idle;
  Waiter waiter_;
  UniqueFd channel_;  // stays when it is done: its end tells the new one that we are gone
  EventPtr channel_event_;
  EventPtr late_;
  std::string why_;  // while undoing
  bool keys_given_ = false;
  pid_t pid_ = -1;
};

}  // namespace holdfast::proxy
