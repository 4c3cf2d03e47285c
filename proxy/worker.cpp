#include "proxy/worker.h"

#include <fcntl.h>
#include <sys/resource.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstring>
#include <utility>

#include "common/log.h"
#include "proxy/control.h"
#include "proxy/http/date.h"
#include "proxy/legacy_recovery.h"
#include "proxy/own_answers.h"
#include "proxy/recovery_call.h"
#include "proxy/session_registry.h"

namespace holdfast::proxy {
namespace {

constexpr timeval kTick{0, 100'000};  // TimerWheel::kTick
constexpr unsigned kTicksPerSecond = 10;
constexpr size_t kScannersMax = 64;  // kept for reuse
constexpr size_t kSpareRequestsMax = 64;
constexpr size_t kSpareRoomBytesMax = 4096;  // of one: what most requests need
constexpr int kReservedFdsMin = 8;           // descriptors accepting leaves to backends and files
constexpr int kReservedFdsMax = 256;
// TERM, or the end of a handed-over process's time: what is in flight gets so long.
constexpr Millis kStopGrace{5000};
constexpr uint64_t kSlotBits = 24;
constexpr uint64_t kCountBits = 32;

EventBasePtr make_base() {
  event_config *options = event_config_new();
  (void)event_config_set_flag(options, EVENT_BASE_FLAG_NOLOCK);
  EventBasePtr base(event_base_new_with_config(options));
  event_config_free(options);
  return base;
}

// The first descriptor number accepting does not use: a sixteenth of the table stays free.
int accept_fd_max() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur > INT_MAX) return INT_MAX;
  const int fds = static_cast<int>(limit.rlim_cur);
  return fds - std::clamp(fds / 16, kReservedFdsMin, kReservedFdsMax);
}

}  // namespace

Worker::Worker(uint32_t index, WorkerContext context, WorkerMailbox &mailbox)
    : index_(index),
      context_(context),
      mailbox_(mailbox),
      base_(make_base()),
      wheel_(context.clock.now()) {
  accept_fd_max_ = accept_fd_max();
  tick_.reset(event_new(base_.get(), -1, EV_PERSIST, &on_tick_c, this));
  mail_.reset(event_new(base_.get(), mailbox.fd(), EV_READ | EV_PERSIST, &on_mail_c, this));
  (void)event_add(mail_.get(), nullptr);
}

Worker::~Worker() {
  // Everything that refers to the loop goes before the loop does.
  acceptors_.clear();
  checker_.reset();
  calls_.clear();
  recoveries_.clear();
  pings_.clear();
  adopted_.clear();
  clients_.clear();
  graveyard_.clear();
  pools_.clear();
}

void Worker::run() {
  (void)event_add(tick_.get(), &kTick);
  while (turn(EVLOOP_ONCE)) {
  }
  for (const auto &log : access_writers_) {
    if (log) log->flush();
  }
}

bool Worker::turn(int flags) {
  if (event_base_loop(base_.get(), flags) < 0) return false;
  now_fresh_ = false;
  if (std::exchange(control_used_, false)) context_.control.flush();
  // Burying may bury more (a connection's exchange its backend connection).
  while (!graveyard_.empty()) {
    dying_.swap(graveyard_);
    dying_.clear();
  }
  if (stopping_ && ((clients_.empty() && adopted_.empty()) || now() >= stop_due_)) stopped_ = true;
  now_fresh_ = false;
  return !stopped_;
}

MonoTime Worker::now() {
  if (!now_fresh_) {
    now_ = context_.clock.now();
    now_fresh_ = true;
  }
  return now_;
}

std::string_view Worker::http_date() {
  if (now() < date_until_) return date_;
  const WallTime wall = context_.clock.wall();
  date_ = http::http_date(wall);
  date_until_ = now() + Millis{1000} - wall.time_since_epoch() % Millis{1000};
  return date_;
}

void Worker::bury(std::unique_ptr<Buried> object) {
  if (object) graveyard_.push_back(std::move(object));
}

// An exchange's number: worker (8 bits), count (32), slot (24). The slot finds it, the whole number
// tells it from those that had the slot before.
uint64_t Worker::enlist(Exchange &exchange) {
  uint32_t slot = 0;
  if (!free_slots_.empty()) {
    slot = free_slots_.back();
    free_slots_.pop_back();
    slots_[slot] = &exchange;
  } else {
    slot = static_cast<uint32_t>(slots_.size());
    slots_.push_back(&exchange);
  }
  const uint64_t count = next_exchange_++ & ((uint64_t{1} << kCountBits) - 1);
  return (uint64_t{index_} << (kCountBits + kSlotBits)) | (count << kSlotBits) | slot;
}

