#include "sessiond/sessiond.h"

#include <cerrno>
#include <csignal>
#include <cstring>
#include <utility>

#include "common/command_line.h"
#include "common/log.h"
#include "common/syscall_filter.h"
#include "sessiond/config.h"

namespace holdfast::sessiond {
namespace {

constexpr std::array<int, 5> kSignals{SIGTERM, SIGINT, SIGQUIT, SIGHUP, SIGUSR1};
// A core that sees nothing coming is still asked once in a while; nothing depends on it.
constexpr Millis kWakeMax{std::chrono::hours{1}};

constexpr std::string_view kConfinedHint =
    "\nhint: sandbox is on, so a running sessiond reads and writes only in folders its "
    "configuration named at start; restart it for others";

// No locks in libevent: everything here happens on this one thread.
Result<EventBasePtr> make_base() {
  const std::unique_ptr<event_config, CDeleter<event_config_free>> how(event_config_new());
  if (how) (void)event_config_set_flag(how.get(), EVENT_BASE_FLAG_NOLOCK);  // ignoring: speed only
  EventBasePtr base(event_base_new_with_config(how.get()));
  if (!base) return Error{Errc::io, 0, "libevent gives no event loop"};
  return base;
}

// Sockets are bound once: changing them would leave the proxies at the old place.
bool same_sockets(const Config &a, const Config &b) {
  return a.control_socket.path == b.control_socket.path &&
         a.admin_socket.path == b.admin_socket.path && a.http_socket.path == b.http_socket.path;
}

}  // namespace

Settings settings_of(const Config &config) {
  Settings settings;
  settings.top = config.top;
  settings.policies = config.policies;
  settings.sweep_interval = config.sweep_interval();
  settings.tombstone_lifetime = config.tombstone_lifetime;
  settings.log_full_ids = config.log_full_ids;
  settings.version = holdfast_version();
  settings.http_socket = config.http_socket.path;
  return settings;
}

Result<std::unique_ptr<Sessiond>> Sessiond::create(const Clock &clock, const ConfRequest &request,
                                                   std::shared_ptr<const Config> config) {
  auto base = make_base();
  if (!base) return base.error();
  auto control_socket = UnixSocket::bind(config->control_socket);
  if (!control_socket) return control_socket.error();
  auto made = std::make_unique<Sessiond>(*std::move(base), *std::move(control_socket), clock,
                                         request, std::move(config));
  if (const auto opened = made->open_admin(); !opened) return opened.error();
  if (const auto opened = made->open_http(); !opened) return opened.error();
  return made;
}

Sessiond::Sessiond(EventBasePtr base, std::unique_ptr<UnixSocket> control_socket,
                   const Clock &clock, const ConfRequest &request,
                   std::shared_ptr<const Config> config)
    : base_(std::move(base)),
      clock_(clock),
      request_(request),
      config_(std::move(config)),
      started_(clock.now()),
      last_reload_(started_),
      core_(settings_of(*config_), started_),
      control_socket_(std::move(control_socket)),
      wake_event_(make_event(base_.get(), -1, 0, on_wake_c, this)) {
  ProxyLinks::Handler &self = *this;
  links_ = std::make_unique<ProxyLinks>(base_.get(), *control_socket_, clock, self);
  for (size_t i = 0; i < kSignals.size(); ++i) {
    signal_events_[i] =
        make_event(base_.get(), kSignals[i], EV_SIGNAL | EV_PERSIST, on_signal_c, this);
    (void)event_add(signal_events_[i].get(), nullptr);  // ignoring: fails only without memory
  }
  arm_wake();
}

Sessiond::~Sessiond() = default;

Result<void> Sessiond::open_admin() {
  if (config_->admin_socket.path.empty()) return {};
  auto opened = AdminServer::create(base_.get(), config_->admin_socket, *this);
  if (!opened) return opened.error();
  admin_ = *std::move(opened);
  return {};
}

Result<void> Sessiond::open_http() {
  if (config_->http_socket.path.empty()) return {};
  auto opened = HttpApi::create(base_.get(), config_->http_socket, *this);
  if (!opened) return opened.error();
  http_ = *std::move(opened);
  return {};
}

std::string_view Sessiond::version() const { return holdfast_version(); }

void Sessiond::run() { (void)event_base_dispatch(base_.get()); }  // ends by loopbreak or loopexit

// ---- events in, actions out ----

// Whatever an action causes (a command's answer may submit the next command) waits its turn.
void Sessiond::step(Event event) {
  if (stepping_) {
    events_.push_back(std::move(event));
    return;
  }
  stepping_ = true;
  for (;;) {
    core_.step(event, clock_.now(), actions_);
    for (Action &action : actions_) execute(action);
    actions_.clear();
    if (events_.empty()) break;
    event = std::move(events_.front());
    events_.pop_front();
  }
  stepping_ = false;
  arm_wake();
}

void Sessiond::execute(Action &action) {
  if (const auto *send = std::get_if<Send>(&action)) {
    links_->send(send->link, send->message);
  } else if (const auto *close = std::get_if<CloseLink>(&action)) {
    links_->close(close->link, close->reason);
  } else if (const auto *log = std::get_if<Log>(&action)) {
    log->verbatim ? log_verbatim(log->text) : log_line(log->level, log->text);
  } else if (const auto *done = std::get_if<CommandDone>(&action)) {
    const auto at = waiting_.extract(done->token);
    if (!at.empty()) at.mapped()(*done);
  }
}

void Sessiond::arm_wake() {
  const MonoTime now = clock_.now();
  const MonoTime wake = std::clamp(core_.next_wake(now), now, now + kWakeMax);
  const bool pending = event_pending(wake_event_.get(), EV_TIMEOUT, nullptr) != 0;
  if (pending && wake == armed_for_) return;
  armed_for_ = wake;
  add_timer(wake_event_.get(), wake - now);
}

void Sessiond::on_link_down(LinkId link) {
  step(LinkDown{link});
  if (stopping_ && links_->size() == 0) (void)event_base_loopbreak(base_.get());
}

// ---- commands ----

void Sessiond::submit(Token token, Event command, OnDone done) {
  const bool answered_by_core = !std::holds_alternative<SettingsChanged>(command);
  waiting_.emplace(token, std::move(done));
  step(std::move(command));
  if (answered_by_core) return;
  const auto at = waiting_.extract(token);
  at.mapped()(CommandDone{token, CommandOutcome::done, 0, 0, {}});
}

void Sessiond::reload(OnReloaded done) {
  ReloadOutcome outcome = reload_own();
  if (!outcome.ok) return done(outcome);
  const Token token = new_token();
  submit(token, ReloadProxies{token},
         [outcome = std::move(outcome), done = std::move(done)](const CommandDone &answer) mutable {
           outcome.proxies = answer.proxies;
           done(outcome);
         });
}

ReloadOutcome Sessiond::reload_own() {
  LiveConfSource source;
  LoadedConf<Config> loaded = load_config(request_, source);
  ReloadOutcome outcome;
  if (!loaded.config) {
    outcome.message = loaded.report.text(loaded.tree.files, "holdfast-sessiond");
  } else {
    outcome.ok = take_config(std::move(loaded.config), outcome.message);
  }
  // Said only where it may be the cause: the file's own mode is the likelier one without a sandbox.
  const bool denied = outcome.message.find(std::strerror(EACCES)) != std::string::npos;
  if (!outcome.ok && denied && refused_calls_fd() >= 0) outcome.message += kConfinedHint;
  last_reload_ok_ = outcome.ok;
  if (outcome.ok) {
    log_info("event=reloaded generation={}", generation_);
  } else {
    log_error("event=reload_refused hint=\"the old configuration stays\" errors={}",
              quoted(outcome.message, 4096));
  }
  return outcome;
}

// Swaps the configuration whole or not at all.
bool Sessiond::take_config(std::shared_ptr<const Config> config, std::string &message) {
  if (config->error_log != config_->error_log) {
    const auto opened = log_open(config->error_log.target, config->error_log.level);
    if (!opened) {
      message = opened.error().message;
      return false;
    }
  }
  message = "configuration applied";
  if (!same_sockets(*config, *config_)) {
    message += "; sockets stay where they are until a restart";
  }
  for (const std::string &warning : config->warnings) {
    log_warn("event=configuration warning={}", quoted(warning, 1024));
    message += "\nwarning: " + warning;
  }
  config_ = std::move(config);
  ++generation_;
  last_reload_ = clock_.now();
  Settings settings = settings_of(*config_);
  settings.http_socket = core_.settings().http_socket;
  step(SettingsChanged{std::move(settings)});
  return true;
}

// ---- signals ----

void Sessiond::on_signal(int number) {
  switch (number) {
    case SIGHUP:
      (void)reload_own();  // ignoring: a signal has nobody to answer; the log has the outcome
      return;
    case SIGUSR1:
      return on_reopen();
    case SIGQUIT:
      return stop_gracefully();
    default:
      log_info("event=stopping signal={}", number);
      (void)event_base_loopbreak(base_.get());
  }
}

void Sessiond::on_reopen() {
  if (const auto reopened = log_reopen(); !reopened) {
    log_error("event=log_reopen_failed error={}", quoted(reopened.error().message));
  } else {
    log_info("event=log_reopened");
  }
}

// The proxies keep every session; all there is to finish is what was queued to them.
void Sessiond::stop_gracefully() {
  if (std::exchange(stopping_, true)) return;
  log_info("event=stopping signal=QUIT");
  links_->shut_down("shutdown");
  if (links_->size() == 0) (void)event_base_loopbreak(base_.get());
}

}  // namespace holdfast::sessiond
