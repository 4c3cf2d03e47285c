// The serving process: N workers and the control thread, put together. Its main thread is the
// control thread; it hears the master on a channel and ends when the master does.
#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "common/clock.h"
#include "common/conf_source.h"
#include "common/ev_ptr.h"
#include "common/unique_fd.h"
#include "proxy/access_log.h"
#include "proxy/backend_directory.h"
#include "proxy/backend_stats.h"
#include "proxy/config.h"
#include "proxy/control.h"
#include "proxy/counters.h"
#include "proxy/master_channel.h"
#include "proxy/server_orders.h"
#include "proxy/session_bequest.h"
#include "proxy/session_registry.h"
#include "proxy/stop_kind.h"
#include "proxy/worker.h"
#include "proxy/worker_mailbox.h"

namespace holdfast::proxy {

class Serving {
 public:
  // Takes the channel to the master. The first `configure` message starts the workers.
  // `predecessor`: another process serves the same listeners and will hand over to this one, which
  // accepts when that one does no more: no session is opened at one of them and asked for at the
  // other before it can be known there.
  Serving(UniqueFd channel, std::string node, bool predecessor);
  ~Serving();
  Serving(const Serving &) = delete;
  Serving &operator=(const Serving &) = delete;

  // The process's body. Returns its exit code.
  int run();

 private:
  void on_channel();
  void on_message(MasterMessage &message);
  void configure(MasterMessage &message);
  bool start(const std::shared_ptr<const Config> &config, unsigned workers);
  void distribute(const std::shared_ptr<const Config> &config);
  void stop(StopKind kind);
  void hand_over(MasterMessage &message);
  void bequeath();
  void hand_out_config();
  void start_accepting();
  void inherit(const MasterMessage &message);
  void reply(MasterWord word, int64_t number, const std::string &text = {});
  link::Stats stats() const;
  link::BackendInfo backend_info(BackendId id) const;
  static void on_channel_c(evutil_socket_t, short, void *self) noexcept;

  UniqueFd channel_;
  std::string node_;
  SystemClock clock_;
  BackendDirectory backends_;
  BackendStats backend_stats_;
  ServerOrders server_orders_{clock_, backends_, backend_stats_};
  SessionRegistry registry_;
  LogFiles log_files_;
  AddressLimit addresses_;
  LegacyStreams legacy_streams_;
  LegacyPlaces legacy_places_;
  LegacyGuests legacy_guests_;
  SessionBequest bequest_{registry_, backends_, legacy_guests_};
  std::vector<std::unique_ptr<WorkerMailbox>> mailboxes_;
  std::vector<WorkerMailbox *> mailbox_list_;  // the same, as the workers see them
  std::unique_ptr<Control> control_;
  std::vector<std::unique_ptr<Worker>> workers_;
  std::vector<std::thread> threads_;
  std::thread joiner_;  // waits for the workers, then stops the control thread
  EventPtr channel_event_;
  std::shared_ptr<const Config> config_;
  std::map<BackendId, const BackendServer *> configured_;  // of config_
  std::vector<UniqueFd> listener_fds_;                     // received, not yet given to workers
  int64_t reload_token_ = 0;  // sessiond's, while its reload is under way
  bool predecessor_ = false;
  bool waits_to_accept_ = false;  // listener_fds_ are kept back
  UniqueFd bequest_file_;         // handed over
  bool stopping_ = false;
  bool failed_ = false;
};

// Runs a serving process to its end: what the master's child does after fork. Returns its exit
// code.
int serve(UniqueFd channel, const std::string &node, bool predecessor);

}  // namespace holdfast::proxy