void Worker::delist(uint64_t id) {
  const auto slot = static_cast<uint32_t>(id & ((uint64_t{1} << kSlotBits) - 1));
  slots_[slot] = nullptr;
  free_slots_.push_back(slot);
}

Exchange *Worker::find(uint64_t id) noexcept {
  const size_t slot = id & ((uint64_t{1} << kSlotBits) - 1);
  if (slot >= slots_.size() || slots_[slot] == nullptr || slots_[slot]->id() != id) return nullptr;
  return slots_[slot];
}

void Worker::adopt(std::unique_ptr<Exchange> exchange) {
  const uint64_t id = exchange->id();
  adopted_.emplace(id, std::move(exchange));
}

void Worker::retire(uint64_t id) {
  const auto at = adopted_.find(id);
  if (at == adopted_.end()) return;
  bury(std::move(at->second));
  adopted_.erase(at);
}

void Worker::tell(uint32_t worker, WorkerMessage message) {
  if (context_.mailboxes[worker]->post(std::move(message))) return;
  log_error("event=mailbox_full worker={} hint=\"a message is lost\"", worker);
}

std::unique_ptr<mcp::RpcScanner> Worker::take_scanner() {
  if (scanners_.empty()) {
    auto fresh = std::make_unique<mcp::RpcScanner>();
    fresh->reset();
    return fresh;
  }
  std::unique_ptr<mcp::RpcScanner> scanner = std::move(scanners_.back());
  scanners_.pop_back();
  scanner->reset();
  return scanner;
}

void Worker::give_scanner(std::unique_ptr<mcp::RpcScanner> scanner) {
  if (scanner && scanners_.size() < kScannersMax) scanners_.push_back(std::move(scanner));
}

std::unique_ptr<UnansweredRequest> Worker::take_request() {
  if (spare_requests_.empty()) return std::make_unique<UnansweredRequest>();
  std::unique_ptr<UnansweredRequest> request = std::move(spare_requests_.back());
  spare_requests_.pop_back();
  return request;
}

void Worker::give_request(std::unique_ptr<UnansweredRequest> request) {
  if (!request || spare_requests_.size() >= kSpareRequestsMax ||
      request->room_bytes() > kSpareRoomBytesMax)
    return;
  request->reset();  // now: a body that waited would be kept for nobody
  spare_requests_.push_back(std::move(request));
}

BackendPool &Worker::pool(BackendId backend) {
  if (pools_.size() <= backend) pools_.resize(backend + 1);
  if (!pools_[backend]) pools_[backend] = std::make_unique<BackendPool>(*this);
  return *pools_[backend];
}

UpstreamState *Worker::upstream(const Config &config, size_t index) {
  for (auto set = upstream_sets_.rbegin(); set != upstream_sets_.rend(); ++set) {
    if (set->key == &config) return set->upstreams[index].get();
  }
  return nullptr;
}

void Worker::build_upstreams() {
  UpstreamSet set;
  set.config = config_;
  set.key = config_.get();
  for (const Upstream &upstream : config_->upstreams) {
    std::vector<std::vector<BackendId>> backends;
    for (const BackendServer &server : upstream.servers) {
      backends.push_back(intern_server(context_.backends, upstream, server));
      if (!upstream.tls) continue;
      for (const BackendId id : backends.back()) speak_tls(id, *upstream.tls, server);
    }
    set.upstreams.push_back(
        std::make_unique<UpstreamState>(upstream, std::move(backends), context_.backend_stats));
  }
  upstream_sets_.push_back(std::move(set));
}

void Worker::speak_tls(BackendId backend, const UpstreamTls &tls, const BackendServer &server) {
  pool(backend).set_tls(
      {tls.context, {tls_name(tls, server), tls.send_name}, tls.resumes, tls.fingerprint});
}

BackendId Worker::management_backend() {
  if (!config_->sessiond) return kNoBackend;
  std::string path = context_.control.http_socket();
  if (path.empty()) path = config_->sessiond->http_path;
  if (path.empty()) return kNoBackend;
  if (path != management_path_) {
    const std::optional<SocketAddress> address = SocketAddress::unix_path(path);
    if (!address) return kNoBackend;
    management_path_ = path;
    management_backend_ = intern_address(context_.backends, std::string(kManagementUpstream),
                                         "unix:" + path, *address);
  }
  return management_backend_;
}

