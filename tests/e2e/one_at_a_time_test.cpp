// One exchange at a time on a connection: who runs ahead waits in the kernel, and is missed when it
// leaves. A client that has said its last word still gets its answer.
#include <poll.h>

#include <atomic>
#include <fstream>

#include "tests/support/gate.h"
#include "tests/support/hf_test.h"
#include "tests/support/pair.h"
#include "tests/support/scripted_backend.h"

using namespace holdfast;
using namespace holdfast::test;

namespace {

PairOptions behind(const ScriptedBackend &backend, std::string location = {}) {
  PairOptions options;
  options.backend_port = backend.port();
  options.start_sessiond = false;
  options.location = std::move(location);
  options.locations = "location = /text { return 200 here; }";
  return options;
}

// Beyond 64 KiB and one read of each client: what one of them costs anyway.
#ifdef HOLDFAST_SANITIZED
constexpr size_t kSlackBytes = 64 << 20;  // freed memory stays in quarantine
#else
constexpr size_t kSlackBytes = 512 << 10;
#endif

// Without such an Accept a GET may open a legacy stream.
const std::string kGet = "GET / HTTP/1.1\r\nHost: localhost\r\nAccept: text/plain\r\n\r\n";

std::string get_text(size_t field_bytes) {
  return "GET /text HTTP/1.1\r\nHost: localhost\r\nX: " + std::string(field_bytes, 'x') +
         "\r\n\r\n";
}

// What the kernel can hold between a sender and a reader that does not read.
size_t way_bytes() {
  size_t total = 0;
  for (const char *path : {"/proc/sys/net/ipv4/tcp_wmem", "/proc/sys/net/ipv4/tcp_rmem"}) {
    std::ifstream file(path);
    size_t bytes = 0;
    file >> bytes >> bytes >> bytes;
    HF_CHECK(bytes > 0);
    total += bytes;
  }
  return total;
}

size_t anonymous_bytes(int pid) {
  std::ifstream status("/proc/" + std::to_string(pid) + "/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with("RssAnon:")) return std::stoul(line.substr(8)) * 1024;
  }
  HF_FAIL("no RssAnon");
}

// Sends `request` over and over until the kernel has taken nothing for a while; how many bytes it
// took. More than `bytes_max` fails the test: nobody stops the client.
size_t run_ahead(Connection &client, const std::string &request, size_t bytes_max) {
  size_t sent = 0;
  std::string owed = request;
  const auto push = [&] {
    const size_t before = sent;
    for (size_t n = 1; n > 0;) {
      n = client.send_some(owed);
      sent += n;
      owed.erase(0, n);
      if (owed.empty()) owed = request;
      if (sent > bytes_max) HF_FAIL("nobody stops the client");
    }
    return sent == before;
  };
  int quiet = 0;
  HF_CHECK(eventually([&] {
    quiet = push() ? quiet + 1 : 0;
    (void)poll(nullptr, 0, 25);
    return quiet == 8;
  }));
  return sent;
}

// The next answer's body; empty when the connection ended.
std::string next_body(Connection &client) {
  ResponseReader reader(client);
  if (!reader.read_head()) return {};
  std::string body;
  while (reader.read_some(body)) {
  }
  return body;
}

}  // namespace

