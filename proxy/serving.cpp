#include "proxy/serving.h"

#include <sys/resource.h>
#include <unistd.h>

#include <csignal>

#include "common/command_line.h"
#include "common/daemon.h"
#include "common/ids.h"
#include "common/log.h"
#include "common/sandbox.h"
#include "proxy/log_handover.h"
#include "proxy/upstream.h"

namespace holdfast::proxy {
namespace {

// As many descriptors as the administrator allows, not as many as shells give by default.
void raise_descriptor_limit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  (void)::setrlimit(RLIMIT_NOFILE, &limit);  // ignoring: fewer will do, accepting pauses in time
}

// Everything it needs from files came from the master, or will: it opens none.
void enter_own_sandbox(bool on) {
  SandboxState state;
  if (on) state = enter_sandbox({FilterFor::serving, LandlockPlan{{}, true}});
  log_info("event=sandbox {} uid={} pid={}", state.words(), ::geteuid(), ::getpid());
  if (!state.missing.empty())
    log_warn("event=sandbox_incomplete missing={}", quoted(state.missing_text(), 1024));
}

}  // namespace

Serving::Serving(UniqueFd channel, std::string node, bool predecessor)
    : channel_(std::move(channel)),
      node_(std::move(node)),
      registry_(clock_, &backend_stats_),
      predecessor_(predecessor),
      waits_to_accept_(predecessor) {}

Serving::~Serving() {
  // The channel's event lives on the control thread's loop.
  channel_event_.reset();
  workers_.clear();
  control_.reset();
}

int Serving::run() {
  // Until the first configuration there is no loop to wait in: the master sends it at once.
  while (!control_ && !failed_) {
    Result<std::optional<MasterMessage>> got = receive_message(channel_.get());
    if (!got) return 1;
    if (!*got) {
      fd_set readable;
      FD_ZERO(&readable);
      FD_SET(channel_.get(), &readable);
      (void)::select(channel_.get() + 1, &readable, nullptr, nullptr,
                     nullptr);  // ignoring: the read tells
      continue;
    }
    on_message(**got);
  }
  if (failed_) return 1;
  channel_event_.reset(
      event_new(control_->base(), channel_.get(), EV_READ | EV_PERSIST, &on_channel_c, this));
  (void)event_add(channel_event_.get(), nullptr);
  const RefusalWatch refusals(control_->base(), [](const std::string &call, uint64_t refused) {
    log_warn("event=syscall_refused call={} refused={} hint=\"the sandbox does not know it\"", call,
             refused);
  });
  reply(MasterWord::ready, 0);
  control_->run();
  if (joiner_.joinable()) joiner_.join();
  return 0;
}

void Serving::on_channel() {
  for (;;) {
    Result<std::optional<MasterMessage>> got = receive_message(channel_.get());
    if (!got) {  // the master is gone: nobody could stop or reload us any more
      (void)event_del(channel_event_.get());
      log_error("event=master_lost detail=\"the serving process ends with its master\"");
      stop(StopKind::fast);
      return;
    }
    if (!*got) return;
    on_message(**got);
  }
}

void Serving::on_message(MasterMessage &message) {
  switch (message.word) {
    case MasterWord::listeners:
      start_accepting();  // a reload: what was kept back is another configuration's
      for (UniqueFd &fd : message.fds) listener_fds_.push_back(std::move(fd));
      return;
    case MasterWord::configure:
      if (control_) start_accepting();
      configure(message);
      return;
    case MasterWord::stop:
      if (!message.fds.empty()) hand_over(message);
      stop(static_cast<StopKind>(message.number));
      return;
    case MasterWord::sessions:
      inherit(message);
      return;
    case MasterWord::sessions_over:
      if (control_) control_->others_over();
      legacy_guests_.clear();
      start_accepting();
      return;
    case MasterWord::accept:
      start_accepting();
      return;
    case MasterWord::logs:
      return take_logs(message, log_files_);
    case MasterWord::refused:
      if (reload_token_ != 0) control_->reloaded(reload_token_, false, message.text);
      reload_token_ = 0;
      return;
    case MasterWord::ready:
    case MasterWord::configured:
    case MasterWord::reload_wanted:
    case MasterWord::exit_wanted:
    case MasterWord::bequest:
      return;  // ours to say, not to hear
  }
}