void Worker::delete_at_backend(DeleteAtBackend order) {
  if (order.backend == kNoBackend || order.target.empty()) return;
  if (calls_.size() < kCallsMax) {
    start_call(order);
  } else if (calls_waiting_.size() < kCallsWaitingMax) {
    calls_waiting_.push_back(std::move(order));
  } else if (call_log_.allow(now())) {
    log_warn("event=backend_delete_skipped backend={} suppressed={} detail=\"too many waiting\"",
             context_.backends.at(order.backend).name, call_log_.suppressed());
  }
}

void Worker::start_call(const DeleteAtBackend &order) {
  auto call =
      std::make_unique<BackendCall>(*this, order.backend, order.target, order.backend_session);
  BackendCall *key = call.get();
  calls_.emplace(key, std::move(call));
  key->start();
}

void Worker::call_done(BackendCall &call) {
  const auto at = calls_.find(&call);
  if (at == calls_.end()) return;
  bury(std::move(at->second));
  calls_.erase(at);
  if (calls_waiting_.empty()) return;
  const DeleteAtBackend next = std::move(calls_waiting_.front());
  calls_waiting_.pop_front();
  start_call(next);
}

void Worker::recover(RecoveryOrder order) {
  if (recoveries_.size() < kRecoveriesMax) {
    start_recovery(std::move(order));
  } else {
    recoveries_waiting_.push_back(std::move(order));
  }
}

void Worker::start_recovery(RecoveryOrder order) {
  std::unique_ptr<RecoveryTask> task;
  if (order.plan.stream) {
    task = std::make_unique<LegacyRecovery>(*this, std::move(order));
  } else {
    task = std::make_unique<RecoveryCall>(*this, std::move(order));
  }
  RecoveryTask *key = task.get();
  recoveries_.emplace(key, std::move(task));
  key->start();
}

void Worker::call_done(RecoveryTask &task) {
  const auto at = recoveries_.find(&task);
  if (at == recoveries_.end()) return;
  bury(std::move(at->second));
  recoveries_.erase(at);
  if (recoveries_waiting_.empty()) return;
  RecoveryOrder next = std::move(recoveries_waiting_.front());
  recoveries_waiting_.pop_front();
  start_recovery(std::move(next));
}

void Worker::ping_backends() {
  if (stopping_ || pings_.size() >= kPingsMax) return;
  ping_orders_.clear();
  context_.registry.take_due_pings(index_, context_.mailboxes.size(), kPingsMax - pings_.size(),
                                   ping_orders_);
  for (PingOrder &order : ping_orders_) {
    auto call = std::make_unique<PingCall>(*this, std::move(order), next_ping_++);
    PingCall *key = call.get();
    pings_.emplace(key, std::move(call));
    key->start();
  }
}

void Worker::call_done(PingCall &call) {
  const auto at = pings_.find(&call);
  if (at == pings_.end()) return;
  bury(std::move(at->second));
  pings_.erase(at);
}

OwnHealth Worker::own_health(std::string_view target, bool users) {
  if (target == "/live") return {200, R"({"status":"ok"})"};
  if (target == "/ready") {
    const bool ready = !leaving() && any_backend_up();
    return {ready ? 200 : 503, ready ? R"({"ready":true})" : R"({"ready":false})"};
  }
  const RegistryCounts counts = context_.registry.counts(users);
  return {200, degraded_health(leaving(), counts, users)};
}

bool Worker::any_backend_up() {
  if (upstream_sets_.empty() || upstream_sets_.back().upstreams.empty()) return true;
  const auto &upstreams = upstream_sets_.back().upstreams;
  return std::any_of(upstreams.begin(), upstreams.end(),
                     [this](const auto &upstream) { return upstream->any_up(now()); });
}

void Worker::note_backend(BackendId backend, bool up) {
  BackendStats::Cell &cell = context_.backend_stats.cells[backend];
  if (cell.up.load(std::memory_order_relaxed) == up) return;
  if (cell.up.exchange(up, std::memory_order_relaxed) == up) return;
  cell.note_change(now());
  context_.control.backend_changed();
}

