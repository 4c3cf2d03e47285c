// The two sides of an upgrade in place, each against the other's words: what is handed over, who is
// told what, and that neither a silent, a dying nor a strange counterpart does any harm.
#include "proxy/upgrade.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include <array>
#include <csignal>
#include <cstdlib>
#include <optional>

#include "common/descriptors.h"
#include "proxy/upgrade_heir.h"
#include "tests/support/event_loop.h"
#include "tests/support/forked.h"
#include "tests/support/hf_test.h"

using namespace holdfast;
using namespace holdfast::proxy;
using namespace holdfast::test;

namespace {

// A master that is upgraded to a shell script.
struct Old : Upgrade::Owner {
  explicit Old(const std::string &script, Millis patience = Millis{10'000},
               const char *program = "/bin/sh")
      : upgrade(loop.base(), *this, {program, {"sh", "-c", script}}, patience),
        children(evsignal_new(loop.base(), SIGCHLD, &on_child_c, this)) {
    (void)event_add(children.get(), nullptr);
  }
  std::vector<ListenerSockets> listeners() override { return {}; }
  unsigned workers_count() override { return 2; }
  MasterKeys keys() override { return {}; }
  void take_keys_back() override { ++keys_back; }
  void inherit_sessions(const UpgradeMessage &) override {}
  void handed_over(bool with_keys) override { given = with_keys ? 2 : 1; }
  static void on_child_c(evutil_socket_t, short, void *self) noexcept {
    int status = 0;
    const pid_t pid = ::waitpid(-1, &status, WNOHANG);
    if (pid > 0) (void)static_cast<Old *>(self)->upgrade.on_child_exit(pid, status);
  }
  Outcome run() {
    upgrade.start([this](const Outcome &told) { outcome = told; });
    HF_CHECK(loop.run_until([this] { return outcome.has_value(); }));
    return *outcome;
  }

  EventLoop loop;
  Upgrade upgrade;
  EventPtr children;
  std::optional<Outcome> outcome;
  int keys_back = 0;
  int given = 0;
};

bool has(const std::string &text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

// A new master whose old one is played by the test.
struct New : Heir::Owner {
  New() : ends(*make_framed_channel()), heir(std::move(ends.second)) {}
  Result<Heir::Taken> take_over(Heir::Keys keys) override {
    if (!refusal.empty()) return Error{Errc::io, 0, refusal};
    taken = std::move(keys);
    return Heir::Taken{true, "a note\n"};
  }
  void give_up(const std::string &why) override { gave_up = why; }
  void inherit_sessions(const UpgradeMessage &message) override { sessions += message.text; }
  void predecessor_over() override { over = true; }
  int old() const { return ends.first.get(); }
  UpgradeMessage heard() const {
    auto got = receive_framed<UpgradeWord>(old());
    HF_CHECK(got && *got);
    return std::move(**got);
  }
  void watch() { heir.watch(loop.base(), *this); }

  EventLoop loop;
  std::pair<UniqueFd, UniqueFd> ends;
  Heir heir;
  std::string refusal;
  std::optional<Heir::Keys> taken;
  std::string gave_up;
  std::string sessions;
  bool over = false;
};

UniqueFd null() { return UniqueFd(::open("/dev/null", O_RDONLY | O_CLOEXEC)); }

}  // namespace

// ---- the old side ----

HF_TEST(a_program_that_never_serves_is_ended_after_a_while) {
  Old old("exec sleep 100", Millis{50});
  const Outcome outcome = old.run();
  HF_CHECK(!outcome.ok && has(outcome.message, "did not serve within"));
  HF_CHECK(!old.upgrade.under_way());
  HF_EQ(old.keys_back, 0);
}

HF_TEST(the_number_in_the_environment_is_the_only_descriptor_passed_on) {
  const UniqueFd stray(::fcntl(STDIN_FILENO, F_DUPFD, 50));  // not close-on-exec
  const std::string script =
      "[ -S /proc/self/fd/$HOLDFAST_UPGRADE_FD ] && [ $HOLDFAST_UPGRADE_FD -gt 2 ] && "
      "[ ! -e /proc/self/fd/" +
      std::to_string(stray.get()) + " ] && exit 42; exit 1";
  Old old(script);
  HF_CHECK(has(old.run().message, "(exit 42)"));
}

HF_TEST(called_off_it_tells_who_waits_at_once) {
  Old old("exec sleep 100");
  old.upgrade.start([&](const Outcome &told) { old.outcome = told; });
  HF_CHECK(old.upgrade.under_way());
  old.upgrade.abort("the proxy was told to stop");
  HF_CHECK(old.outcome && !old.outcome->ok);
  HF_CHECK(old.loop.run_until([&] { return !old.upgrade.under_way(); }));
  HF_EQ(old.given, 0);
}

HF_TEST(a_program_that_is_not_there_is_named) {
  Old old("", Millis{10'000}, "/no/such/program");
  HF_CHECK(has(old.run().message, "cannot execute /no/such/program: No such file"));
}

// ---- the new side ----

HF_TEST(only_a_number_a_parent_can_have_passed_is_one) {
  HF_EQ(parse_upgrade_fd("3"), 3);
  HF_EQ(parse_upgrade_fd("1023"), 1023);
  for (const char *text : {"", "0", "2", "-1", "+5", " 5", "5 ", "5x", "x", "99999999999999"})
    HF_EQ(parse_upgrade_fd(text), -1);
}

HF_TEST(a_variable_that_names_no_channel_of_our_parent_is_refused_and_forgotten) {
  HF_CHECK(!*Heir::from_environment());
  in_a_fork([] {
    auto pair = make_framed_channel();  // by ourselves, not by our parent
    for (const std::string &value :
         {std::to_string(pair->first.get()), std::string("900"), std::string("3 ")}) {
      HF_EQ(::setenv(kUpgradeVariable, value.c_str(), 1), 0);
      const auto heir = Heir::from_environment();
      HF_CHECK(!heir && has(heir.error().message, value + " is not from a running proxy"));
      HF_CHECK(std::getenv(kUpgradeVariable) == nullptr);
    }
  });
  auto pair = make_framed_channel();
  in_a_fork([&] {
    const int fd = pair->second.get();
    HF_EQ(::setenv(kUpgradeVariable, std::to_string(fd).c_str(), 1), 0);
    HF_EQ(::fcntl(fd, F_SETFD, 0), 0);
    const auto heir = Heir::from_environment();
    HF_CHECK(heir && *heir);
    HF_EQ(::fcntl(fd, F_GETFD), FD_CLOEXEC);
    HF_CHECK(std::getenv(kUpgradeVariable) == nullptr);
  });
}

HF_TEST(listeners_come_in_parts_with_the_number_of_workers) {
  New t;
  const UniqueFd fd = null();
  HF_CHECK(say(t.old(), UpgradeWord::listener, 0, "127.0.0.1:1", {fd.get(), fd.get()}));
  HF_CHECK(say(t.old(), UpgradeWord::listener, 0, "127.0.0.1:1", {fd.get()}));
  HF_CHECK(say(t.old(), UpgradeWord::listeners_end, 3));
  const auto estate = t.heir.ask();
  HF_CHECK(estate);
  HF_EQ(estate->workers, 3U);
  HF_EQ(estate->listeners.size(), 2U);
  HF_EQ(estate->listeners[0].fds.size(), 2U);
  HF_EQ(estate->listeners[1].text, "127.0.0.1:1");
  const UpgradeMessage wanted = t.heard();
  HF_CHECK(wanted.word == UpgradeWord::listeners_wanted);
  HF_EQ(wanted.number, kUpgradeVersion);
}

HF_TEST(what_an_old_one_says_instead_of_listeners_is_told) {
  New called_off;
  HF_CHECK(say(called_off.old(), UpgradeWord::abort, 0, "told to stop"));
  HF_EQ(called_off.heir.ask().error().message, "told to stop");
  New empty;
  HF_CHECK(say(empty.old(), UpgradeWord::listener, 0, "127.0.0.1:1"));
  HF_CHECK(has(empty.heir.ask().error().message, "no descriptors left"));
  New no_workers;
  HF_CHECK(say(no_workers.old(), UpgradeWord::listeners_end, 0));
  HF_EQ(no_workers.heir.ask().error().code, Errc::protocol);
  New strange;
  HF_CHECK(send_frame(strange.old(), 99, 0));
  HF_EQ(strange.heir.ask().error().code, Errc::protocol);
  New gone;
  gone.ends.first.reset();
  HF_EQ(gone.heir.ask().error().code, Errc::io);
}

HF_TEST(it_takes_over_when_it_serves_and_the_keys_have_come) {
  New t;
  t.watch();
  t.heir.serving();
  t.heir.serving();  // a respawn: said once
  HF_CHECK(t.heard().word == UpgradeWord::serving);
  HF_CHECK(!t.heir.in_charge());
  const UniqueFd fd = null();
  HF_CHECK(say(t.old(), UpgradeWord::keys, 0, "/run/p.pid", {fd.get(), fd.get(), fd.get()}));
  HF_CHECK(t.loop.run_until([&] { return t.heir.in_charge(); }));
  HF_EQ(t.taken->pid_path, "/run/p.pid");
  HF_EQ(t.taken->fds.size(), 3U);
  const UpgradeMessage done = t.heard();
  HF_CHECK(done.word == UpgradeWord::took_over);
  HF_EQ(done.number, 1);
  HF_EQ(done.text, "a note\n");
  HF_CHECK(say(t.old(), UpgradeWord::sessions, 0, "one\n"));
  HF_CHECK(say(t.old(), UpgradeWord::sessions, 0, "two\n"));
  t.ends.first.reset();
  HF_CHECK(t.loop.run_until([&] { return t.over; }));
  HF_EQ(t.sessions, "one\ntwo\n");
  HF_EQ(t.gave_up, "");
}

HF_TEST(keys_it_cannot_use_or_a_word_that_calls_it_off_end_it) {
  New t;
  t.watch();
  t.refusal = "cannot write pid file";
  t.heir.serving();
  (void)t.heard();
  HF_CHECK(say(t.old(), UpgradeWord::keys));
  HF_CHECK(t.loop.run_until([&] { return !t.gave_up.empty(); }));
  const UpgradeMessage why = t.heard();
  HF_CHECK(why.word == UpgradeWord::failed);
  HF_EQ(why.text, "cannot write pid file");
  HF_CHECK(!t.heir.in_charge());
  New off;
  off.watch();
  HF_CHECK(say(off.old(), UpgradeWord::abort, 0, "enough"));
  HF_CHECK(off.loop.run_until([&] { return off.gave_up == "enough"; }));
}

HF_TEST(when_the_old_one_has_crashed_it_takes_over_alone_once_it_serves) {
  New before;
  before.watch();
  before.ends.first.reset();
  before.loop.turn();
  HF_CHECK(!before.heir.in_charge());
  before.heir.serving();
  HF_CHECK(before.heir.in_charge() && before.taken->fds.empty() && before.over);
  New after;
  after.watch();
  after.heir.serving();
  after.ends.first.reset();
  HF_CHECK(after.loop.run_until([&] { return after.heir.in_charge() && after.over; }));
}

// ---- what both fork ----

HF_TEST(a_child_keeps_the_descriptors_it_names_and_the_standard_ones) {
  const UniqueFd kept = null();
  const UniqueFd high(::fcntl(kept.get(), F_DUPFD, 200));
  const UniqueFd dropped = null();
  in_a_fork([&] {
    const std::array keep{high.get(), kept.get(), STDERR_FILENO};
    // The harness tells the outcome by a pipe of its own, which is dropped, too: the exit tells.
    close_descriptors_except(keep);
    const bool right = ::fcntl(kept.get(), F_GETFD) >= 0 && ::fcntl(high.get(), F_GETFD) >= 0 &&
                       ::fcntl(dropped.get(), F_GETFD) < 0 && ::fcntl(STDIN_FILENO, F_GETFD) >= 0;
    if (!right) _exit(1);
  });
}

int main() {
  const CMUnitTest tests[] = {
      HF_UNIT(a_program_that_never_serves_is_ended_after_a_while),
      HF_UNIT(the_number_in_the_environment_is_the_only_descriptor_passed_on),
      HF_UNIT(called_off_it_tells_who_waits_at_once),
      HF_UNIT(a_program_that_is_not_there_is_named),
      HF_UNIT(only_a_number_a_parent_can_have_passed_is_one),
      HF_UNIT(a_variable_that_names_no_channel_of_our_parent_is_refused_and_forgotten),
      HF_UNIT(listeners_come_in_parts_with_the_number_of_workers),
      HF_UNIT(what_an_old_one_says_instead_of_listeners_is_told),
      HF_UNIT(it_takes_over_when_it_serves_and_the_keys_have_come),
      HF_UNIT(keys_it_cannot_use_or_a_word_that_calls_it_off_end_it),
      HF_UNIT(when_the_old_one_has_crashed_it_takes_over_alone_once_it_serves),
      HF_UNIT(a_child_keeps_the_descriptors_it_names_and_the_standard_ones),
  };
  return HF_RUN(tests);
}
