// The composition root of holdfast-sessiond: owns the loop, the sockets, the timer and the core,
// turns what happens into events and does what the core's actions say. Judges nothing itself.
// Lives from create() to the end of run(); loop thread only.
//
//   proxies ─▶ ProxyLinks ─┐                       ┌─▶ ProxyLinks.send, close
//   admin, HTTP ─▶ submit ─┼─▶ step(event) ─▶ Core ─┼─▶ log
//   timer, signals ────────┘                       └─▶ the command's OnDone
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "common/clock.h"
#include "common/conf_source.h"
#include "common/ev_ptr.h"
#include "common/result.h"
#include "common/unix_listener.h"
#include "sessiond/admin_server.h"
#include "sessiond/http_api.h"
#include "sessiond/proxy_link.h"
#include "sessiond/service.h"

namespace holdfast::sessiond {

class Sessiond final : public Service, private ProxyLinks::Handler {
 public:
  // Binds and listens on every socket of the configuration. Errc::busy when another daemon holds
  // one. Borrows the clock. `request` is what a reload reads again.
  static Result<std::unique_ptr<Sessiond>> create(const Clock &clock, const ConfRequest &request,
                                                  std::shared_ptr<const Config> config);
  Sessiond(EventBasePtr base, std::unique_ptr<UnixSocket> control_socket, const Clock &clock,
           const ConfRequest &request, std::shared_ptr<const Config> config);  // use create()
  ~Sessiond() override;
  Sessiond(const Sessiond &) = delete;
  Sessiond &operator=(const Sessiond &) = delete;

  // Serves until a signal ends it: TERM and INT at once, QUIT after everything queued was written.
  void run();
  event_base *base() const noexcept { return base_.get(); }

  // Service
  const Core &core() const override { return core_; }
  const Config &config() const override { return *config_; }
  const Clock &clock() const override { return clock_; }
  std::string_view version() const override;
  MonoTime started() const override { return started_; }
  uint64_t generation() const override { return generation_; }
  bool last_reload_ok() const override { return last_reload_ok_; }
  MonoTime last_reload() const override { return last_reload_; }
  Token new_token() override { return static_cast<Token>(++last_token_); }
  void submit(Token token, Event command, OnDone done) override;
  void reload(OnReloaded done) override;

 private:
  // ProxyLinks::Handler
  void on_link_up(LinkId link) override { step(LinkUp{link}); }
  void on_link_message(LinkId link, link::ToSessiond message) override {
    step(Message{link, std::move(message)});
  }
  void on_link_drained(LinkId link) override { step(Drained{link}); }
  void on_link_down(LinkId link) override;

  Result<void> open_admin();
  Result<void> open_http();

  void step(Event event);
  void execute(Action &action);
  void arm_wake();
  ReloadOutcome reload_own();
  bool take_config(std::shared_ptr<const Config> config, std::string &message);

  void on_signal(int number);
  void stop_gracefully();
  void on_reopen();
  static void on_signal_c(evutil_socket_t number, short, void *self) noexcept {
    static_cast<Sessiond *>(self)->on_signal(static_cast<int>(number));
  }
  static void on_wake_c(evutil_socket_t, short, void *self) noexcept {
    static_cast<Sessiond *>(self)->step(Tick{});
  }

  EventBasePtr base_;
  const Clock &clock_;
  ConfRequest request_;
  std::shared_ptr<const Config> config_;
  MonoTime started_;
  MonoTime last_reload_;
  uint64_t generation_ = 1;
  bool last_reload_ok_ = true;

  Core core_;
  std::deque<Event> events_;  // waiting for the step under way to end
  Actions actions_;           // of the step under way; kept for its capacity
  bool stepping_ = false;
  std::map<Token, OnDone> waiting_;
  uint64_t last_token_ = 0;

  std::unique_ptr<UnixSocket> control_socket_;
  std::unique_ptr<ProxyLinks> links_;   // after its socket
  std::unique_ptr<AdminServer> admin_;  // none when its socket is switched off
  std::unique_ptr<HttpApi> http_;       // likewise
  EventPtr wake_event_;
  MonoTime armed_for_{};
  std::array<EventPtr, 5> signal_events_;
  bool stopping_ = false;
};

// What the core is told of a configuration.
Settings settings_of(const Config &config);

}  // namespace holdfast::sessiond
