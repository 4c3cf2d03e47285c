// One worker thread: an event loop with everything it serves. Shares with other threads only what
// WorkerContext names; all else lives and dies here. The loop runs a turn, then buries what ended
// in it.
#pragma once

#include <deque>
#include <memory>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "common/clock.h"
#include "common/ev_ptr.h"
#include "common/log_limit.h"
#include "proxy/acceptor.h"
#include "proxy/access_log.h"
#include "proxy/address_limit.h"
#include "proxy/backend_call.h"
#include "proxy/backend_directory.h"
#include "proxy/backend_pool.h"
#include "proxy/backend_stats.h"
#include "proxy/client_conn.h"
#include "proxy/config.h"
#include "proxy/counters.h"
#include "proxy/health_checker.h"
#include "proxy/jwt_cache.h"
#include "proxy/legacy_guests.h"
#include "proxy/legacy_places.h"
#include "proxy/legacy_streams.h"
#include "proxy/mcp/rpc_scanner.h"
#include "proxy/net/timer_wheel.h"
#include "proxy/ping_call.h"
#include "proxy/recovery_task.h"
#include "proxy/upstream.h"
#include "proxy/worker_mailbox.h"
#include "proxy/worker_parts.h"

namespace holdfast::proxy {

class Control;
class SessionRegistry;

inline constexpr size_t kAdoptedMax = 1024;  // answers drained for clients that left, per worker
inline constexpr size_t kCallsMax = 64;      // backend DELETEs under way at once, per worker
inline constexpr size_t kCallsWaitingMax = 1 << 16;
inline constexpr size_t kRecoveriesMax = 64;  // conversations under way at once, per worker; those
                                              // that wait are no more than requests that do
inline constexpr size_t kPingsMax = 32;       // of backend sessions, under way at once, per worker
inline constexpr std::string_view kViaName = "holdfast";

// What all workers share; borrowed, outlives every worker.
struct WorkerContext {
  const Clock &clock;
  SessionRegistry &registry;
  Control &control;
  BackendDirectory &backends;
  BackendStats &backend_stats;
  LogFiles &log_files;
  AddressLimit &addresses;
  LegacyStreams &legacy_streams;
  LegacyPlaces &legacy_places;
  const LegacyGuests &legacy_guests;
  std::span<WorkerMailbox *const> mailboxes;  // of every worker, by its index
};

// What /health, /live and /ready say while sessiond is away.
struct OwnHealth {
  int status = 200;
  std::string body;
};

class Worker {
 public:
  Worker(uint32_t index, WorkerContext context, WorkerMailbox &mailbox);
  ~Worker();
  Worker(const Worker &) = delete;
  Worker &operator=(const Worker &) = delete;

  // The thread's body: runs until StopWorker has been obeyed.
  void run();
  // Its two halves, for whoever keeps the time itself: one turn of the loop and the burials after
  // it (`flags` as event_base_loop takes them; false: it has stopped), and what every
  // TimerWheel::kTick brings.
  bool turn(int flags);
  void on_tick();
  const Counters &counters() const noexcept { return counters_; }  // any thread may read

  // ---- services for what the worker owns ----
  uint32_t index() const noexcept { return index_; }
  event_base *base() noexcept { return base_.get(); }
  TimerWheel &wheel() noexcept { return wheel_; }
  Scratch &scratch() noexcept { return *scratch_; }
  Counters &counters() noexcept { return counters_; }
  SessionRegistry &registry() noexcept { return context_.registry; }
  // What is said to it is flushed at the end of the turn, all with one switch of threads.
  Control &control() noexcept {
    control_used_ = true;
    return context_.control;
  }
  // The same for what need not wait for the end of the turn.
  Control &control_now() noexcept { return context_.control; }
  BackendDirectory &backends() noexcept { return context_.backends; }
  BackendStats &backend_stats() noexcept { return context_.backend_stats; }
  LegacyStreams &legacy_streams() noexcept { return context_.legacy_streams; }
  LegacyPlaces &legacy_places() noexcept { return context_.legacy_places; }
  const LegacyGuests &legacy_guests() noexcept { return context_.legacy_guests; }
  const std::shared_ptr<const Config> &config() const noexcept { return config_; }
  MonoTime now();  // constant within a turn of the loop, but for long ones
  const Clock &clock() const noexcept { return context_.clock; }
  std::string_view http_date();  // the value of a Date field; valid until the next call
  bool draining() const noexcept { return draining_ || stopping_; }
  // What clients are to know of that: where another process serves on, nothing.
  bool leaving() const noexcept { return draining_ || (stopping_ && !handed_over_); }

