// The process people see: reads the configuration, keeps the listeners, hears signals and `-s`,
// starts the serving process and starts it again when it dies. Parses nothing from the network. One
// thread, one loop.
//
//   starting ──ready──▶ serving ──TERM/QUIT──▶ stopping ──child ends──▶ exit 0
//        ▲                 │ child dies           ▲
//        └──── respawn ◀───┤ (at once; in a crash loop after 100 ms … 1 s)
//                          └──USR2, `-s upgrade`: another master took over (upgrade.h)
//
// One that was started for an upgrade gets its listeners from the old master, not by binding, and
// is in charge only when that one lets go (upgrade_heir.h).
#pragma once

#include <sys/types.h>

#include <functional>
#include <list>
#include <memory>
#include <string>
#include <vector>

#include "common/clock.h"
#include "common/command_line.h"
#include "common/daemon.h"
#include "common/ev_ptr.h"
#include "common/unix_listener.h"
#include "proxy/config.h"
#include "proxy/launch.h"
#include "proxy/listening.h"
#include "proxy/master_channel.h"
#include "proxy/stop_kind.h"
#include "proxy/upgrade.h"
#include "proxy/upgrade_heir.h"

namespace holdfast::proxy {

class Master final : public UnixChannel::Handler, public Upgrade::Owner, public Heir::Owner {
 public:
  // `request` and what it gave at the first load; `heir`: started to take another's place, else
  // null. Borrows nothing.
  Master(ConfRequest request, std::shared_ptr<const Config> config, ConfBundle bundle,
         Launch launch, std::unique_ptr<Heir> heir);
  ~Master() override;
  Master(const Master &) = delete;
  Master &operator=(const Master &) = delete;

  // Binds, writes the pid file, starts the child and serves until stopped. Returns the exit code;
  // what failed before serving is printed, or told to the master we were to replace.
  int run();

 private:
  using Waiter = Upgrade::Waiter;

  Result<void> prepare();
  Result<void> inherit();
  Result<void> create_keys();
  Result<void> inherit_keys(std::vector<UniqueFd> fds);
  Result<void> open_control_socket();
  SocketOptions control_socket_options() const;
  void hear_control_socket();
  bool spawn();
  Result<void> configure_child();
  void on_child_exit(pid_t pid, int status);
  void on_channel();
  void on_signal(int signal);
  void stop(StopKind kind);
  void leave();
  bool waits_for_predecessor() const;
  bool refuse(const char *what, const Waiter &done) const;
  void reload(Waiter done);
  void upgrade(Waiter done);
  void switch_log(const Config &next);
  void finish_reload(const Outcome &result);
  void announce() const;
  Waiter answer_to(const UnixChannel &asker);
  // Upgrade::Owner
  std::vector<ListenerSockets> listeners() override { return sockets_.all(); }
  unsigned workers_count() override { return workers_; }
  MasterKeys keys() override;
  void take_keys_back() override;
  void handed_over(bool with_keys) override;
  // Heir::Owner
  Result<Heir::Taken> take_over(Heir::Keys keys) override;
  void give_up(const std::string &why) override;
  void inherit_sessions(const UpgradeMessage &message) override;
  void predecessor_over() override;
  // UnixChannel::Handler
  void on_line(UnixChannel &channel, std::string_view line) override;
  void on_closed(UnixChannel &channel, const Error &why) override;
  static void on_signal_c(evutil_socket_t signal, short, void *self) noexcept;
  static void on_channel_c(evutil_socket_t, short, void *self) noexcept;
  static void on_respawn_c(evutil_socket_t, short, void *self) noexcept;
  static void on_accept_late_c(evutil_socket_t, short, void *self) noexcept;
  static void on_reload_late_c(evutil_socket_t, short, void *self) noexcept;

  SystemClock clock_;
  ConfRequest request_;
  std::shared_ptr<const Config> config_;
  ConfBundle bundle_;
  // A configuration the child has been sent and has not answered for.
  std::shared_ptr<const Config> next_config_;
  ConfBundle next_bundle_;
  UniqueFd next_log_;  // where its error_log is another: that one's file, none for stderr
  std::vector<Waiter> waiters_;
  unsigned workers_ = 1;
  EventBasePtr base_;
  std::vector<EventPtr> signal_events_;
  EventPtr channel_event_;
  EventPtr respawn_;
  EventPtr reload_late_;
  EventPtr accept_late_;  // after an upgrade: whatever the old serving process does
  ListeningSockets sockets_;
  std::unique_ptr<PidFile> pid_file_;
  std::unique_ptr<UnixSocket> control_socket_;
  std::unique_ptr<UnixListener> control_listener_;
  std::list<std::unique_ptr<UnixChannel>> control_channels_;
  Upgrade upgrade_;
  UniqueFd bequest_;            // a memory file our serving process writes its sessions into
  std::unique_ptr<Heir> heir_;  // in_charge() once it is over
  UniqueFd channel_;
  pid_t child_ = -1;
  MonoTime spawned_{};
  Millis respawn_delay_{0};
  bool ready_ = false;
  bool stopping_ = false;
  bool leaving_ = false;  // only the last answers to `-s` are still to be written
  int exit_code_ = 0;
};

// `-s stop|quit|reopen|reload|upgrade`: speaks to the running master of this configuration. Prints
// the outcome; returns the exit code. A reload's or upgrade's file is first read here, as nginx
// does.
int signal_master(const Config &config, DaemonSignal signal);

}  // namespace holdfast::proxy
