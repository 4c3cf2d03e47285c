// Every wait has an end: what a client or a backend owes and does not deliver in time, and what it
// gets for that. Whoever has not begun a request is left in silence.
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include "tests/support/hf_test.h"
#include "tests/support/pair.h"
#include "tests/support/scripted_backend.h"

using namespace holdfast;
using namespace holdfast::test;

namespace {

PairOptions quiet(std::string server, std::string location = {}) {
  PairOptions options;
  options.start_sessiond = false;
  options.server = std::move(server);
  options.location = std::move(location);
  options.locations = "location = /text { return 200 here; }";
  return options;
}

const std::string kGet = "GET /text HTTP/1.1\r\nHost: localhost\r\n\r\n";
const std::string kPost =
    "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/plain\r\nContent-Length: 8000000\r\n"
    "\r\n";

// A byte at a time, each well within any limit on silence.
void drip_until_answered(Connection &client) {
  const Deadline deadline(kSoon);
  while (!client.readable(Millis{50})) {
    HF_CHECK(!deadline.over());
    client.send("x");
  }
}

int status_of(Connection &client) {
  ResponseReader reader(client);
  const std::optional<ResponseHead> head = reader.read_head();
  if (!head) return 0;
  std::string body;
  while (reader.read_some(body)) {
  }
  return head->status;
}

// Accepts connections in its backlog and never reads a byte of them.
class DeafBackend {
 public:
  explicit DeafBackend(int backlog) : fd_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    const int small = 4096;
    HF_EQ(setsockopt(fd_.get(), SOL_SOCKET, SO_RCVBUF, &small, sizeof small), 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t bytes = sizeof address;
    auto *generic = static_cast<sockaddr *>(static_cast<void *>(&address));
    HF_EQ(bind(fd_.get(), generic, bytes), 0);
    HF_EQ(listen(fd_.get(), backlog), 0);
    HF_EQ(getsockname(fd_.get(), generic, &bytes), 0);
    port_ = ntohs(address.sin_port);
  }
  uint16_t port() const { return port_; }

 private:
  UniqueFd fd_;
  uint16_t port_ = 0;
};

}  // namespace

HF_TEST(a_client_that_sends_nothing_is_closed_in_silence) {
  const Pair pair(quiet("client_header_timeout 200ms;"));
  Connection client = Connection::tcp(pair.proxy_port());
  HF_CHECK(client.wait_end() == PeerEnd::fin);
  HF_EQ(client.buffer(), "");
}

HF_TEST(a_head_that_does_not_end_in_time_is_408_however_steadily_it_drips) {
  const Pair pair(quiet("client_header_timeout 400ms;"));
  Connection client = Connection::tcp(pair.proxy_port());
  client.send("GET / HTTP/1.1\r\nHost: localhost\r\nX: ");
  drip_until_answered(client);
  HF_EQ(status_of(client), 408);
  HF_CHECK(client.wait_end() == PeerEnd::fin);
}

HF_TEST(a_body_that_stalls_is_408_and_its_backend_is_left) {
  ScriptedBackend backend([](Peer &peer) { HF_CHECK(peer.wait_closed()); });
  PairOptions options = quiet("client_body_timeout 200ms;");
  options.backend_port = backend.port();
  const Pair pair(options);
  Connection client = Connection::tcp(pair.proxy_port());
  client.send(kPost + "some of it");
  HF_EQ(status_of(client), 408);
  HF_CHECK(client.wait_end() == PeerEnd::fin);
  HF_EQ(backend.requests().size(), 0U);
  HF_EQ(backend.failure(), "");
}

HF_TEST(a_body_that_takes_too_long_is_408_however_steadily_it_drips) {
  ScriptedBackend backend([](Peer &peer) { HF_CHECK(peer.wait_closed()); });
  PairOptions options = quiet("client_body_timeout 5s; client_body_total_timeout 500ms;");
  options.backend_port = backend.port();
  const Pair pair(options);
  Connection client = Connection::tcp(pair.proxy_port());
  client.send(kPost);
  drip_until_answered(client);
  HF_EQ(status_of(client), 408);
  HF_EQ(backend.failure(), "");
}

