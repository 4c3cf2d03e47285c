// An upgrade that cannot be: the old proxy serves on, whoever asked reads why, and the next one
// works.
#include "tests/e2e/upgrade_fixture.h"

using namespace holdfast;
using namespace holdfast::test;

namespace {

constexpr Exit kRefused{false, 1};
constexpr const char *kServesOn = "the old one still serves";

// A pair whose proxy's program can be replaced, as an installation does.
struct Replaceable {
  static PairOptions options() {
    PairOptions options;
    options.proxy_by_link = true;
    return options;
  }
  Pair pair{options()};
  StreamableClient client{pair.proxy_port()};
  std::string path = pair.dir().file("holdfast-proxy");

  Replaceable() { client.open(); }
  // By a script of this text; by the program again, without one.
  void replace(const char *script = nullptr, bool executable = true) const {
    namespace fs = std::filesystem;
    fs::remove(path);
    if (script == nullptr) return fs::create_symlink(program("holdfast-proxy"), path);
    (void)pair.dir().write("holdfast-proxy", script);
    if (executable) fs::permissions(path, fs::perms::owner_all);
  }
  void check_refused(const std::string &why) {
    const pid_t before = master_pid(pair);
    const Finished refused = order(pair, "upgrade");
    HF_EQ(refused.exit, kRefused);
    if (refused.err.find(why) == std::string::npos)
      HF_FAIL("no \"" + why + "\" in: " + refused.err);
    HF_CHECK(refused.err.find(kServesOn) != std::string::npos);
    HF_EQ(master_pid(pair), before);
    HF_CHECK(pair.proxy().running());
    HF_EQ(echo(client), "mine");
  }
  void check_upgrades() {
    replace();
    (void)upgraded(pair);
    HF_EQ(echo(client), "mine");
  }
};

}  // namespace

HF_TEST(a_conf_with_errors_is_told_with_file_line_and_column) {
  Replaceable r;
  const std::string conf = r.pair.dir().read("proxy.conf");
  (void)r.pair.dir().write("proxy.conf", "wrong on;\n" + conf);
  r.check_refused("proxy.conf:1:1");  // by the asking program itself
  r.pair.proxy().signal(SIGUSR2);
  const std::string line = r.pair.proxy().wait_for_line("event=upgrade_failed");
  HF_CHECK(line.find("proxy.conf:1:1") != std::string::npos);
  (void)r.pair.dir().write("proxy.conf", conf);
  HF_EQ(echo(r.client), "mine");
  HF_CHECK(eventually([&] { return order(r.pair, "upgrade").exit.code == 0; }));
  HF_EQ(echo(r.client), "mine");
}

HF_TEST(a_listener_that_is_taken_keeps_everything_as_it_was) {
  Replaceable r;
  const DemoBackend other;  // holds a port
  PairOptions options = Replaceable::options();
  options.server = "listen unix:more.sock; listen 127.0.0.1:" + std::to_string(other.port()) + ";";
  r.pair.rewrite_proxy_conf(options);
  r.check_refused("another process listens there");
  HF_CHECK(!std::filesystem::exists(r.pair.dir().file("more.sock")));
  options.server = "";
  r.pair.rewrite_proxy_conf(options);
  r.check_upgrades();
}

HF_TEST(a_program_that_does_not_start_or_dies_is_told_and_the_next_upgrade_works) {
  Replaceable r;
  r.replace("#!/bin/sh\n", false);
  r.check_refused("cannot execute " + r.path);
  r.replace("#!/bin/sh\nexit 3\n");
  r.check_refused("ended before it took over (exit 3)");
  r.replace("#!/bin/sh\nkill -9 $$\n");
  r.check_refused("ended before it took over (signal 9)");
  r.check_upgrades();
}

