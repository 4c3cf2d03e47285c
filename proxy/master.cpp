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

#include "common/descriptors.h"
#include "common/limits.h"
#include "common/log.h"
#include "common/log_file.h"
#include "proxy/log_handover.h"
#include "proxy/serving.h"

namespace holdfast::proxy {
namespace {

constexpr timeval kReloadPatience{5, 0};
// The old serving process stops accepting and writes its sessions down at once, unless it hangs.
constexpr timeval kAcceptPatience{0, 500'000};
constexpr Millis kStableAfter{1000};  // a child that lived so long did not crash at once
constexpr Millis kRespawnDelayMax{1000};
constexpr const char *kWorkersKept = "worker_processes takes effect at the next start\n";
constexpr std::array kSignals = {SIGTERM, SIGINT,  SIGQUIT,  SIGHUP,
                                 SIGUSR1, SIGUSR2, SIGWINCH, SIGCHLD};

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

Master::Master(ConfRequest request, std::shared_ptr<const Config> config, ConfBundle bundle,
               Launch launch, std::unique_ptr<Heir> heir)
    : request_(std::move(request)),
      config_(std::move(config)),
      bundle_(std::move(bundle)),
      workers_(config_->worker_processes),
      base_(event_base_new()),
      upgrade_(base_.get(), *this, std::move(launch)),
      heir_(std::move(heir)) {}

Master::~Master() = default;

int Master::run() {
  const Result<void> ready = heir_ ? inherit() : prepare();
  if (!ready) {
    if (heir_) return heir_->fail(ready.error().message);
    (void)std::fprintf(stderr, "holdfast-proxy: [emerg] %s\n", ready.error().message.c_str());
    return 1;
  }
  for (const int signal : kSignals) {
    signal_events_.emplace_back(evsignal_new(base_.get(), signal, &on_signal_c, this));
    (void)event_add(signal_events_.back().get(), nullptr);
  }
  respawn_.reset(event_new(base_.get(), -1, 0, &on_respawn_c, this));
  reload_late_.reset(event_new(base_.get(), -1, 0, &on_reload_late_c, this));
  accept_late_.reset(event_new(base_.get(), -1, 0, &on_accept_late_c, this));
  if (!spawn()) return heir_ ? heir_->fail("cannot start the serving process") : 1;
  if (heir_) heir_->watch(base_.get(), *this);
  (void)event_base_dispatch(base_.get());  // until leave()
  control_channels_.clear();
  return exit_code_;
}

// The pid file before the listeners: where a proxy runs already, that is what to say.
Result<void> Master::prepare() {
  if (const Result<void> made = create_keys(); !made) return made.error();
  const Result<void> opened = sockets_.open(*config_, workers_);
  if (!opened) return opened.error();
  return open_control_socket();
}

// As many workers as before: a socket nobody accepts from would keep its connections waiting.
Result<void> Master::inherit() {
  Result<Heir::Estate> estate = heir_->ask();
  if (!estate) return estate.error();
  workers_ = estate->workers;
  for (Heir::Listeners &listener : estate->listeners) {
    const Result<void> ours = sockets_.inherit(listener.text, std::move(listener.fds));
    if (!ours) return ours.error();
  }
  for (const ListenerSockets &listener : sockets_.all()) {
    if (listener.fds.size() > workers_)
      return Error{Errc::protocol, 0, listener.text + " has more sockets than there are workers"};
  }
  return sockets_.open(*config_, workers_);
}

Result<void> Master::create_keys() {
  if (config_->pid_path.empty()) return {};
  Result<std::unique_ptr<PidFile>> pid_file = PidFile::create(config_->pid_path);
  if (!pid_file) return pid_file.error();
  pid_file_ = std::move(*pid_file);
  return {};
}

SocketOptions Master::control_socket_options() const {
  SocketOptions options;
  options.path = config_->pid_path + ".ctl";
  return options;
}

Result<void> Master::open_control_socket() {
  if (config_->pid_path.empty()) return {};
  Result<std::unique_ptr<UnixSocket>> socket = UnixSocket::bind(control_socket_options());
  if (!socket) return socket.error();
  control_socket_ = std::move(*socket);
  hear_control_socket();
  return {};
}

void Master::hear_control_socket() {
  control_listener_ = std::make_unique<UnixListener>(
      base_.get(), *control_socket_, [this](UniqueFd fd, const PeerCredentials &, PeerAccess) {
        const ChannelLimits limits{kAdminLineBytesMax, kAdminQueueBytesMax, kHalfLineDeadline};
        control_channels_.push_back(
            std::make_unique<UnixChannel>(base_.get(), std::move(fd), limits, *this));
      });
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
    // The child keeps nothing of ours but its end of the channel and the log: a port given up at a
    // reload, or the pid file's lock, would stay taken as long as it lives. No destructor may run
    // here, they would unlink the pid file and the sockets.
    signal_events_.clear();
    const std::array keep{pair->second.get(), log_descriptor()};
    close_descriptors_except(keep);
    std::_Exit(serve(std::move(pair->second), node_name(*config_), heir_ && !heir_->in_charge()));
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
      if (!stopping_) announce();
      log_info("event=serving pid={} workers={}", child_, workers_);
      if (heir_) heir_->serving();
    } else if (message.word == MasterWord::configured) {
      finish_reload({message.number != 0, message.text});
    } else if (message.word == MasterWord::exit_wanted) {
      stop(StopKind::graceful);
    } else if (message.word == MasterWord::bequest) {
      upgrade_.bequeath(message.text, message.number != 0 ? bequest_.get() : -1);
      if (heir_ && !upgrade_.done()) heir_->tell(message.text);
    } else if (message.word == MasterWord::reload_wanted) {
      // Applied, the child itself tells sessiond; refused here, it would never hear of it.
      reload([this](const Outcome &result) {
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
      reload([](const Outcome &) {});
      return;
    case SIGUSR2:
      upgrade([](const Outcome &) {});
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
      stop(StopKind::graceful);
      return;
    default:
      stop(StopKind::fast);
      return;
  }
}

void Master::stop(StopKind kind) {
  upgrade_.abort("the proxy was told to stop");
  if (!stopping_) log_info("event=stopping graceful={}", kind != StopKind::fast);
  stopping_ = true;
  const bool fast = kind == StopKind::fast;
  if (child_ <= 0 && (fast || !waits_for_predecessor())) return leave();
  if (child_ <= 0) return;
  std::vector<int> with;
  if (kind == StopKind::handed_over) {
    if (Result<UniqueFd> blank = make_blank_file()) bequest_ = std::move(*blank);
    if (bequest_) with.push_back(bequest_.get());
  }
  const Result<void> sent =
      send_message(channel_.get(), MasterWord::stop, static_cast<int64_t>(kind), {}, with);
  if (!sent) (void)::kill(child_, SIGKILL);  // ignoring: it is gone already
}

// Ends the loop, once whoever asked by `-s` has been answered (at most 2 s).
void Master::leave() {
  leaving_ = true;
  (void)event_del(respawn_.get());  // ignoring: deleting cannot fail here
  for (const auto &channel : control_channels_) channel->close(true);
  if (control_channels_.empty()) (void)event_base_loopbreak(base_.get());
}

void Master::on_child_exit(pid_t pid, int status) {
  if (upgrade_.on_child_exit(pid, status)) return;
  if (pid != child_) return;
  child_ = -1;
  channel_event_.reset();
  if (stopping_) {
    if (waits_for_predecessor()) return;
    log_info("event=stopped");
    leave();
    return;
  }
  if (heir_ && !heir_->in_charge()) {
    (void)heir_->fail("the new serving process died");
    give_up("the serving process died");
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

// True, and `done` is told: not now.
bool Master::refuse(const char *what, const Waiter &done) const {
  const char *why = nullptr;
  if (stopping_) why = "the proxy is stopping";
  if (heir_ && !heir_->in_charge()) why = "this process has not taken over yet";
  if (upgrade_.under_way()) why = "an upgrade is under way";
  if (why == nullptr) return false;
  log_error("event={}_refused detail={}", what, quoted(why));
  done({false, std::string(why) + "\n"});
  return true;
}

void Master::reload(Waiter done) {
  if (refuse("reload", done)) return;
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

void Master::finish_reload(const Outcome &result) {
  (void)event_del(reload_late_.get());
  Outcome told = result;
  if (result.ok && next_config_) {
    if (next_config_->worker_processes != workers_) {
      told.message += kWorkersKept;
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

// ---- an upgrade, on the old side ----

void Master::upgrade(Waiter done) {
  if (refuse("upgrade", done)) return;
  const char *why = nullptr;
  if (next_config_) why = "a reload is under way";
  if (::getpid() == 1) why = "whoever waits for process 1 would take its end for the proxy's";
  if (why == nullptr) return upgrade_.start(std::move(done));
  log_error("event=upgrade_refused detail={}", quoted(why));
  done({false, std::string(why) + "\n"});
}

MasterKeys Master::keys() {
  if (!pid_file_ || !control_socket_) return {};
  return {config_->pid_path, {pid_file_->fd(), control_socket_->fd(), control_socket_->lock_fd()}};
}

void Master::take_keys_back() {
  if (!pid_file_ || !control_socket_) return;
  const Result<void> written = pid_file_->write();
  const Result<void> signed_by_us = control_socket_->sign_lock();
  if (!written) log_error("event=pid_file_failed detail={}", quoted(written.error().message));
  if (!signed_by_us)
    log_error("event=lock_file_failed detail={}", quoted(signed_by_us.error().message));
}

void Master::handed_over(bool with_keys) {
  control_listener_.reset();
  if (with_keys && pid_file_) pid_file_->leave_to_other();
  if (with_keys && control_socket_) control_socket_->leave_to_other();
  pid_file_.reset();
  control_socket_.reset();
  sockets_.leave_to_other();
  stop(StopKind::handed_over);
}

// ---- and on the new one ----

Result<Heir::Taken> Master::take_over(Heir::Keys keys) {
  Heir::Taken taken;
  taken.with_keys =
      !config_->pid_path.empty() && keys.pid_path == config_->pid_path && keys.fds.size() == 3;
  Result<void> ours = taken.with_keys ? inherit_keys(std::move(keys.fds)) : create_keys();
  if (ours && !taken.with_keys) ours = open_control_socket();
  if (!ours) return ours.error();
  sockets_.own_inherited();
  sockets_.prune(*config_);
  if (config_->worker_processes != workers_) taken.notes = kWorkersKept;
  (void)event_add(accept_late_.get(), &kAcceptPatience);
  log_info("event=took_over from={}", ::getppid());
  return taken;
}

Result<void> Master::inherit_keys(std::vector<UniqueFd> fds) {
  Result<std::unique_ptr<PidFile>> pid_file =
      PidFile::inherit(config_->pid_path, std::move(fds[0]));
  if (!pid_file) return pid_file.error();
  Result<std::unique_ptr<UnixSocket>> socket =
      UnixSocket::inherit(control_socket_options(), std::move(fds[1]), std::move(fds[2]));
  if (!socket) {
    (*pid_file)->leave_to_other();
    return socket.error();
  }
  pid_file_ = std::move(*pid_file);
  control_socket_ = std::move(*socket);
  hear_control_socket();
  return {};
}

void Master::give_up(const std::string &why) {
  log_error("event=upgrade_given_up detail={}", quoted(why, 4096));
  exit_code_ = 1;
  stop(StopKind::fast);
}

void Master::inherit_sessions(const UpgradeMessage &message) {
  std::vector<int> with;
  for (const UniqueFd &fd : message.fds) with.push_back(fd.get());
  (void)send_message(channel_.get(), MasterWord::sessions, 0, message.text,
                     with);  // ignoring: a serving process that died knows no sessions anyway
  upgrade_.bequeath(message.text, with.empty() ? -1 : with.front());
}

void Master::predecessor_over() {
  (void)send_message(channel_.get(), MasterWord::sessions_over, 0);  // ignoring: as above
  if (stopping_ && child_ <= 0) leave();
}

// Upgraded again while the one before us still finishes what it has begun, we stay as long as it
// does: whoever has taken over knows of it through us.
bool Master::waits_for_predecessor() const {
  return stopping_ && upgrade_.done() && heir_ && heir_->has_predecessor();
}

// The control socket beside the pid file: one word, the outcome back ("ok" or "failed", then
// lines).
void Master::on_line(UnixChannel &channel, std::string_view line) {
  if (line == "reload") return reload(answer_to(channel));
  if (line == "upgrade") return upgrade(answer_to(channel));
  (void)channel.send("failed");
  (void)channel.send("unknown word; known: reload, upgrade");
  channel.close(true);
}

Master::Waiter Master::answer_to(const UnixChannel &asker) {
  return [this, who = &asker](const Outcome &result) {
    for (const auto &channel : control_channels_) {
      if (channel.get() != who) continue;
      (void)channel->send(result.ok ? "ok" : "failed");
      (void)channel->send_raw(result.message);
      channel->close(true);
    }
  };
}

void Master::on_closed(UnixChannel &channel, const Error &) {
  control_channels_.remove_if([&](const auto &c) { return c.get() == &channel; });
  if (leaving_ && control_channels_.empty())
    (void)event_base_loopbreak(base_.get());  // ignoring: cannot fail
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
void Master::on_accept_late_c(evutil_socket_t, short, void *self) noexcept {
  auto *master = static_cast<Master *>(self);
  (void)send_message(master->channel_.get(), MasterWord::accept, 0);  // ignoring: it is gone
}
void Master::on_reload_late_c(evutil_socket_t, short, void *self) noexcept {
  static_cast<Master *>(self)->finish_reload(
      {false, "the serving process did not answer in time\n"});
}

}  // namespace holdfast::proxy