HF_TEST(a_client_that_runs_ahead_is_stopped_and_answered_in_order_later) {
  constexpr size_t kClients = 4;
  Gate gate;
  ScriptedBackend backend([&](Peer &peer) {
    if (peer.read_request().empty()) return;
    HF_CHECK(gate.wait(Millis{60'000}));
    peer.answer(200, "text/plain", "first");
    (void)peer.wait_closed();
  });
  Pair pair(behind(backend));
  const int pid = serving_pid(pair.proxy());
  HF_EQ(fetch(pair.proxy_port(), {"GET", "/text", {}, {}}).body, "here");
  const size_t before = anonymous_bytes(pid);
  const std::string later = get_text(30'000);
  std::vector<Connection> clients;
  std::vector<size_t> sent;
  for (size_t i = 0; i < kClients; ++i) {
    clients.push_back(Connection::tcp(pair.proxy_port()));
    clients.back().send(kGet);
    HF_CHECK(eventually([&] { return backend.requests().size() == i + 1; }));
    sent.push_back(run_ahead(clients.back(), later, 2 * way_bytes()));
  }
  HF_CHECK(anonymous_bytes(pid) < before + kClients * 160 * 1024 + kSlackBytes);
  HF_EQ(fetch(pair.proxy_port(), {"GET", "/text", {}, {}}).body, "here");
  gate.open();
  for (size_t i = 0; i < kClients; ++i) {
    HF_EQ(next_body(clients[i]), "first");
    for (size_t n = 0; n < sent[i] / later.size(); ++n) HF_EQ(next_body(clients[i]), "here");
    clients[i].send(later.substr(sent[i] % later.size()));
    HF_EQ(next_body(clients[i]), "here");
  }
  HF_EQ(backend.failure(), "");
}

// Nothing else would tell: nobody reads from it, and the call it waits for may take hours.
HF_TEST(a_client_that_ran_ahead_and_was_reset_is_noticed_at_once) {
  Gate left;
  ScriptedBackend backend([&](Peer &peer) {
    if (peer.read_request().empty()) return;
    HF_CHECK(peer.wait_closed());
    left.open();
  });
  const Pair pair(behind(backend, "proxy_read_timeout 1h;"));
  Connection client = Connection::tcp(pair.proxy_port());
  client.send(kGet);
  HF_CHECK(eventually([&] { return backend.requests().size() == 1; }));
  (void)run_ahead(client, get_text(30'000), 2 * way_bytes());
  client.reset();
  HF_CHECK(left.wait());
  HF_EQ(backend.failure(), "");
}

HF_TEST(a_client_that_half_closes_gets_the_answers_to_what_it_asked) {
  Gate gate;
  ScriptedBackend backend([&](Peer &peer) {
    if (peer.read_request().empty()) return;
    HF_CHECK(gate.wait());
    peer.answer(200, "text/plain", "late");
    (void)peer.wait_closed();
  });
  const Pair pair(behind(backend));
  Connection client = Connection::tcp(pair.proxy_port());
  client.send(kGet + get_text(10));
  client.shutdown_write();
  HF_CHECK(!client.readable(Millis{100}));
  gate.open();
  HF_EQ(next_body(client), "late");
  HF_EQ(next_body(client), "here");
  HF_CHECK(client.wait_end() == PeerEnd::fin);
  HF_EQ(backend.failure(), "");
}

// It has shut down its side while more waits for it than the kernel takes.
HF_TEST(a_half_closed_client_that_reads_slowly_gets_all_of_its_answer) {
  constexpr size_t kBytes = 12 << 20;  // more than the kernel holds
  ScriptedBackend backend([](Peer &peer) {
    if (peer.read_request().empty()) return;
    peer.answer(200, "text/plain", std::string(kBytes, 'x'));
    (void)peer.wait_closed();
  });
  const Pair pair(behind(backend));
  Connection client = Connection::tcp(pair.proxy_port());
  client.set_receive_window(64 * 1024);
  client.send(kGet);
  ResponseReader reader(client);
  HF_EQ(reader.read_head().value_or(ResponseHead{}).status, 200);
  std::string body;
  HF_CHECK(reader.read_some(body));
  client.shutdown_write();
  while (reader.read_some(body)) {
  }
  HF_CHECK(reader.end() == BodyEnd::framed);
  HF_EQ(body.size(), kBytes);
  HF_EQ(backend.failure(), "");
}

HF_TEST(a_client_that_ends_inside_its_request_is_closed_and_no_backend_gets_it_whole) {
  ScriptedBackend backend([](Peer &peer) {
    HF_CHECK(peer.read_request().empty());
    HF_CHECK(peer.wait_closed());
  });
  const Pair pair(behind(backend));
  const std::string post =
      "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/plain\r\nContent-Length: 10\r\n";
  for (const std::string &part : {post, post + "\r\nhalf"}) {
    Connection client = Connection::tcp(pair.proxy_port());
    client.send(part);
    client.shutdown_write();
    HF_CHECK(client.wait_end() != PeerEnd::open);
    HF_EQ(client.buffer(), "");
  }
  HF_EQ(backend.requests().size(), 0U);
  HF_EQ(backend.failure(), "");
}

// Between events a comment asks whether anybody still reads.
HF_TEST(on_a_stream_a_half_closed_client_goes_on_and_a_closed_one_is_found_out) {
  Gate gate;
  std::atomic<int> left = 0;
  ScriptedBackend backend([&](Peer &peer) {
    if (peer.read_request().empty()) return;
    peer.send("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: 1\n\n");
    if (peer.number() == 0) {
      HF_CHECK(gate.wait());
      peer.send("data: 2\n\n");
    }
    HF_CHECK(peer.wait_closed());
    ++left;
  });
  const Pair pair(behind(backend, "sse_heartbeat 1h;"));
  const Request request = mcp_post("/mcp", tool_call("1", "x"));
  SseClient half(pair.proxy_port(), request);
  HF_EQ(half.next().data, "1");
  half.connection().shutdown_write();
  HF_CHECK(half.next_frame().comment);
  gate.open();
  HF_EQ(half.next().data, "2");
  SseClient closed(pair.proxy_port(), request);
  HF_EQ(closed.next().data, "1");
  closed.close();
  half.connection().reset();
  HF_CHECK(eventually([&] { return left == 2; }));
  HF_EQ(backend.failure(), "");
}

int main() {
  const CMUnitTest tests[] = {
      HF_UNIT(a_client_that_runs_ahead_is_stopped_and_answered_in_order_later),
      HF_UNIT(a_client_that_ran_ahead_and_was_reset_is_noticed_at_once),
      HF_UNIT(a_client_that_half_closes_gets_the_answers_to_what_it_asked),
      HF_UNIT(a_half_closed_client_that_reads_slowly_gets_all_of_its_answer),
      HF_UNIT(a_client_that_ends_inside_its_request_is_closed_and_no_backend_gets_it_whole),
      HF_UNIT(on_a_stream_a_half_closed_client_goes_on_and_a_closed_one_is_found_out),
  };
  return HF_RUN(tests);
}