  // Destroys at the end of the turn.
  void bury(std::unique_ptr<Buried> object);
  // Exchanges by number, for messages from other threads.
  uint64_t enlist(Exchange &exchange);
  void delist(uint64_t id);
  Exchange *find(uint64_t id) noexcept;  // nullptr: it has ended
  size_t exchanges_count() const noexcept { return slots_.size() - free_slots_.size(); }
  void await_restoration(uint64_t exchange) { awaiting_restoration_.push_back(exchange); }
  // Exchanges whose client has left, until the backend has finished.
  void adopt(std::unique_ptr<Exchange> exchange);
  void retire(uint64_t id);
  // False when so many are being drained already that another would be a burden.
  bool may_adopt() const noexcept { return adopted_.size() < kAdoptedMax; }
  LogLimit &fault_log() noexcept { return fault_log_; }
  JwtCache &tokens() noexcept { return tokens_; }

  // A message for an exchange of any worker, this one included; it arrives in a later turn.
  void tell(uint32_t worker, WorkerMessage message);

  std::unique_ptr<mcp::RpcScanner> take_scanner();
  void give_scanner(std::unique_ptr<mcp::RpcScanner> scanner);
  std::unique_ptr<UnansweredRequest> take_request();
  void give_request(std::unique_ptr<UnansweredRequest> request);
  BackendPool &pool(BackendId backend);
  UpstreamState *upstream(const Config &config, size_t index);
  // From now on this backend is spoken to by TLS, in the name of that server.
  void speak_tls(BackendId backend, const UpstreamTls &tls, const BackendServer &server);
  BackendId management_backend();  // sessiond's HTTP socket; kNoBackend when there is none
  void delete_at_backend(DeleteAtBackend order);
  void call_done(BackendCall &call);
  void recover(RecoveryOrder order);
  void call_done(RecoveryTask &task);
  void call_done(PingCall &call);
  OwnHealth own_health(std::string_view target, bool users);
  // The last word of whoever tried a backend; a change is told to sessiond at once.
  void note_backend(BackendId backend, bool up);
  AccessWriter *access_writer(const Config &config, size_t index);

  // ---- connections ----
  bool may_accept();
  void add_client(UniqueFd fd, size_t listener, const SocketAddress &peer);
  void remove(ClientConn &conn);
  void note_accept_trouble(int sys_errno);
  // One backend connection more or less: they count against worker_connections, too.
  void count_backend_conn(int change);
  // True while a descriptor below the reserve is free: what accepting may use, so that an accepted
  // request can still reach its backend.
  bool descriptors_left();
  bool is_reserved(int fd) const noexcept { return fd >= accept_fd_max_; }
  void note_handshake_failure(std::string_view peer, const TlsStream &tls);

