// The management socket end to end: whole, split, slow, hostile and half-closed requests through
// the guard and libevhtp.
#include "sessiond/http_api.h"

#include <sys/socket.h>

#include <vector>

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

const std::string kHealth = "GET /health HTTP/1.1\r\nHost: h\r\n\r\n";

struct Rig {
  explicit Rig(const HttpDeadlines &deadlines = {}) {
    auto made = HttpApi::create(loop.base(), {dir.file("http.sock"), 0600, {}}, service, deadlines);
    if (!made) throw std::runtime_error(made.error().message);
    api = *std::move(made);
    service.link_proxy();
  }

  UniqueFd connect() {
    auto fd = unix_connect(dir.file("http.sock"));
    if (!fd) throw std::runtime_error(fd.error().message);
    return *std::move(fd);
  }
  static void say(const UniqueFd &fd, std::string_view bytes) {
    if (send(fd.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL) != ssize_t(bytes.size())) {
      throw std::runtime_error("send");
    }
  }
  // Everything until the server closes.
  std::string hear(const UniqueFd &fd) {
    std::string text;
    const bool closed = loop.run_until([&] {
      char buffer[65536];
      for (;;) {
        const ssize_t n = recv(fd.get(), buffer, sizeof buffer, MSG_DONTWAIT);
        if (n > 0) {
          text.append(buffer, static_cast<size_t>(n));
        } else {
          return n == 0 || errno != EAGAIN;
        }
      }
    });
    if (!closed) throw std::runtime_error("not closed; heard: " + text);
    return text;
  }
  std::string ask(std::string_view request) {
    const UniqueFd fd = connect();
    say(fd, request);
    return hear(fd);
  }

  TempDir dir;
  EventLoop loop;
  FakeService service;
  std::unique_ptr<HttpApi> api;
};

int status_of(std::string_view response) {
  if (!response.starts_with("HTTP/1.1 ") || response.size() < 12) return 0;
  return std::stoi(std::string(response.substr(9, 3)));
}

std::string_view body_of(std::string_view response) {
  const size_t end = response.find("\r\n\r\n");
  return end == std::string_view::npos ? std::string_view{} : response.substr(end + 4);
}

bool contains(std::string_view text, std::string_view part) {
  return text.find(part) != std::string_view::npos;
}

}  // namespace

HF_TEST(a_request_is_answered_whole_and_the_connection_closed) {
  Rig rig;
  const std::string response = rig.ask(kHealth);
  HF_EQ(status_of(response), 200);
  HF_CHECK(contains(response, "Content-Type: application/json\r\n"));
  HF_CHECK(contains(response, "Connection: close\r\n"));
  HF_CHECK(contains(response, "X-Content-Type-Options: nosniff\r\n"));
  HF_CHECK(contains(response, "Content-Length: " + std::to_string(body_of(response).size())));
  HF_CHECK(body_of(response).starts_with("{\"status\":\"ok\""));
  HF_CHECK(rig.loop.run_until([&] { return rig.api->connections_count() == 0; }));
}

// The library's own parser reads stale bytes at most of these places.
HF_TEST(a_request_may_be_split_anywhere) {
  Rig rig;
  const std::string request =
      "GET /api/sessions?filter=abc&limit=7 HTTP/1.1\r\nHost: localhost\r\nX-Holdfast-Level: "
      "readonly\r\nConnection: close\r\n\r\n";
  const std::string whole = rig.ask(request);
  HF_EQ(status_of(whole), 200);
  for (size_t at = 1; at < request.size(); ++at) {
    const UniqueFd fd = rig.connect();
    Rig::say(fd, request.substr(0, at));
    HF_CHECK(rig.loop.run_until([&] { return rig.api->connections_count() == 1; }));
    rig.loop.turn();
    Rig::say(fd, request.substr(at));
    HF_EQ(rig.hear(fd), whole);
  }
}

HF_TEST(a_body_is_waited_for_and_header_fields_arrive) {
  Rig rig;
  const UniqueFd fd = rig.connect();
  Rig::say(fd,
           "POST /api/drain HTTP/1.1\r\nHost: h\r\nX-Holdfast-Level: admin\r\n"
           "X-Holdfast-Admin: 1\r\nContent-Length: 5\r\n\r\nab");
  rig.loop.turn();
  rig.loop.turn();
  HF_CHECK(!rig.service.core().draining());
  Rig::say(fd, "cde");
  HF_EQ(status_of(rig.hear(fd)), 200);
  HF_CHECK(rig.service.core().draining());
  HF_EQ(status_of(rig.ask("POST /api/drain HTTP/1.1\r\nHost: h\r\nX-Holdfast-Level: "
                          "admin\r\nContent-Length: 0\r\n\r\n")),
        403);
}

HF_TEST(head_gets_the_length_without_the_body) {
  Rig rig;
  const std::string response = rig.ask("HEAD /live HTTP/1.1\r\nHost: h\r\n\r\n");
  HF_EQ(status_of(response), 200);
  HF_CHECK(contains(response, "Content-Length: 5\r\n"));
  HF_EQ(body_of(response), "");
}