void Serving::configure(MasterMessage &message) {
  std::string problem = "no configuration came with it";
  std::shared_ptr<const Config> config;
  if (!message.fds.empty()) {
    const Result<std::string> text = read_memory_file(message.fds.front().get());
    const Result<ConfBundle> bundle =
        text ? ConfBundle::parse(*text) : Result<ConfBundle>(text.error());
    if (bundle) {
      BundleConfSource source(*bundle);
      LoadedConf<Config> loaded = load_config(bundle->request, source);
      config = loaded.config;
      if (!config) problem = "the configuration the master accepted is refused here";
    } else {
      problem = bundle.error().message;
    }
  }
  for (size_t i = 1; i < message.fds.size(); ++i)
    listener_fds_.push_back(std::move(message.fds[i]));
  const bool first = !control_;
  const bool ok = config && (!first || start(config, static_cast<unsigned>(message.number)));
  if (ok) {
    log_level(config->error_log.level);
    distribute(config);
  } else {
    listener_fds_.clear();
    log_error("event=configuration_refused detail={}", quoted(problem));
    failed_ = first;
  }
  if (!first) reply(MasterWord::configured, ok ? 1 : 0, ok ? std::string() : problem);
  if (reload_token_ != 0 && control_) {
    control_->reloaded(reload_token_, ok, ok ? "" : problem);
    reload_token_ = 0;
  }
}

bool Serving::start(const std::shared_ptr<const Config> &config, unsigned workers) {
  raise_descriptor_limit();
  const Result<void> dropped = drop_privileges(config->run_as);
  if (!dropped) {
    log_error("event=privileges_kept detail={}", quoted(dropped.error().message));
    return false;
  }
  enter_own_sandbox(config->sandbox);
  for (unsigned i = 0; i < workers; ++i) {
    mailboxes_.push_back(std::make_unique<WorkerMailbox>());
    mailbox_list_.push_back(mailboxes_.back().get());
  }
  ControlOptions options;
  options.socket_path = config->sessiond ? config->sessiond->link_path : std::string();
  options.node = node_;
  options.instance = mint_instance_id();
  options.version = holdfast_version();
  options.policy_names = config->session_policies;
  options.predecessor = predecessor_;
  bequest_.set_sessiond(config->sessiond.has_value());
  ControlHooks hooks;
  hooks.on_reload = [this](int64_t token) {
    // It is for the process that took over, which is asked, too; here nothing new is served.
    if (bequest_file_) return control_->reloaded(token, true, {});
    reload_token_ = token;
    reply(MasterWord::reload_wanted, token);
  };
  hooks.stats = [this] { return stats(); };
  hooks.on_server_set = [this](const link::SetServer &order) { server_orders_.obey(order); };
  hooks.on_drain = [this](bool on) {
    for (const auto &mailbox : mailboxes_)
      (void)mailbox->post(DrainWorker{on});  // ignoring: full only when stuck
  };
  hooks.on_opening = [this](const std::string &session) {
    const std::string line = bequest_.one(session);
    if (!line.empty() && line.size() <= kMasterTextBytesMax) reply(MasterWord::bequest, 0, line);
  };
  hooks.on_not_accepting = [this] { bequeath(); };
  hooks.on_exit = [this] { reply(MasterWord::exit_wanted, 0); };
  control_ = std::make_unique<Control>(options, clock_, registry_, backends_, mailbox_list_,
                                       std::move(hooks));
  const WorkerContext context{clock_,         registry_,      *control_,    backends_,
                              backend_stats_, log_files_,     addresses_,   legacy_streams_,
                              legacy_places_, legacy_guests_, mailbox_list_};
  for (unsigned i = 0; i < workers; ++i) {
    workers_.push_back(std::make_unique<Worker>(i, context, *mailboxes_[i]));
  }
  if (predecessor_) control_->tell_openings();
  for (const auto &worker : workers_) threads_.emplace_back([w = worker.get()] { w->run(); });
  return true;
}

void Serving::distribute(const std::shared_ptr<const Config> &config) {
  config_ = config;
  // Before the link is up, not as the workers get to it: a session that sessiond hands back to a
  // new process is ended if its backend is not known yet.
  configured_.clear();
  for (const Upstream &upstream : config->upstreams) {
    for (const BackendServer &server : upstream.servers) {
      for (const BackendId id : intern_server(backends_, upstream, server)) {
        configured_.emplace(id, &server);
      }
    }
  }
  server_orders_.apply();
  hand_out_config();
  control_->set_policy_names(config->session_policies);
}

void Serving::start_accepting() {
  if (!control_ || !std::exchange(waits_to_accept_, false)) return;
  hand_out_config();
}

void Serving::hand_out_config() {
  const size_t count = waits_to_accept_ ? 0 : config_->listeners.size();
  for (size_t i = 0; i < mailboxes_.size(); ++i) {
    SwapConfig swap;
    swap.config = config_;
    for (size_t j = 0; j < count && i * count + j < listener_fds_.size(); ++j) {
      swap.listener_fds.push_back(std::move(listener_fds_[i * count + j]));
    }
    if (!mailboxes_[i]->post(std::move(swap))) {
      log_error("event=mailbox_full worker={} hint=\"it keeps the configuration before\"", i);
    }
  }
  if (!waits_to_accept_) listener_fds_.clear();
}

