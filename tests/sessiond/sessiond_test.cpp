// The composition root on real sockets: the core's timer, commands and their answers, reload, and a
// second daemon on the same sockets.
#include "sessiond/sessiond.h"

#include <memory>
#include <string>
#include <vector>

#include "common/command_line.h"
#include "common/limits.h"
#include "tests/support/event_loop.h"
#include "tests/support/hf_test.h"
#include "tests/support/temp_dir.h"

using namespace holdfast;
using namespace holdfast::sessiond;
using namespace holdfast::test;

namespace {

constexpr const char *kConf =
    "control_socket link.sock; admin_socket admin.sock; http_socket off;\n";
const std::string kId(kSessionIdChars, 'A');

// A line's other end: the link's or the admin socket's.
class Peer final : public UnixChannel::Handler {
 public:
  Peer(event_base *base, const std::string &path) {
    auto fd = unix_connect(path);
    HF_CHECK(fd);
    ChannelLimits limits;
    limits.line_bytes_max = kLinkLineBytesMax;
    limits.queue_bytes_max = kLinkQueueBytesMax;
    channel = std::make_unique<UnixChannel>(base, *std::move(fd), limits, *this);
  }
  void on_line(UnixChannel &, std::string_view line) override { lines.emplace_back(line); }
  void on_closed(UnixChannel &, const Error &) override { closed = true; }

  void say(const link::ToSessiond &message) { (void)channel->send(link::encode(message)); }
  bool heard(std::string_view text) const {
    for (const std::string &line : lines) {
      if (line.find(text) != std::string::npos) return true;
    }
    return false;
  }

  std::unique_ptr<UnixChannel> channel;
  std::vector<std::string> lines;
  bool closed = false;
};

// A daemon in this process, its loop turned by the test.
class Daemon {
 public:
  explicit Daemon(const std::string &directives) {
    write(directives);
    CommandLine line;
    line.conf_path = dir.file("sessiond.conf");
    auto found = make_conf_request(line, "sessiond.conf");
    HF_CHECK(found);
    request = *found;
    auto made = start();
    if (!made) HF_FAIL(made.error().message);
    sessiond = *std::move(made);
  }

  void write(const std::string &directives) {
    (void)dir.write("sessiond.conf", kConf + directives);
  }
  Result<std::unique_ptr<Sessiond>> start() {
    LiveConfSource source;
    auto loaded = load_config(request, source);
    HF_CHECK(loaded.config != nullptr);
    return Sessiond::create(clock, request, loaded.config);
  }
  bool until(const std::function<bool()> &done) {
    const EventPtr guard = make_event(sessiond->base(), -1, 0, on_guard_c, this);
    add_timer(guard.get(), std::chrono::seconds{10});
    expired_ = false;
    while (!done() && !expired_) (void)event_base_loop(sessiond->base(), EVLOOP_ONCE);
    return done();
  }
  std::unique_ptr<Peer> proxy() {
    auto peer = std::make_unique<Peer>(sessiond->base(), dir.file("link.sock"));
    link::Hello hello;
    hello.node = "node";
    hello.instance = "0011223344556677";
    peer->say(hello);
    HF_CHECK(until([&] { return peer->heard("restored_end"); }));
    return peer;
  }
  void open(Peer &peer, const std::string &id) {
    link::Admit admit;
    admit.session = id;
    peer.say(admit);
    peer.say(link::Bound{id, "b/127.0.0.1:1", "", ""});
    HF_CHECK(until([&] { return sessiond->core().table().session_count() == 1; }));
  }
  ReloadOutcome reload() {
    std::optional<ReloadOutcome> outcome;
    sessiond->reload([&](const ReloadOutcome &told) { outcome = told; });
    HF_CHECK(until([&] { return outcome.has_value(); }));
    return *outcome;
  }

  TempDir dir;
  SystemClock clock;
  ConfRequest request;
  std::unique_ptr<Sessiond> sessiond;

 private:
  static void on_guard_c(evutil_socket_t, short, void *self) noexcept {
    static_cast<Daemon *>(self)->expired_ = true;
  }
  bool expired_ = false;
};

}  // namespace

HF_TEST(the_timer_asks_about_an_idle_session_within_its_window) {
  Daemon daemon("session_timeout 200ms; session_cleanup_interval 100ms; persistent_mode off;");
  const auto proxy = daemon.proxy();
  const MonoTime begun = daemon.clock.now();
  daemon.open(*proxy, kId);
  HF_CHECK(daemon.until([&] { return proxy->heard("drop_if_idle"); }));
  const Millis took = daemon.clock.now() - begun;
  HF_CHECK(took >= Millis{200});
  proxy->say(link::Ended{kId, EndReason::idle_timeout, 200});
  HF_CHECK(daemon.until([&] { return proxy->heard("acknowledged"); }));
  HF_EQ(daemon.sessiond->core().table().size(), 0u);
}