HF_TEST(an_idle_connection_is_closed_in_silence_after_its_answer) {
  const Pair pair(quiet("keepalive_timeout 300ms;"));
  Connection client = Connection::tcp(pair.proxy_port());
  for (int i = 0; i < 3; ++i) {
    client.send(kGet);
    HF_EQ(status_of(client), 200);
  }
  HF_CHECK(client.wait_end() == PeerEnd::fin);
  HF_EQ(client.buffer(), "");
}

HF_TEST(without_keepalive_every_answer_is_the_last) {
  const Pair pair(quiet("keepalive_timeout 0;"));
  Connection client = Connection::tcp(pair.proxy_port());
  client.send(kGet + kGet);
  HF_EQ(status_of(client), 200);
  HF_CHECK(client.wait_end() == PeerEnd::fin);
  HF_EQ(client.buffer(), "");
}

HF_TEST(a_backend_that_does_not_accept_is_504) {
  const DeafBackend backend(0);
  std::vector<Connection> queue;  // fills the backlog: nobody's SYN is answered any more
  queue.push_back(Connection::tcp(backend.port()));
  PairOptions options = quiet("", "proxy_connect_timeout 300ms;");
  options.backend_port = backend.port();
  const Pair pair(options);
  std::vector<Connection> clients;
  // How many a backlog of 0 holds is the kernel's business: the connections behind them wait.
  int timed_out = 0;
  for (int i = 0; i < 4; ++i) {
    clients.push_back(Connection::tcp(pair.proxy_port()));
    clients.back().send("GET / HTTP/1.1\r\nHost: localhost\r\nAccept: text/plain\r\n\r\n");
  }
  HF_CHECK(eventually([&] {
    timed_out = 0;
    for (Connection &client : clients) {
      if (client.readable(Millis{0})) (void)client.fill();
      timed_out += client.buffer().starts_with("HTTP/1.1 504") ? 1 : 0;
    }
    return timed_out >= 2;
  }));
}

// The request waits for its connection, then for a backend that takes none of it: the clock runs
// from the moment the kernel stops taking, on a fresh connection as on a used one.
HF_TEST(a_backend_that_does_not_read_the_request_is_504) {
  const DeafBackend backend(16);
  PairOptions options = quiet("client_body_timeout 60s;", "proxy_send_timeout 300ms;");
  options.backend_port = backend.port();
  const Pair pair(options);
  Connection client = Connection::tcp(pair.proxy_port());
  client.send(kPost);
  const std::string piece(64 * 1024, 'x');
  const Deadline deadline(kSoon);
  while (!client.readable(Millis{20})) {
    HF_CHECK(!deadline.over());
    (void)client.send_some(piece);
  }
  HF_EQ(status_of(client), 504);
}

HF_TEST(a_client_that_does_not_read_its_answer_is_reset) {
  ScriptedBackend backend([](Peer &peer) {
    if (peer.read_request().empty()) return;
    (void)peer.answer(200, "text/plain", std::string(32 << 20, 'x'));  // until it is left
    HF_CHECK(peer.wait_closed());
  });
  PairOptions options = quiet("", "send_timeout 300ms;");
  options.backend_port = backend.port();
  const Pair pair(options);
  Connection client = Connection::tcp(pair.proxy_port());
  client.set_receive_window(4096);
  client.send("GET / HTTP/1.1\r\nHost: localhost\r\nAccept: text/plain\r\n\r\n");
  pollfd reset{client.fd(), 0, 0};  // without reading, only the error shows
  HF_EQ(poll(&reset, 1, static_cast<int>(kSoon.count())), 1);
  HF_CHECK(client.wait_end() == PeerEnd::reset);
  HF_EQ(backend.failure(), "");
}

int main() {
  const CMUnitTest tests[] = {
      HF_UNIT(a_client_that_sends_nothing_is_closed_in_silence),
      HF_UNIT(a_head_that_does_not_end_in_time_is_408_however_steadily_it_drips),
      HF_UNIT(a_body_that_stalls_is_408_and_its_backend_is_left),
      HF_UNIT(a_body_that_takes_too_long_is_408_however_steadily_it_drips),
      HF_UNIT(an_idle_connection_is_closed_in_silence_after_its_answer),
      HF_UNIT(without_keepalive_every_answer_is_the_last),
      HF_UNIT(a_backend_that_does_not_accept_is_504),
      HF_UNIT(a_backend_that_does_not_read_the_request_is_504),
      HF_UNIT(a_client_that_does_not_read_its_answer_is_reset),
  };
  return HF_RUN(tests);
}