HF_TEST(while_one_is_under_way_another_and_a_reload_are_refused) {
  Replaceable r;
  r.replace("#!/bin/sh\nexec sleep 60\n");
  Process first(
      {program("holdfast-proxy"), {"-c", r.pair.proxy_conf_path(), "-s", "upgrade"}, {}, {}});
  const std::string line = r.pair.proxy().wait_for_line("event=upgrade_started");
  r.check_refused("an upgrade is under way");
  const Finished reload = order(r.pair, "reload");
  HF_EQ(reload.exit, kRefused);
  HF_CHECK(reload.err.find("an upgrade is under way") != std::string::npos);
  HF_CHECK(first.running());
  HF_EQ(::kill(std::stoi(line.substr(line.find("pid=") + 4)), SIGKILL), 0);
  HF_EQ(first.wait_exit(), kRefused);
  HF_CHECK(first.err().find("(signal 9)") != std::string::npos);
  r.check_upgrades();
}

HF_TEST(told_to_stop_it_calls_an_upgrade_off_and_told_so_it_starts_none) {
  Replaceable r;
  r.replace("#!/bin/sh\nexec sleep 60\n");
  Process first(
      {program("holdfast-proxy"), {"-c", r.pair.proxy_conf_path(), "-s", "upgrade"}, {}, {}});
  const std::string line = r.pair.proxy().wait_for_line("event=upgrade_started");
  const SseClient slow = r.client.stream_post(tool_call("9", "slow", R"({"steps":10000})"));
  HF_CHECK(eventually([&] { return r.pair.backend().state()["exchanges"] == 1; }));
  r.pair.proxy().signal(SIGQUIT);
  HF_EQ(first.wait_exit(), kRefused);
  HF_CHECK(first.err().find("told to stop") != std::string::npos);
  const pid_t called_off = std::stoi(line.substr(line.find("pid=") + 4));
  HF_CHECK(eventually([&] { return gone(called_off); }));
  const Finished late = order(r.pair, "upgrade");
  HF_EQ(late.exit, kRefused);
  HF_CHECK(late.err.find("the proxy is stopping") != std::string::npos);
  r.pair.kill_proxy();
}

HF_TEST(a_serving_process_that_dies_at_that_moment_is_in_nobodys_way) {
  Replaceable r;
  r.pair.wait_created();
  HF_EQ(::kill(first_child(r.pair.proxy().pid()), SIGKILL), 0);
  (void)upgraded(r.pair);
  HF_CHECK(eventually([&] { return !r.pair.proxy().running(); }));
  r.pair.wait_linked();
  HF_EQ(echo(r.client), "mine");
}

HF_TEST(who_is_not_upgraded_says_so) {
  const Pair pair;
  const Finished sessiond = run({program("holdfast-sessiond"),
                                 {"-c", pair.sessiond_conf_path(), "-s", "upgrade"},
                                 session_environment({}),
                                 pair.dir().path()});
  HF_EQ(sessiond.exit, kRefused);
  HF_CHECK(sessiond.err.find("upgrade is for holdfast-proxy") != std::string::npos);
  const Finished strange = run({program("holdfast-proxy"),
                                {"-c", pair.proxy_conf_path()},
                                {{"HOLDFAST_UPGRADE_FD", "2"}},
                                {}});
  HF_EQ(strange.exit, kRefused);
  HF_CHECK(strange.err.find("HOLDFAST_UPGRADE_FD=2 is not from") != std::string::npos);
}

int main() {
  const CMUnitTest tests[] = {
      HF_UNIT(a_conf_with_errors_is_told_with_file_line_and_column),
      HF_UNIT(a_listener_that_is_taken_keeps_everything_as_it_was),
      HF_UNIT(a_program_that_does_not_start_or_dies_is_told_and_the_next_upgrade_works),
      HF_UNIT(while_one_is_under_way_another_and_a_reload_are_refused),
      HF_UNIT(told_to_stop_it_calls_an_upgrade_off_and_told_so_it_starts_none),
      HF_UNIT(a_serving_process_that_dies_at_that_moment_is_in_nobodys_way),
      HF_UNIT(who_is_not_upgraded_says_so),
  };
  return HF_RUN(tests);
}