HF_TEST(a_command_is_answered_once_when_the_proxy_has_ended_the_session) {
  Daemon daemon("");
  const auto proxy = daemon.proxy();
  daemon.open(*proxy, kId);
  std::vector<CommandDone> done;
  const Token token = daemon.sessiond->new_token();
  daemon.sessiond->submit(token, ShutdownSession{token, kId},
                          [&](const CommandDone &answer) { done.push_back(answer); });
  HF_CHECK(daemon.until([&] { return proxy->heard(R"("t":"drop")"); }));
  HF_CHECK(done.empty());
  proxy->say(link::Ended{kId, EndReason::admin, 0});
  HF_CHECK(daemon.until([&] { return !done.empty(); }));
  HF_CHECK(done.at(0).outcome == CommandOutcome::done);
}

HF_TEST(a_command_may_be_submitted_from_the_answer_of_another) {
  Daemon daemon("");
  int answers_count = 0;
  const Token first = daemon.sessiond->new_token();
  daemon.sessiond->submit(first, SetDrain{first, true}, [&](const CommandDone &) {
    ++answers_count;
    const Token second = daemon.sessiond->new_token();
    daemon.sessiond->submit(second, SetDrain{second, false},
                            [&](const CommandDone &) { ++answers_count; });
  });
  HF_EQ(answers_count, 2);
  HF_CHECK(!daemon.sessiond->core().draining());
}

HF_TEST(a_reload_applies_a_good_file_and_asks_the_proxies) {
  Daemon daemon("session_timeout 1h;");
  const auto proxy = daemon.proxy();
  daemon.write("session_timeout 2h;");
  std::optional<ReloadOutcome> outcome;
  daemon.sessiond->reload([&](const ReloadOutcome &told) { outcome = told; });
  HF_CHECK(daemon.until([&] { return proxy->heard(R"("t":"reload")"); }));
  HF_CHECK(!outcome.has_value());
  proxy->say(link::Reloaded{1, true, "applied"});
  HF_CHECK(daemon.until([&] { return outcome.has_value(); }));
  HF_CHECK(outcome->ok);
  HF_CHECK(outcome->proxies.at(0).state == ProxyOutcome::State::ok);
  HF_CHECK(proxy->heard(R"("timeout_ms":7200000)"));
  HF_EQ(daemon.sessiond->generation(), 2u);
  HF_CHECK(daemon.sessiond->config().top.timeout == std::chrono::hours{2});
}

HF_TEST(a_bad_file_changes_nothing_and_every_error_is_told) {
  Daemon daemon("session_timeout 1h;");
  daemon.write("session_timeout soon;\nmax_sesions 3;");
  const ReloadOutcome outcome = daemon.reload();
  HF_CHECK(!outcome.ok);
  HF_CHECK(outcome.message.find("soon") != std::string::npos);
  HF_CHECK(outcome.message.find("max_sesions") != std::string::npos);
  HF_CHECK(!daemon.sessiond->last_reload_ok());
  HF_EQ(daemon.sessiond->generation(), 1u);
  HF_CHECK(daemon.sessiond->core().policies().top().rules.timeout == std::chrono::hours{1});
  daemon.write("session_timeout 3h;");
  HF_CHECK(daemon.reload().ok);
  HF_CHECK(daemon.sessiond->last_reload_ok());
}

HF_TEST(sockets_stay_where_they_are_at_a_reload_and_the_answer_says_so) {
  Daemon daemon("");
  (void)daemon.dir.write("sessiond.conf", "control_socket elsewhere.sock; http_socket off;");
  const ReloadOutcome outcome = daemon.reload();
  HF_CHECK(outcome.ok);
  HF_CHECK(outcome.message.find("until a restart") != std::string::npos);
  HF_CHECK(unix_connect(daemon.dir.file("link.sock")));
}

HF_TEST(a_second_daemon_on_the_same_sockets_is_refused_and_harms_nothing) {
  Daemon daemon("");
  const auto second = daemon.start();
  HF_CHECK(!second);
  HF_CHECK(second.error().code == Errc::busy);
  HF_CHECK(second.error().message.find("link.sock") != std::string::npos);
  (void)daemon.proxy();
}

HF_TEST(the_admin_socket_answers) {
  Daemon daemon("");
  Peer admin(daemon.sessiond->base(), daemon.dir.file("admin.sock"));
  (void)admin.channel->send("show info");
  HF_CHECK(daemon.until([&] { return admin.closed; }));
  HF_CHECK(admin.heard("Version:"));
}

int main() {
  const CMUnitTest tests[] = {
      HF_UNIT(the_timer_asks_about_an_idle_session_within_its_window),
      HF_UNIT(a_command_is_answered_once_when_the_proxy_has_ended_the_session),
      HF_UNIT(a_command_may_be_submitted_from_the_answer_of_another),
      HF_UNIT(a_reload_applies_a_good_file_and_asks_the_proxies),
      HF_UNIT(a_bad_file_changes_nothing_and_every_error_is_told),
      HF_UNIT(sockets_stay_where_they_are_at_a_reload_and_the_answer_says_so),
      HF_UNIT(a_second_daemon_on_the_same_sockets_is_refused_and_harms_nothing),
      HF_UNIT(the_admin_socket_answers),
  };
  return HF_RUN(tests);
}
