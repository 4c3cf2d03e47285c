// holdfastctl's verbs against the real admin socket in the same process: what they print, and the
// exit codes scripts rely on.
#include "sessiond/ctl/verbs.h"

#include <future>
#include <sstream>

#include "common/json.h"
#include "common/log.h"
#include "sessiond/admin_server.h"
#include "tests/support/event_loop.h"
#include "tests/support/fake_service.h"
#include "tests/support/hf_test.h"
#include "tests/support/temp_dir.h"

using namespace holdfast;
using namespace holdfast::ctl;
using namespace holdfast::test;
using namespace std::chrono_literals;

namespace {

struct Ran {
  Exit exit = Exit::done;
  std::string out;
  std::string err;
};

// The daemon's side runs on this thread, the ctl blocks on another one.
struct Rig {
  Rig() {
    auto made = sessiond::AdminServer::create(loop.base(), {socket, 0600, {}}, service);
    if (!made) throw std::runtime_error(made.error().message);
    server = *std::move(made);
    service.link_proxy();
  }

  // `while_waiting` runs between turns of the daemon's loop.
  Ran run(std::vector<std::string> words, const std::string &typed = "", bool interactive = false,
          const std::function<void()> &while_waiting = {}) {
    std::vector<const char *> argv = {"holdfastctl", "-s", socket.c_str()};
    for (const std::string &word : words) argv.push_back(word.c_str());
    auto line = parse_command_line(static_cast<int>(argv.size()), argv.data());
    if (!line.options) throw std::runtime_error(line.text);
    auto ctl = std::async(std::launch::async, [&] {
      std::ostringstream out;
      std::ostringstream err;
      std::istringstream in(typed);
      Client client(candidate_sockets(line.options->socket, nullptr, nullptr));
      Console console{out, err, in, interactive};
      const Exit exit = run_verb(*line.options, client, console);
      return Ran{exit, out.str(), err.str()};
    });
    const auto finished = [&] { return ctl.wait_for(0ms) == std::future_status::ready; };
    while (!finished()) {
      (void)loop.run_until(finished, 10ms);  // ignoring: asked again
      if (while_waiting) while_waiting();
    }
    return ctl.get();
  }
  // Plays the proxy: every ordered drop ends.
  void end_dropped() {
    std::vector<link::ToProxy> sent;
    sent.swap(service.sent);
    for (const link::ToProxy &message : sent) {
      if (const auto *drop = std::get_if<link::Drop>(&message)) {
        service.from_proxy(link::Ended{drop->session, EndReason::admin, 1});
      }
    }
  }

  TempDir dir;
  std::string socket = dir.file("admin.sock");
  EventLoop loop;
  FakeService service;
  std::unique_ptr<sessiond::AdminServer> server;
};

bool contains(std::string_view text, std::string_view part) {
  return text.find(part) != std::string_view::npos;
}

}  // namespace

HF_TEST(list_sessions_lists_filters_and_counts) {
  Rig rig;
  rig.service.open_session(session_id("aaaaaaaa"), "alice");
  rig.service.open_session(session_id("bbbbbbbb"), "two words");
  const Ran all = rig.run({"list-sessions"});
  HF_EQ(all.exit, Exit::done);
  HF_CHECK(all.out.starts_with("SESSION ") && all.out.ends_with("\n2 sessions listed.\n"));
  const Ran one = rig.run({"list-sessions", "--user", "two words", "--no-legend"});
  HF_CHECK(one.out.starts_with("bbbbbbbb  two words"));
  HF_EQ(std::count(one.out.begin(), one.out.end(), '\n'), 1);
  const Ran json = rig.run({"list-sessions", "-o", "json"});
  const auto value = json_parse(json.out);
  HF_CHECK(value);
  HF_EQ(json_array_size(value->get()), size_t{2});
  HF_EQ(rig.run({"list-sessions", "--state", "bored"}).exit, Exit::usage);
  HF_EQ(rig.run({"-q", "list-sessions"}).out, "");
}

HF_TEST(a_missing_session_exits_with_4_and_the_others_are_shown) {
  Rig rig;
  rig.service.open_session(session_id("aaaaaaaa"), "alice");
  const Ran ran = rig.run({"show-session", "nope", "aaaa", "-p", "user"});
  HF_EQ(ran.exit, Exit::not_found);
  HF_EQ(ran.out, "user=alice\n");
  HF_EQ(ran.err, "holdfastctl: no session nope\n");
  HF_EQ(rig.run({"session-status", "aaaa"}).exit, Exit::done);
  HF_EQ(rig.run({"session-status", "aa"}).exit, Exit::usage);
}