HF_TEST(what_is_not_allowed_never_reaches_the_library) {
  Rig rig;
  HF_EQ(status_of(rig.ask("GET /health HTTP/1.0\r\nHost: h\r\n\r\n")), 400);
  HF_EQ(status_of(rig.ask("GET /health HTTP/1.1\r\n\r\n")), 400);
  HF_EQ(status_of(rig.ask("BREW / HTTP/1.1\r\nHost: h\r\n\r\n")), 501);
  HF_EQ(status_of(
            rig.ask("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n")),
        400);
  HF_EQ(status_of(rig.ask("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 70000\r\n\r\n")), 413);
  HF_EQ(status_of(rig.ask("GET /" + std::string(9000, 'a') + " HTTP/1.1\r\nHost: h\r\n\r\n")), 431);
  HF_EQ(status_of(rig.ask(kHealth + kHealth)), 400);  // pipelining
  HF_EQ(status_of(rig.ask(std::string(20'000, 'x'))), 431);
  HF_EQ(status_of(rig.ask(kHealth)), 200);
}

HF_TEST(a_half_closed_peer_gets_its_answer) {
  Rig rig;
  const UniqueFd fd = rig.connect();
  Rig::say(fd, kHealth);
  HF_EQ(shutdown(fd.get(), SHUT_WR), 0);
  HF_EQ(status_of(rig.hear(fd)), 200);
}

HF_TEST(a_large_answer_arrives_whole_at_a_slow_reader) {
  Rig rig;
  for (int i = 0; i < 5000; ++i) {
    rig.service.open_session(session_id("s" + std::to_string(10'000 + i) + "_"),
                             "user" + std::to_string(i) + std::string(200, 'u'));
  }
  const std::string response =
      rig.ask("GET /health HTTP/1.1\r\nHost: h\r\nX-Holdfast-Users: 1\r\n\r\n");
  HF_EQ(status_of(response), 200);
  HF_CHECK(body_of(response).size() > 1'000'000);
  HF_CHECK(body_of(response).ends_with("}\n"));
}

HF_TEST(connections_end_with_their_peers_in_every_state) {
  Rig rig;
  for (const std::string_view sent :
       {std::string_view(""), std::string_view("GET /hea"), std::string_view(kHealth)}) {
    UniqueFd fd = rig.connect();
    Rig::say(fd, sent);
    HF_CHECK(rig.loop.run_until([&] { return rig.api->connections_count() == 1; }));
    fd.reset();
    // At once, not when a deadline has passed.
    HF_CHECK(rig.loop.run_until([&] { return rig.api->connections_count() == 0; }, 2s));
  }
  HF_EQ(status_of(rig.ask(kHealth)), 200);
}

HF_TEST(half_a_request_and_an_unread_answer_meet_their_deadlines) {
  Rig rig({100ms, 200ms});
  const UniqueFd slow = rig.connect();
  Rig::say(slow, "GET /heal");
  HF_EQ(rig.hear(slow), "");
  for (int i = 0; i < 3000; ++i) {
    rig.service.open_session(session_id("s" + std::to_string(10'000 + i) + "_"),
                             "user" + std::to_string(i) + std::string(200, 'u'));
  }
  const UniqueFd deaf = rig.connect();
  Rig::say(deaf, "GET /health HTTP/1.1\r\nHost: h\r\nX-Holdfast-Users: 1\r\n\r\n");
  HF_CHECK(rig.loop.run_until([&] { return rig.api->connections_count() == 1; }));
  HF_CHECK(rig.loop.run_until([&] { return rig.api->connections_count() == 0; }));
  HF_EQ(status_of(rig.ask(kHealth)), 200);
}

HF_TEST(the_server_may_go_with_connections_open) {
  Rig rig;
  const UniqueFd silent = rig.connect();
  const UniqueFd half = rig.connect();
  Rig::say(half, "GET /he");
  const UniqueFd asking = rig.connect();
  Rig::say(asking, kHealth);
  HF_CHECK(rig.loop.run_until([&] { return rig.api->connections_count() >= 2; }));
  rig.api.reset();
  rig.loop.turn();
  const auto gone = unix_connect(rig.dir.file("http.sock"));
  HF_CHECK(!gone);
}

HF_TEST(more_connections_than_it_takes_leave_it_serving) {
  Rig rig;
  std::vector<UniqueFd> many;
  for (int i = 0; i < 300; ++i) many.push_back(rig.connect());
  HF_CHECK(rig.loop.run_until([&] { return rig.api->connections_count() == 256; }));
  many.clear();
  HF_CHECK(rig.loop.run_until([&] { return rig.api->connections_count() == 0; }));
  HF_EQ(status_of(rig.ask(kHealth)), 200);
}

int main() {
  (void)log_open("stderr", LogLevel::error);  // ignoring: stderr always opens
  const CMUnitTest tests[] = {
      HF_UNIT(a_request_is_answered_whole_and_the_connection_closed),
      HF_UNIT(a_request_may_be_split_anywhere),
      HF_UNIT(a_body_is_waited_for_and_header_fields_arrive),
      HF_UNIT(head_gets_the_length_without_the_body),
      HF_UNIT(what_is_not_allowed_never_reaches_the_library),
      HF_UNIT(a_half_closed_peer_gets_its_answer),
      HF_UNIT(a_large_answer_arrives_whole_at_a_slow_reader),
      HF_UNIT(connections_end_with_their_peers_in_every_state),
      HF_UNIT(half_a_request_and_an_unread_answer_meet_their_deadlines),
      HF_UNIT(the_server_may_go_with_connections_open),
      HF_UNIT(more_connections_than_it_takes_leave_it_serving),
  };
  return HF_RUN(tests);
}
