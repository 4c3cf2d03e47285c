#include "proxy/master.h"

#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>

#include "common/limits.h"
#include "common/log.h"
#include "common/log_file.h"
#include "proxy/log_handover.h"
#include "proxy/serving.h"

namespace holdfast::proxy {
namespace {

constexpr timeval kReloadPatience{5, 0};
constexpr Millis kStableAfter{1000};  // a child that lived so long did not crash at once
constexpr Millis kRespawnDelayMax{1000};
constexpr std::array kSignals = {SIGTERM, SIGINT, SIGQUIT, SIGHUP, SIGUSR1, SIGWINCH, SIGCHLD};

timeval to_timeval(Millis time) {
  return {static_cast<time_t>(time.count() / 1000),
          static_cast<suseconds_t>(time.count() % 1000 * 1000)};
}

std::string node_name(const Config &config) {
  if (!config.node.empty()) return config.node;
  std::array<char, 256> host{};
  (void)::gethostname(host.data(), host.size() - 1);  // ignoring: an empty name is still one
  return std::string(host.data()) + ":" + config.pid_path;
}

}  // namespace

Master::Master(ConfRequest request, std::shared_ptr<const Config> config, ConfBundle bundle)
    : request_(std::move(request)),
      config_(std::move(config)),
      bundle_(std::move(bundle)),
      workers_(config_->worker_processes),
      base_(event_base_new()) {}

Master::~Master() = default;

int Master::run() {
  const Result<void> ready = prepare();
  if (!ready) {
    (void)std::fprintf(stderr, "holdfast-proxy: [emerg] %s\n", ready.error().message.c_str());
    return 1;
  }
  for (const int signal : kSignals) {
    signal_events_.emplace_back(evsignal_new(base_.get(), signal, &on_signal_c, this));
    (void)event_add(signal_events_.back().get(), nullptr);
  }
  respawn_.reset(event_new(base_.get(), -1, 0, &on_respawn_c, this));
  reload_late_.reset(event_new(base_.get(), -1, 0, &on_reload_late_c, this));
  if (!spawn()) return 1;
  (void)event_base_dispatch(base_.get());  // until stop() and the child's end
  control_channels_.clear();
  return 0;
}

Result<void> Master::prepare() {
  if (!config_->pid_path.empty()) {
    Result<std::unique_ptr<PidFile>> pid_file = PidFile::create(config_->pid_path);
    if (!pid_file) return pid_file.error();
    pid_file_ = std::move(*pid_file);
  }
  const Result<void> opened = sockets_.open(*config_, workers_);
  if (!opened) return opened.error();
  return open_control_socket();
}

Result<void> Master::open_control_socket() {
  if (config_->pid_path.empty()) return {};
  SocketOptions options;
  options.path = config_->pid_path + ".ctl";
  Result<std::unique_ptr<UnixSocket>> socket = UnixSocket::bind(options);
  if (!socket) return socket.error();
  control_socket_ = std::move(*socket);
  control_listener_ = std::make_unique<UnixListener>(
      base_.get(), *control_socket_, [this](UniqueFd fd, const PeerCredentials &, PeerAccess) {
        const ChannelLimits limits{kAdminLineBytesMax, kAdminQueueBytesMax, kHalfLineDeadline};
        control_channels_.push_back(
            std::make_unique<UnixChannel>(base_.get(), std::move(fd), limits, *this));
      });
  return {};
}

bool Master::spawn() {
  Result<std::pair<UniqueFd, UniqueFd>> pair = make_master_channel();
  if (!pair) {
    log_error("event=spawn_failed detail={}", quoted(pair.error().message));
    return false;
  }
  ready_ = false;
  const pid_t pid = ::fork();
  if (pid < 0) {
    log_error("event=spawn_failed detail={}", quoted(std::strerror(errno)));
    return false;
  }
  if (pid == 0) {
    // The child keeps nothing of ours but its end of the channel: no destructor may run here, they
    // would unlink the pid file and the sockets.
    pair->first.reset();
    signal_events_.clear();
    sockets_.abandon();  // or a port given up at a reload would stay open here
    std::_Exit(serve(std::move(pair->second), node_name(*config_)));
  }
  child_ = pid;
  spawned_ = clock_.now();
  channel_ = std::move(pair->first);
  channel_event_.reset(
      event_new(base_.get(), channel_.get(), EV_READ | EV_PERSIST, &on_channel_c, this));
  (void)event_add(channel_event_.get(), nullptr);
  const Result<void> sent = configure_child();
  if (!sent) log_error("event=spawn_failed detail={}", quoted(sent.error().message));
  return static_cast<bool>(sent);
}

// Sends the configuration in force (or the next one, during a reload) with all listeners.
Result<void> Master::configure_child() {
  const Config &config = next_config_ ? *next_config_ : *config_;
  const ConfBundle &bundle = next_config_ ? next_bundle_ : bundle_;
  const Result<UniqueFd> memory = make_memory_file(bundle.serialise());
  if (!memory) return memory.error();
  if (auto sent = hand_over_logs(channel_.get(), config, Logs::access); !sent) return sent;
  const std::vector<int> fds = sockets_.fds(config, workers_);
  size_t sent = 0;
  while (fds.size() - sent > kMasterFdsMax - 1) {
    const auto from = fds.begin() + static_cast<std::ptrdiff_t>(sent);
    Result<void> more = send_message(channel_.get(), MasterWord::listeners, 0, {},
                                     {from, from + static_cast<std::ptrdiff_t>(kMasterFdsMax)});
    if (!more) return more;
    sent += kMasterFdsMax;
  }
  std::vector<int> last{memory->get()};
  last.insert(last.end(), fds.begin() + static_cast<std::ptrdiff_t>(sent), fds.end());
  return send_message(channel_.get(), MasterWord::configure, workers_, {}, last);
}

void Master::announce() const {
  for (const std::string &address : sockets_.bound(*config_))
    log_info("event=listening address={}", address);
}

void Master::on_channel() {
  for (;;) {
    Result<std::optional<MasterMessage>> got = receive_message(channel_.get());
    if (!got) {
      channel_event_.reset();  // SIGCHLD tells the rest
      return;
    }
    if (!*got) return;
    const MasterMessage &message = **got;
    if (message.word == MasterWord::ready) {
      ready_ = true;
      announce();
      log_info("event=serving pid={} workers={}", child_, workers_);
    } else if (message.word == MasterWord::configured) {
      finish_reload({message.number != 0, message.text});
    } else if (message.word == MasterWord::exit_wanted) {
      stop(true);
    } else if (message.word == MasterWord::reload_wanted) {
      // Applied, the child itself tells sessiond; refused here, it would never hear of it.
      reload([this](const ReloadResult &result) {
        if (result.ok || child_ <= 0) return;
        (void)send_message(channel_.get(), MasterWord::refused, 0,
                           result.message);  // ignoring: a dying child asks no more
      });
    }
  }
}

void Master::on_signal(int signal) {
  switch (signal) {
    case SIGCHLD: {
      int status = 0;
      pid_t pid = 0;
      while ((pid = ::waitpid(-1, &status, WNOHANG)) > 0) on_child_exit(pid, status);
      return;
    }
    case SIGHUP:
      reload([](const ReloadResult &) {});
      return;
    case SIGUSR1: {
      const Result<void> reopened = log_reopen();
      if (!reopened)
        log_error("event=log_reopen_failed detail={}", quoted(reopened.error().message));
      (void)hand_over_logs(channel_.get(), *config_,
                           Logs::all);  // ignoring: a new child gets them anyway
      return;
    }
    case SIGQUIT:
    case SIGWINCH:
      stop(true);
      return;
    default:
      stop(false);
      return;
  }
}

void Master::stop(bool graceful) {
  if (!stopping_) log_info("event=stopping graceful={}", graceful);
  stopping_ = true;
  if (child_ <= 0) {
    (void)event_base_loopbreak(base_.get());
    return;
  }
  const Result<void> sent = send_message(channel_.get(), MasterWord::stop, graceful ? 1 : 0);
  if (!sent) (void)::kill(child_, SIGKILL);  // ignoring: it is gone already
}

void Master::on_child_exit(pid_t pid, int status) {
  if (pid != child_) return;
  child_ = -1;
  channel_event_.reset();
  if (stopping_) {
    log_info("event=stopped");
    (void)event_base_loopbreak(base_.get());
    return;
  }
  const bool crashed = WIFSIGNALED(status);
  log_error(
      "event=child_died pid={} {}={} detail=\"its connections are lost, its sessions are not; "
      "starting again\"",
      pid, crashed ? "signal" : "exit", crashed ? WTERMSIG(status) : WEXITSTATUS(status));
  if (!waiters_.empty()) finish_reload({false, "the serving process died"});
  const bool stable = clock_.now() - spawned_ >= kStableAfter;
  respawn_delay_ =
      stable ? Millis{0} : std::clamp(respawn_delay_ * 2, Millis{100}, kRespawnDelayMax);
  const timeval delay = to_timeval(respawn_delay_);
  (void)event_add(respawn_.get(), &delay);
}

void Master::reload(Waiter done) {
  waiters_.push_back(std::move(done));
  if (next_config_) return;  // one at a time: this asker gets the outcome of the one under way
  ConfBundle bundle;
  bundle.request = request_;
  LiveConfSource source(&bundle);
  LoadedConf<Config> loaded = load_config(request_, source);
  if (!loaded.config) {
    finish_reload({false, loaded.report.text(loaded.tree.files, "holdfast-proxy")});
    return;
  }
  if (loaded.config->error_log.target != config_->error_log.target) {
    Result<UniqueFd> log = log_file_open(loaded.config->error_log.target);
    if (!log) {
      finish_reload({false, log.error().message + "\n"});
      return;
    }
    next_log_ = std::move(*log);
  }
  const Result<void> opened = sockets_.open(*loaded.config, workers_);
  if (!opened) {
    finish_reload({false, opened.error().message + "\n"});
    return;
  }
  next_config_ = loaded.config;
  next_bundle_ = std::move(bundle);
  const Result<void> sent =
      child_ > 0 ? configure_child() : Result<void>(Error{Errc::busy, 0, "no serving process"});
  if (!sent) {
    finish_reload({false, sent.error().message + "\n"});
    return;
  }
  (void)event_add(reload_late_.get(), &kReloadPatience);
}

void Master::finish_reload(const ReloadResult &result) {
  (void)event_del(reload_late_.get());
  ReloadResult told = result;
  if (result.ok && next_config_) {
    if (next_config_->worker_processes != workers_) {
      told.message += "worker_processes takes effect at the next start\n";
    }
    switch_log(*next_config_);
    config_ = std::move(next_config_);
    bundle_ = std::move(next_bundle_);
    log_info("event=reloaded");
    announce();
  } else {
    log_error("event=reload_refused detail={}", quoted(result.message, 4096));
  }
  next_config_.reset();
  next_bundle_ = {};
  next_log_.reset();
  sockets_.prune(*config_);
  const std::vector<Waiter> waiters = std::move(waiters_);
  waiters_.clear();
  for (const Waiter &waiter : waiters) waiter(told);
}

// The serving process takes its level from its configuration; the file it could not open itself.
void Master::switch_log(const Config &next) {
  log_level(next.error_log.level);
  if (next.error_log.target == config_->error_log.target) return;
  log_move(next.error_log.target, std::move(next_log_));
  (void)hand_over_logs(channel_.get(), next, Logs::all);  // ignoring: a new child inherits it
}

// The control socket beside the pid file: one word, the outcome back ("ok" or "failed", then
// lines).
void Master::on_line(UnixChannel &channel, std::string_view line) {
  if (line != "reload") {
    (void)channel.send("failed");
    (void)channel.send("unknown word; known: reload");
    channel.close(true);
    return;
  }
  UnixChannel *const asker = &channel;
  reload([this, asker](const ReloadResult &result) {
    const bool there = std::any_of(control_channels_.begin(), control_channels_.end(),
                                   [&](const auto &c) { return c.get() == asker; });
    if (!there) return;
    (void)asker->send(result.ok ? "ok" : "failed");
    (void)asker->send_raw(result.message);
    asker->close(true);
  });
}

void Master::on_closed(UnixChannel &channel, const Error &) {
  control_channels_.remove_if([&](const auto &c) { return c.get() == &channel; });
}

void Master::on_signal_c(evutil_socket_t signal, short, void *self) noexcept {
  static_cast<Master *>(self)->on_signal(static_cast<int>(signal));
}
void Master::on_channel_c(evutil_socket_t, short, void *self) noexcept {
  static_cast<Master *>(self)->on_channel();
}
void Master::on_respawn_c(evutil_socket_t, short, void *self) noexcept {
  auto *master = static_cast<Master *>(self);
  if (!master->spawn()) master->on_child_exit(master->child_, 0);
}
void Master::on_reload_late_c(evutil_socket_t, short, void *self) noexcept {
  static_cast<Master *>(self)->finish_reload(
      {false, "the serving process did not answer in time\n"});
}

}  // namespace holdfast::proxy