HF_TEST(terminate_goes_on_after_a_failure_and_exits_with_the_worst) {
  Rig rig;
  rig.service.open_session(session_id("aaaaaaaa"), "alice");
  rig.service.open_session(session_id("bbbbbbbb"), "alice");
  const Ran ran =
      rig.run({"terminate-session", "aaaa", "nope", "bbbb"}, "", false, [&] { rig.end_dropped(); });
  HF_EQ(ran.exit, Exit::not_found);
  HF_EQ(ran.out, "aaaa: 1 ended\nbbbb: 1 ended\n");
  HF_CHECK(rig.run({"list-sessions"}).out.ends_with("\n0 sessions listed.\n"));
}

HF_TEST(ending_all_sessions_of_a_user_is_asked_about) {
  Rig rig;
  rig.service.open_session(session_id("aaaaaaaa"), "alice");
  rig.service.open_session(session_id("bbbbbbbb"), "alice");
  HF_EQ(rig.run({"terminate-user", "alice"}).exit, Exit::usage);
  const Ran no = rig.run({"terminate-user", "alice"}, "n\n", true);
  HF_EQ(no.exit, Exit::failed);
  HF_CHECK(contains(no.err, "End all sessions of alice? [y/N]"));
  HF_CHECK(rig.service.last_sent<link::Drop>() == nullptr);
  const Ran yes = rig.run({"terminate-user", "alice"}, "y\n", true, [&] { rig.end_dropped(); });
  HF_EQ(yes.exit, Exit::done);
  HF_EQ(yes.out, "alice: 2 ended\n");
}

HF_TEST(json_stands_alone_on_stdout) {
  Rig rig;
  rig.service.open_session(session_id("aaaaaaaa"), "alice");
  for (const std::vector<std::string> &words :
       std::vector<std::vector<std::string>>{{"status", "-o", "json"},
                                             {"session-status", "aaaa", "nope", "-o", "json"},
                                             {"set", "aaaa", "persistent", "on", "-o", "json"},
                                             {"drain", "off", "-o", "json-pretty"},
                                             {"reload", "-o", "json"},
                                             {"show-config", "-o", "json"},
                                             {"explain", "aaaa", "-o", "json"},
                                             {"health"}}) {
    const Ran ran = rig.run(words);
    const auto value = json_parse(ran.out);
    if (!value) HF_FAIL(words[0] + ": " + value.error().message + ": " + ran.out);
  }
}

HF_TEST(health_exits_as_a_container_check_wants_it) {
  Rig rig;
  HF_EQ(rig.run({"health"}).exit, Exit::done);
  HF_EQ(rig.run({"-q", "health"}).out, "");
  HF_EQ(rig.run({"drain", "on"}).exit, Exit::done);
  HF_EQ(rig.run({"health"}).exit, Exit::failed);
}

HF_TEST(drain_waits_until_no_session_is_left_or_time_is_up) {
  Rig rig;
  HF_EQ(rig.run({"drain", "on", "--wait", "1s"}).exit, Exit::done);
  rig.run({"drain", "off"});
  const std::string id = session_id("aaaaaaaa");
  rig.service.open_session(id, "alice");
  const Ran late = rig.run({"drain", "on", "--wait", "100ms"});
  HF_EQ(late.exit, Exit::failed);
  HF_CHECK(contains(late.err, "1 sessions are left"));
  bool ended = false;
  const Ran in_time = rig.run({"drain", "on", "--wait", "20s"}, "", false, [&] {
    if (ended) return;
    ended = true;
    rig.service.from_proxy(link::Ended{id, EndReason::client_delete, 1});
  });
  HF_EQ(in_time.exit, Exit::done);
}