 private:
  struct UpstreamSet {
    std::weak_ptr<const Config> config;
    const Config *key = nullptr;
    std::vector<std::unique_ptr<UpstreamState>> upstreams;
  };
  void on_mail();
  void on_message(AdmitAnswer &message);
  void on_message(FinishExchange &message);
  void on_message(DeleteAtBackend &message);
  void on_message(RestoreDone &message);
  void on_message(SessionReady &message);
  void on_message(RecoveryDone &message);
  void on_message(SpliceStream &message);
  void on_message(SwapConfig &message);
  void on_message(DrainWorker &message);
  void on_message(StopWorker &message);
  void on_message(OpenLegacy &message);
  void on_message(LegacyOpened &message);
  void on_message(ReopenLegacy &message);
  void on_message(CallsLost &message);
  void build_upstreams();
  bool any_backend_up();
  void pause_accepting(bool paused);
  void connection_closed();
  void start_call(const DeleteAtBackend &order);
  void start_recovery(RecoveryOrder order);
  void ping_backends();
  void stop_streams();
  static void on_tick_c(evutil_socket_t, short, void *self) noexcept;
  static void on_mail_c(evutil_socket_t, short, void *self) noexcept;

  const uint32_t index_;
  WorkerContext context_;
  WorkerMailbox &mailbox_;
  EventBasePtr base_;
  std::unique_ptr<Scratch> scratch_ = std::make_unique<Scratch>();
  Counters counters_;
  TimerWheel wheel_;
  EventPtr tick_;
  EventPtr mail_;
  std::shared_ptr<const Config> config_;
  std::vector<std::unique_ptr<UnansweredRequest>> spare_requests_;  // outlive every exchange
  std::vector<UpstreamSet>
      upstream_sets_;  // the current one last; older ones while exchanges use them
  std::vector<std::unique_ptr<BackendPool>> pools_;  // by BackendId
  std::unique_ptr<HealthChecker> checker_;           // on one worker of the process
  std::vector<std::unique_ptr<Acceptor>> acceptors_;
  std::vector<std::unique_ptr<ClientConn>> clients_;  // ClientConn::place_in_worker
  std::unordered_map<uint64_t, std::unique_ptr<Exchange>> adopted_;
  std::unordered_map<BackendCall *, std::unique_ptr<BackendCall>> calls_;
  std::deque<DeleteAtBackend> calls_waiting_;
  std::unordered_map<RecoveryTask *, std::unique_ptr<RecoveryTask>> recoveries_;
  std::deque<RecoveryOrder> recoveries_waiting_;
  std::unordered_map<PingCall *, std::unique_ptr<PingCall>> pings_;
  std::vector<PingOrder> ping_orders_;  // reused
  uint64_t next_ping_ = 1;
  std::vector<Exchange *> slots_;  // by the slot bits of an exchange's number
  std::vector<uint32_t> free_slots_;
  std::vector<uint64_t> awaiting_restoration_;
  std::vector<std::unique_ptr<mcp::RpcScanner>> scanners_;
  std::vector<std::unique_ptr<Buried>> graveyard_;
  std::vector<std::unique_ptr<Buried>> dying_;  // of graveyard_, while they are destroyed
  std::vector<WorkerMessage> mail_box_;
  std::vector<std::unique_ptr<AccessWriter>> access_writers_;
  std::string management_path_;
  BackendId management_backend_ = kNoBackend;
  uint64_t next_exchange_ = 1;
  MonoTime now_{};
  MonoTime stop_due_ = MonoTime::max();
  MonoTime streams_due_ = MonoTime::max();  // handed over: then they end
  MonoTime accept_trouble_logged_{};
  MonoTime date_until_{};
  std::string date_;
  LogLimit fault_log_;
  JwtCache tokens_;
  LogLimit call_log_;
  LogLimit handshake_log_;
  LogLimit refusal_log_;
  size_t backend_conns_ = 0;
  int accept_fd_max_ = 0;
  unsigned ticks_ = 0;
  bool now_fresh_ = false;
  bool control_used_ = false;  // in this turn
  bool accepting_paused_ = false;
  bool draining_ = false;
  bool stopping_ = false;
  bool handed_over_ = false;
  bool stopped_ = false;
};

}  // namespace holdfast::proxy
