// The admin socket end to end: real connections, lines and answers, slow and hostile peers.
#include "sessiond/admin_server.h"

#include <sys/socket.h>

#include <vector>

#include "common/limits.h"
#include "common/log.h"
#include "tests/support/event_loop.h"
#include "tests/support/fake_service.h"
#include "tests/support/hf_test.h"
#include "tests/support/temp_dir.h"

using namespace holdfast;
using namespace holdfast::sessiond;
using namespace holdfast::test;
using namespace std::chrono_literals;

namespace {

struct Rig {
  Rig() {
    auto made = AdminServer::create(loop.base(), {dir.file("admin.sock"), 0600, {}}, service);
    if (!made) throw std::runtime_error(made.error().message);
    server = *std::move(made);
    service.link_proxy();
  }

  UniqueFd connect() {
    auto fd = unix_connect(dir.file("admin.sock"));
    if (!fd) throw std::runtime_error(fd.error().message);
    return *std::move(fd);
  }
  static void say(const UniqueFd &fd, std::string_view bytes) {
    if (send(fd.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL) != ssize_t(bytes.size())) {
      throw std::runtime_error("send");
    }
  }
  // Appends what has arrived; false at the end of the connection.
  static bool hear(const UniqueFd &fd, std::string &into) {
    char buffer[65536];
    for (;;) {
      const ssize_t n = recv(fd.get(), buffer, sizeof buffer, MSG_DONTWAIT);
      if (n > 0) {
        into.append(buffer, static_cast<size_t>(n));
      } else {
        return n != 0 && errno == EAGAIN;
      }
    }
  }
  std::string hear_until(const UniqueFd &fd, std::string_view end) {
    std::string text;
    const bool heard = loop.run_until([&] {
      (void)hear(fd, text);  // ignoring: the end of the connection shows as a missing `end`
      return text.ends_with(end);
    });
    if (!heard) throw std::runtime_error("heard only: " + text);
    return text;
  }
  // One line's whole answer; the server closes after it.
  std::string ask(std::string_view line) {
    const UniqueFd fd = connect();
    say(fd, std::string(line) + "\n");
    std::string text;
    if (!loop.run_until([&] { return !hear(fd, text); })) throw std::runtime_error("not closed");
    return text;
  }

  TempDir dir;
  EventLoop loop;
  FakeService service;
  std::unique_ptr<AdminServer> server;
};

}  // namespace

HF_TEST(one_line_is_answered_and_the_connection_closed) {
  Rig rig;
  HF_EQ(rig.ask("show version"), "holdfast-sessiond 0.1.0\n\n");
  HF_EQ(rig.ask(""), "");
  HF_EQ(rig.ask("show \"sess"), "error: [usage] a quote is not closed\n\n");
  HF_CHECK(rig.loop.run_until([&] { return rig.server->connections_count() == 0; }));
}

HF_TEST(each_command_of_a_line_is_answered_in_order) {
  Rig rig;
  HF_EQ(rig.ask("show version; drain off json;show version json"),
        "holdfast-sessiond "
        "0.1.0\n\n{\"draining\":false,\"exit\":false}\n\n{\"version\":\"0.1.0\"}\n\n");
  HF_EQ(rig.ask("show version;quit;show version"), "holdfast-sessiond 0.1.0\n\n");
}

HF_TEST(a_prompt_keeps_the_connection_until_quit) {
  Rig rig;
  const UniqueFd fd = rig.connect();
  Rig::say(fd, "prompt\n");
  HF_EQ(rig.hear_until(fd, "> "), "\n> ");
  Rig::say(fd, "show version\n\nshow version\n");
  HF_EQ(rig.hear_until(fd, "0.1.0\n\n> "),
        "holdfast-sessiond 0.1.0\n\n> > holdfast-sessiond 0.1.0\n\n> ");
  Rig::say(fd, "quit\n");
  std::string rest;
  HF_CHECK(rig.loop.run_until([&] { return !Rig::hear(fd, rest); }));
  HF_EQ(rest, "");
}

// socat half-closes after its input; a command that waits for a proxy must still answer it.
HF_TEST(a_waiting_command_answers_a_half_closed_peer) {
  Rig rig;
  const std::string id = session_id("abcd");
  rig.service.open_session(id, "alice");
  const UniqueFd fd = rig.connect();
  Rig::say(fd, "shutdown session abcd;show sess\n");
  HF_EQ(shutdown(fd.get(), SHUT_WR), 0);
  HF_CHECK(rig.loop.run_until([&] { return rig.service.last_sent<link::Drop>() != nullptr; }));
  rig.service.from_proxy(link::Ended{id, EndReason::admin, 1});
  std::string text;
  HF_CHECK(rig.loop.run_until([&] { return !Rig::hear(fd, text); }));
  HF_EQ(text, "1 session ended\n\n\n");
}

HF_TEST(a_peer_that_leaves_before_its_answer_harms_nothing) {
  Rig rig;
  const std::string id = session_id("abcd");
  rig.service.open_session(id, "alice");
  UniqueFd fd = rig.connect();
  Rig::say(fd, "shutdown session abcd\n");
  HF_CHECK(rig.loop.run_until([&] { return rig.service.last_sent<link::Drop>() != nullptr; }));
  fd.reset();
  rig.service.from_proxy(link::Ended{id, EndReason::admin, 1});
  HF_CHECK(rig.loop.run_until([&] { return rig.server->connections_count() == 0; }));
  HF_EQ(rig.ask("show sess"), "\n");
}