void Serving::stop(StopKind kind) {
  for (const auto &mailbox : mailboxes_)
    (void)mailbox->post(StopWorker{kind});  // ignoring: full only when stuck
  if (stopping_) return;
  stopping_ = true;
  joiner_ = std::thread([this] {
    for (std::thread &thread : threads_) thread.join();
    control_->stop();
  });
}

// The process that takes over needs to know what may still begin here, by a connection or a request
// that was under way, and we what begins there.
void Serving::hand_over(MasterMessage &message) {
  if (!control_) return;
  bequest_file_ = std::move(message.fds[0]);
  bequest_.set_sessiond(control_->linked());  // one that is away tells nobody anything
  control_->tell_openings();
  control_->expect_others();
}

// What there is, when nothing more is accepted: the other one waits for it before it accepts.
void Serving::bequeath() {
  if (!bequest_file_) return;
  const Result<void> written = write_file(bequest_file_.get(), bequest_.all());
  if (!written) log_warn("event=sessions_kept detail={}", quoted(written.error().message));
  reply(MasterWord::bequest, 1);
}

void Serving::inherit(const MasterMessage &message) {
  if (!control_) return;
  std::string text = message.text;
  if (!message.fds.empty()) {
    Result<std::string> whole = read_memory_file(message.fds[0].get());
    if (whole) text = std::move(*whole);
  }
  bequest_.take(text, [this](const ExchangeRef &waiting) {
    (void)mailboxes_[waiting.worker]->post(
        SessionReady{waiting.exchange});  // ignoring: full only when stuck
  });
  control_->predecessor_told();
  if (!message.fds.empty()) start_accepting();
}

void Serving::reply(MasterWord word, int64_t number, const std::string &text) {
  const Result<void> sent = send_message(channel_.get(), word, number, text);
  if (!sent) log_warn("event=master_unreachable detail={}", quoted(sent.error().message));
}

link::Stats Serving::stats() const {
  link::Stats out;
  for (const CounterRow &row : kCounterTable) {
    int64_t total = 0;
    for (const auto &worker : workers_) total += worker->counters().get(row.counter);
    out.counters.emplace_back(row.word, total);
  }
  out.counters.emplace_back("sandbox_refused_calls", static_cast<int64_t>(refused_calls_count()));
  const size_t known = backends_.size();
  for (size_t i = 0; i < known; ++i) {
    link::BackendInfo info = backend_info(static_cast<BackendId>(i));
    // What nobody configures and nobody uses any more is not worth a line.
    const bool wanted = !info.removed || info.sessions > 0;
    if (wanted && !is_internal(info.upstream)) out.backends.push_back(std::move(info));
  }
  return out;
}

link::BackendInfo Serving::backend_info(BackendId id) const {
  constexpr auto kRelaxed = std::memory_order_relaxed;
  const Backend &backend = backends_.at(id);
  const BackendStats::Cell &cell = backend_stats_.cells[id];
  const auto configured = configured_.find(id);
  link::BackendInfo info;
  info.upstream = backend.upstream;
  info.server = backend.server;
  info.removed = configured == configured_.end();
  info.sessions = cell.sessions.load(kRelaxed);
  info.requests = cell.requests.load(kRelaxed);
  info.errors = cell.errors.load(kRelaxed);
  info.up = cell.up.load(kRelaxed) && !cell.check_failed();
  info.check = to_word(cell.check.load(kRelaxed));
  const int64_t changed_ms = cell.changed_ms.load(kRelaxed);
  if (changed_ms != INT64_MIN) {
    info.changed_ms = clock_.now().time_since_epoch().count() - changed_ms;
  }
  if (!info.removed) {
    info.weight = configured->second->weight;
    if (configured->second->down) info.state = ServerState::maint;
  }
  if (const link::SetServer *const order = server_orders_.find(backend.name)) {
    info.set_state = order->state;
    info.set_weight = order->weight;
    info.state = order->state.value_or(info.state);
    if (order->weight) info.weight = order->weight;
  }
  return info;
}

void Serving::on_channel_c(evutil_socket_t, short, void *self) noexcept {
  static_cast<Serving *>(self)->on_channel();
}

int serve(UniqueFd channel, const std::string &node, bool predecessor) {
  // Only the master hears signals: a Ctrl-C reaches both, and it alone decides.
  for (const int signal : {SIGINT, SIGTERM, SIGQUIT, SIGHUP, SIGUSR1, SIGUSR2, SIGWINCH}) {
    (void)std::signal(signal, SIG_IGN);
  }
  Serving serving(std::move(channel), node, predecessor);
  return serving.run();
}

}  // namespace holdfast::proxy