AccessWriter *Worker::access_writer(const Config &config, size_t index) {
  const AccessLog &wanted = config.access_logs[index];
  for (const auto &writer : access_writers_) {
    if (writer->spec() == wanted) return writer.get();
  }
  access_writers_.push_back(std::make_unique<AccessWriter>(context_.log_files, wanted));
  return access_writers_.back().get();
}

bool Worker::may_accept() {
  if (clients_.size() + backend_conns_ < config_->worker_connections) return true;
  pause_accepting(true);
  return false;
}

void Worker::pause_accepting(bool paused) {
  accepting_paused_ = paused;
  for (const auto &acceptor : acceptors_) acceptor->pause(Acceptor::kFullWorker, paused);
}

// Room for another connection has come: of the worker's own, and of the process's descriptors.
void Worker::connection_closed() {
  if (stopping_) return;
  if (accepting_paused_ && clients_.size() + backend_conns_ < config_->worker_connections)
    pause_accepting(false);
}

void Worker::count_backend_conn(int change) {
  backend_conns_ += static_cast<size_t>(change);
  if (change < 0) connection_closed();
}

// The kernel gives the lowest free number, so a copy of any descriptor tells how full the table is.
bool Worker::descriptors_left() {
  const UniqueFd lowest(::fcntl(mailbox_.fd(), F_DUPFD_CLOEXEC, 0));
  return lowest && !is_reserved(lowest.get());
}

void Worker::add_client(UniqueFd fd, size_t listener, const SocketAddress &peer) {
  AddressLimit::Place place;
  const unsigned max = config_->connections_per_address;
  if (max > 0 && !config_->is_trusted_proxy(peer) && !peer.is_unix()) {
    place = context_.addresses.enter(peer, max);
    if (!place) {
      counters_.add(Counter::connections_refused);
      if (refusal_log_.allow(now())) {
        log_warn(
            "event=connection_refused client={} suppressed={} detail=\"as many as one address "
            "may have\"",
            peer.ip(), refusal_log_.suppressed());
      }
      return;
    }
  }
  auto conn = std::make_unique<ClientConn>(*this, std::move(fd), listener, peer);
  conn->hold(std::move(place));
  conn->place_in_worker = static_cast<uint32_t>(clients_.size());
  clients_.push_back(std::move(conn));
}

void Worker::remove(ClientConn &conn) {
  const size_t place = conn.place_in_worker;
  bury(std::move(clients_[place]));
  if (place + 1 < clients_.size()) {
    clients_[place] = std::move(clients_.back());
    clients_[place]->place_in_worker = conn.place_in_worker;
  }
  clients_.pop_back();
  connection_closed();
}

void Worker::note_accept_trouble(int sys_errno) {
  if (now() - accept_trouble_logged_ < std::chrono::minutes{1}) return;
  accept_trouble_logged_ = now();
  log_error("event=accept_failed error={} detail=\"accepting pauses while it lasts\"",
            quoted(std::strerror(sys_errno)));
}

// Scanners and probes do this all day: worth a line now and then.
void Worker::note_handshake_failure(std::string_view peer, const TlsStream &tls) {
  counters_.add(Counter::handshake_failures);
  if (!handshake_log_.allow(now())) return;
  log_info("event=tls_handshake_failed peer={} server_name={} detail={} suppressed={}", peer,
           quoted(tls.server_name()), quoted(tls.fault()), handshake_log_.suppressed());
}

void Worker::on_tick() {
  wheel_.advance(now());
  ping_backends();
  if (now() >= streams_due_) stop_streams();
  if (++ticks_ % kTicksPerSecond != 0) return;
  for (const auto &pool : pools_) {
    if (pool) pool->sweep(now());
  }
  for (const auto &log : access_writers_) log->flush();
  while (upstream_sets_.size() > 1 && upstream_sets_.front().config.expired()) {
    upstream_sets_.erase(upstream_sets_.begin());
  }
}

void Worker::on_mail() {
  mail_box_.clear();
  mailbox_.drain(mail_box_);
  for (WorkerMessage &message : mail_box_) {
    std::visit([this](auto &m) { on_message(m); }, message);
  }
}

void Worker::on_message(AdmitAnswer &message) {
  Exchange *exchange = find(message.exchange);
  if (exchange != nullptr) exchange->on_admit(message);
}

void Worker::on_message(FinishExchange &message) {
  Exchange *exchange = find(message.exchange);
  if (exchange != nullptr) exchange->finish_for(message.reason, message.idle);
}