HF_TEST(a_list_larger_than_every_buffer_arrives_whole) {
  Rig rig;
  for (int i = 0; i < 5000; ++i) {
    rig.service.open_session(session_id("s" + std::to_string(10'000 + i) + "_"), "alice");
  }
  const std::string list = rig.ask("show sess;show version");
  HF_CHECK(list.size() > 500'000);
  HF_EQ(std::count(list.begin(), list.end(), '\n'), long{5000 + 1 + 2});
  HF_CHECK(list.ends_with("\n\nholdfast-sessiond 0.1.0\n\n"));
}

// C1: who does not read costs its own answer only.
HF_TEST(a_peer_that_does_not_read_holds_up_nobody) {
  Rig rig;
  for (int i = 0; i < 5000; ++i) {
    rig.service.open_session(session_id("s" + std::to_string(10'000 + i) + "_"), "alice");
  }
  const UniqueFd deaf = rig.connect();
  Rig::say(deaf, "show sess json\n");
  HF_EQ(rig.ask("show version"), "holdfast-sessiond 0.1.0\n\n");
}

// What is not read is not answered again: later questions wait in the socket, and all are answered
// in the end.
HF_TEST(a_peer_that_asks_on_without_reading_gets_every_answer_when_it_does) {
  constexpr size_t kQuestions = 40;
  Rig rig;
  for (int i = 0; i < 500; ++i) {
    rig.service.open_session(session_id("s" + std::to_string(10'000 + i) + "_"), "alice");
  }
  const UniqueFd deaf = rig.connect();
  std::string questions = "prompt\n";
  for (size_t i = 0; i < kQuestions; ++i) questions += "show sess json;show version\n";
  Rig::say(deaf, questions);
  for (int i = 0; i < 20; ++i) HF_EQ(rig.ask("show version"), "holdfast-sessiond 0.1.0\n\n");
  std::string text;
  size_t seen = 0;
  size_t prompts = 0;
  const bool all = rig.loop.run_until([&] {
    (void)Rig::hear(deaf, text);  // ignoring: the end shows as a missing answer
    for (; seen < text.size(); ++seen) prompts += text[seen] == '>' ? 1 : 0;
    return prompts == kQuestions + 1;
  });
  if (!all) HF_FAIL("the last answers are: " + text.substr(text.size() - 200));
  HF_CHECK(text.ends_with("]\n\nholdfast-sessiond 0.1.0\n\n> "));
}

HF_TEST(peers_that_do_not_read_give_way_to_ones_that_ask) {
  Rig rig;
  for (int i = 0; i < 5000; ++i) {
    rig.service.open_session(session_id("s" + std::to_string(10'000 + i) + "_"), "alice");
  }
  std::vector<UniqueFd> deaf;
  for (size_t i = 0; i < kAdminConnectionsMax; ++i) {
    deaf.push_back(rig.connect());
    Rig::say(deaf.back(), "show sess json;show sess json\n");
  }
  HF_EQ(rig.ask("show version"), "holdfast-sessiond 0.1.0\n\n");
  HF_CHECK(rig.server->connections_count() <= kAdminConnectionsMax);
}

HF_TEST(silent_connections_give_way_to_ones_that_ask) {
  Rig rig;
  std::vector<UniqueFd> silent;
  for (size_t i = 0; i < 2 * kAdminConnectionsMax; ++i) silent.push_back(rig.connect());
  HF_EQ(rig.ask("show version"), "holdfast-sessiond 0.1.0\n\n");
  HF_CHECK(rig.server->connections_count() <= kAdminConnectionsMax);
}

HF_TEST(a_line_over_the_bound_ends_the_connection) {
  Rig rig;
  const UniqueFd fd = rig.connect();
  Rig::say(fd, std::string(kAdminLineBytesMax + 100, 'x'));
  std::string text;
  HF_CHECK(rig.loop.run_until([&] { return !Rig::hear(fd, text); }));
  HF_EQ(text, "");
  HF_EQ(rig.ask("show version"), "holdfast-sessiond 0.1.0\n\n");
}

HF_TEST(a_second_server_on_the_same_path_is_refused) {
  Rig rig;
  const auto second =
      AdminServer::create(rig.loop.base(), {rig.dir.file("admin.sock"), 0600, {}}, rig.service);
  HF_CHECK(!second);
  HF_EQ(second.error().code, Errc::busy);
  HF_EQ(rig.ask("show version"), "holdfast-sessiond 0.1.0\n\n");
}

int main() {
  (void)log_open("stderr", LogLevel::error);  // ignoring: stderr always opens
  const CMUnitTest tests[] = {
      HF_UNIT(one_line_is_answered_and_the_connection_closed),
      HF_UNIT(each_command_of_a_line_is_answered_in_order),
      HF_UNIT(a_prompt_keeps_the_connection_until_quit),
      HF_UNIT(a_waiting_command_answers_a_half_closed_peer),
      HF_UNIT(a_peer_that_leaves_before_its_answer_harms_nothing),
      HF_UNIT(a_list_larger_than_every_buffer_arrives_whole),
      HF_UNIT(a_peer_that_does_not_read_holds_up_nobody),
      HF_UNIT(a_peer_that_asks_on_without_reading_gets_every_answer_when_it_does),
      HF_UNIT(peers_that_do_not_read_give_way_to_ones_that_ask),
      HF_UNIT(silent_connections_give_way_to_ones_that_ask),
      HF_UNIT(a_line_over_the_bound_ends_the_connection),
      HF_UNIT(a_second_server_on_the_same_path_is_refused),
  };
  return HF_RUN(tests);
}