HF_TEST(backends_are_listed_shown_and_told_what_to_do) {
  Rig rig;
  link::BackendInfo one{"tools", "h:1", true, 3, 10, 0};
  one.weight = 2;
  one.check = "ok";
  one.changed_ms = 61'000;
  rig.service.from_proxy(link::Stats{{}, {one, {"tools", "h:2", false, 0, 5, 5}}});
  const Ran list = rig.run({"list-backends"});
  HF_EQ(list.exit, Exit::done);
  HF_CHECK(list.out.starts_with("UPSTREAM  SERVER  STATE  WEIGHT  SESSIONS  REQS"));
  HF_CHECK(contains(list.out, "tools     h:1     up     2       3         10"));
  HF_CHECK(contains(list.out, "down"));
  HF_CHECK(list.out.ends_with("\n2 backends listed.\n"));

  const Ran all = rig.run({"backend-status", "tools"});
  HF_EQ(all.exit, Exit::done);
  HF_CHECK(contains(all.out, "tools/h:1\n") && contains(all.out, "tools/h:2\n"));
  HF_CHECK(contains(all.out, "Since: 1m1s\n"));
  HF_CHECK(contains(all.out, "Last check: ok\n"));
  HF_EQ(rig.run({"backend-status", "tools/h:2", "nope"}).exit, Exit::not_found);

  const Ran drained = rig.run({"drain-backend", "tools/h:9", "tools/h:1"});
  HF_EQ(drained.exit, Exit::not_found);  // and goes on
  HF_EQ(drained.out, "tools/h:1: drain\n");
  HF_CHECK(rig.service.last_sent<link::SetServer>()->state == ServerState::drain);
  HF_EQ(rig.run({"disable-backend", "tools/h:1"}).exit, Exit::done);
  HF_CHECK(rig.service.last_sent<link::SetServer>()->state == ServerState::maint);
  HF_EQ(rig.run({"enable-backend", "tools/h:1", "-o", "json"}).exit, Exit::done);
  HF_CHECK(rig.service.last_sent<link::SetServer>()->state == ServerState::ready);
}

HF_TEST(a_refused_reload_exits_with_1_and_tells_why) {
  Rig rig;
  rig.service.reload_outcome = {false, "sessiond.conf:3:1 unknown directive", {}};
  const Ran ran = rig.run({"reload"});
  HF_EQ(ran.exit, Exit::failed);
  HF_EQ(ran.out, "");
  HF_CHECK(contains(ran.err, "sessiond.conf:3:1"));
}

HF_TEST(no_daemon_exits_with_3_and_lists_what_was_tried) {
  Client client({"/nonexistent/one.sock", "/nonexistent/two.sock"});
  const Reply reply = client.ask({"show", "info"});
  HF_EQ(reply.exit, Exit::unreachable);
  HF_CHECK(contains(reply.text, "/nonexistent/one.sock: No such file or directory"));
  HF_CHECK(contains(reply.text, "/nonexistent/two.sock"));
}

HF_TEST(sockets_are_looked_for_in_the_documented_order) {
  using Paths = std::vector<std::string>;
  HF_CHECK(candidate_sockets("a", "b", "c") == Paths{"a"});
  HF_CHECK(candidate_sockets("", "b", "c") == Paths{"b"});
  HF_CHECK(candidate_sockets("", nullptr, "c") ==
           (Paths{"c/holdfast/admin.sock", "/run/holdfast/admin.sock"}));
  HF_CHECK(candidate_sockets("", "", "") == Paths{"/run/holdfast/admin.sock"});
}

HF_TEST(answers_are_sorted_by_their_error_word) {
  HF_EQ(read_reply("text\n\n").text, "text\n");
  HF_EQ(read_reply("\n").text, "");
  HF_EQ(read_reply("error: [denied] no\n\n").exit, Exit::denied);
  HF_EQ(read_reply("error: [refused] no\nmore\n\n").text, "no\nmore\n");
  HF_EQ(read_reply("error: [new_word] no\n\n").exit, Exit::failed);
  HF_EQ(read_reply("error: without a word\n\n").exit, Exit::failed);
}

int main() {
  (void)log_open("stderr", LogLevel::error);  // ignoring: stderr always opens
  const CMUnitTest tests[] = {
      HF_UNIT(list_sessions_lists_filters_and_counts),
      HF_UNIT(a_missing_session_exits_with_4_and_the_others_are_shown),
      HF_UNIT(terminate_goes_on_after_a_failure_and_exits_with_the_worst),
      HF_UNIT(ending_all_sessions_of_a_user_is_asked_about),
      HF_UNIT(json_stands_alone_on_stdout),
      HF_UNIT(health_exits_as_a_container_check_wants_it),
      HF_UNIT(drain_waits_until_no_session_is_left_or_time_is_up),
      HF_UNIT(backends_are_listed_shown_and_told_what_to_do),
      HF_UNIT(a_refused_reload_exits_with_1_and_tells_why),
      HF_UNIT(no_daemon_exits_with_3_and_lists_what_was_tried),
      HF_UNIT(sockets_are_looked_for_in_the_documented_order),
      HF_UNIT(answers_are_sorted_by_their_error_word),
  };
  return HF_RUN(tests);
}