void Worker::on_message(OpenLegacy &message) {
  Exchange *exchange = find(message.exchange);
  if (exchange != nullptr) {
    exchange->on_open_wanted(message);
    return;
  }
  tell(message.asker_worker,
       LegacyOpened{.exchange = message.asker, .status = 404, .message = "Session not found"});
}

void Worker::on_message(LegacyOpened &message) {
  Exchange *exchange = find(message.exchange);
  if (exchange != nullptr) exchange->on_opened(message);
}

void Worker::on_message(CallsLost &message) {
  Exchange *exchange = find(message.exchange);
  if (exchange != nullptr) exchange->on_calls_lost(message);
}

void Worker::on_message(ReopenLegacy &message) { recover(std::move(*message.order)); }

void Worker::on_message(DeleteAtBackend &message) { delete_at_backend(std::move(message)); }

void Worker::on_message(RestoreDone &) {
  const std::vector<uint64_t> waiting = std::move(awaiting_restoration_);
  awaiting_restoration_.clear();
  for (const uint64_t id : waiting) {
    Exchange *exchange = find(id);
    if (exchange != nullptr) exchange->on_restored();
  }
}

void Worker::on_message(SessionReady &message) {
  Exchange *exchange = find(message.exchange);
  if (exchange != nullptr) exchange->on_session_ready();
}

void Worker::on_message(RecoveryDone &message) {
  Exchange *exchange = find(message.exchange);
  if (exchange != nullptr) exchange->on_recovery(message);
}

void Worker::on_message(SpliceStream &message) {
  Exchange *exchange = find(message.exchange);
  if (exchange != nullptr) exchange->splice(message);
}

void Worker::on_message(SwapConfig &message) {
  if (config_ != message.config) {  // else only its listeners come, later
    config_ = message.config;
    build_upstreams();
  }
  if (index_ == 0) {  // the process's servers are asked once, not once per worker
    if (!checker_) checker_ = std::make_unique<HealthChecker>(*this);
    checker_->configure(*config_);
  }
  std::erase_if(access_writers_, [this](const auto &writer) {
    const auto &wanted = config_->access_logs;
    const bool kept = std::find(wanted.begin(), wanted.end(), writer->spec()) != wanted.end();
    if (!kept) writer->flush();
    return !kept;
  });
  // Same ports, other references: the sockets are shared with the old descriptors, nothing queued
  // is lost.
  acceptors_.clear();
  for (size_t i = 0; i < message.listener_fds.size(); ++i) {
    UniqueFd &fd = message.listener_fds[i];
    if (fd && !stopping_) acceptors_.push_back(std::make_unique<Acceptor>(*this, std::move(fd), i));
  }
}

void Worker::on_message(DrainWorker &message) { draining_ = message.on; }

// The listeners' sockets live on in the master, or in the process that took over: what waits in
// their queues is not lost with these descriptors.
void Worker::on_message(StopWorker &message) {
  acceptors_.clear();
  if (message.kind == StopKind::handed_over) control().not_accepting();
  const bool first = !std::exchange(stopping_, true);
  const Millis patience =
      message.kind == StopKind::fast ? kStopGrace : config_->worker_shutdown_timeout;
  if (message.kind == StopKind::handed_over) {
    if (!first) return;
    // Idle connections stay: a request may be on its way on any of them. It is answered, and told
    // that it was the last.
    handed_over_ = true;
    registry().expect_requests_elsewhere();
    streams_due_ = now() + patience;
    stop_due_ = streams_due_ + kStopGrace;
    return;
  }
  stop_due_ = std::min(stop_due_, now() + patience);
  if (first || streams_due_ != MonoTime::max()) stop_streams();
}

// Streams that would never end by themselves end now, properly; calls in flight may finish.
void Worker::stop_streams() {
  streams_due_ = MonoTime::max();
  // From the end: whoever goes leaves its place to one that has been seen already.
  for (size_t i = clients_.size(); i > 0; --i) {
    ClientConn &conn = *clients_[i - 1];
    if (conn.exchange() != nullptr) conn.exchange()->on_stop();
    const bool gone = i > clients_.size() || clients_[i - 1].get() != &conn;
    if (!gone) conn.close_when_idle();
  }
}

void Worker::on_tick_c(evutil_socket_t, short, void *self) noexcept {
  static_cast<Worker *>(self)->on_tick();
}
void Worker::on_mail_c(evutil_socket_t, short, void *self) noexcept {
  static_cast<Worker *>(self)->on_mail();
}

}  // namespace holdfast::proxy
