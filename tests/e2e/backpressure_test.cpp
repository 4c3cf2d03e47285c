// A reader that stops stops its producer: what may lie between them is what the kernel's buffers
// hold and 64 KiB of ours, in either direction, and nobody else notices.
#include <netinet/in.h>
#include <sys/socket.h>

#include <atomic>
#include <fstream>

#include "tests/support/hf_test.h"
#include "tests/support/pair.h"
#include "tests/support/scripted_backend.h"

using namespace holdfast;
using namespace holdfast::test;

namespace {

constexpr size_t kMiB = 1 << 20;
// Each kernel buffer of the way, however it tunes itself, is bounded by net.ipv4.tcp_{w,r}mem; ours
// is 64 KiB and one read.
size_t way_bytes() {
  size_t total = 0;
  for (const char *path : {"/proc/sys/net/ipv4/tcp_wmem", "/proc/sys/net/ipv4/tcp_rmem"}) {
    std::ifstream file(path);
    size_t least = 0;
    size_t usual = 0;
    size_t most = 0;
    file >> least >> usual >> most;
    HF_CHECK(most > 0);
    total += most;
  }
  return total;
}

// Memory of the serving process (the master's child) that is its own.
size_t resident_bytes(int pid) {
  std::ifstream status("/proc/" + std::to_string(pid) + "/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with("RssAnon:")) return std::stoul(line.substr(8)) * 1024;
  }
  HF_FAIL("no RssAnon");
}

PairOptions behind(const ScriptedBackend &backend) {
  PairOptions options;
  options.backend_port = backend.port();
  options.start_sessiond = false;
  options.proxy_main = "# both workers carry blocked and flowing ones";
  options.location = "client_max_body_size 0; proxy_send_timeout 1h; send_timeout 1h;";
  return options;
}

struct OnExit {
  explicit OnExit(std::function<void()> action) : action_(std::move(action)) {}
  ~OnExit() { action_(); }
  OnExit(const OnExit &) = delete;
  OnExit &operator=(const OnExit &) = delete;

 private:
  std::function<void()> action_;
};

// Until the count has not moved for a while: whoever moved it is stopped.
size_t settled(const std::function<size_t()> &count) {
  size_t last = count();
  HF_CHECK(eventually([&] {
    const size_t before = last;
    (void)poll(nullptr, 0, 250);
    last = count();
    return last == before && last > 0;
  }));
  return last;
}

std::string get(std::string_view target) {
  return "GET " + std::string(target) +
         " HTTP/1.1\r\nHost: localhost\r\nAccept: text/plain\r\n\r\n";
}

}  // namespace

// The backend streams for ever to readers that take nothing, and a line at a time to one that does.
HF_TEST(readers_that_stop_stop_their_backends_and_nobody_else) {
  constexpr size_t kBlocked = 8;
  std::atomic<size_t> sent{0};
  std::atomic<bool> over{false};
  ScriptedBackend backend([&](Peer &peer) {
    const std::string request = peer.read_request();
    if (request.empty()) return;
    const bool flowing = request.starts_with("GET /flowing");
    peer.send("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n");
    const std::string event = "data: " + std::string(16'000, 'x') + "\n\n";
    if (flowing) {
      for (int i = 0; i < 200; ++i) {
        if (!peer.send("data: " + std::to_string(i) + "\n\n")) return;
      }
      return;
    }
    for (std::string owed = event; !over;) {
      const size_t n = peer.send_some(owed, Millis{20});
      sent += n;
      owed.erase(0, n);
      if (owed.empty()) owed = event;
    }
  });
  const OnExit stop([&] { over = true; });  // also when a check fails: the scripts must end
  Pair pair(behind(backend));
  const int pid = serving_pid(pair.proxy());
  (void)fetch(pair.proxy_port(), {"GET", "/flowing", {{"Accept", "text/plain"}}, {}});
  const size_t before = resident_bytes(pid);
  std::vector<Connection> blocked;
  for (size_t i = 0; i < kBlocked; ++i) {
    blocked.push_back(Connection::tcp(pair.proxy_port()));
    blocked.back().set_receive_window(64 * 1024);
    blocked.back().send(get("/blocked"));
  }
  const size_t stopped_at = settled([&] { return sent.load(); });
  // Backend to proxy, proxy to client: two ways, and what lies in the proxy between them.
  HF_CHECK(stopped_at < kBlocked * (2 * way_bytes() + kMiB));
  HF_CHECK(resident_bytes(pid) - before < kBlocked * 160 * 1024 + kMiB);
  const Response other =
      fetch(pair.proxy_port(), {"GET", "/flowing", {{"Accept", "text/plain"}}, {}});
  HF_CHECK(other.end == BodyEnd::framed || other.end == BodyEnd::to_eof);
  HF_CHECK(other.body.ends_with("data: 199\n\n"));
  HF_EQ(sent.load(), stopped_at);  // and still nothing moved for the blocked ones
  // One that reads again gets its stream on, in order.
  const Deadline deadline(kSoon);
  while (!deadline.over()) {
    (void)blocked.front().fill(deadline.left());
    if (sent.load() > stopped_at) break;
  }
  HF_CHECK(sent.load() > stopped_at);
}

// Clients that send for ever to backends that take nothing.
HF_TEST(backends_that_stop_stop_their_clients_and_nobody_else) {
  constexpr size_t kBlocked = 8;
  Gate done;
  ScriptedBackend backend([&](Peer &peer) {
    if (!peer.wait_bytes("\r\n\r\n")) return;
    if (peer.seen().starts_with("GET")) {
      peer.answer(200, "text/plain", "flowing");
      return;
    }
    (void)done.wait(Millis{60'000});  // reads no more
  });
  const OnExit stop([&] { done.open(); });
  Pair pair(behind(backend));
  const int pid = serving_pid(pair.proxy());
  HF_EQ(fetch(pair.proxy_port(), {"GET", "/", {{"Accept", "text/plain"}}, {}}).status, 200);
  const size_t before = resident_bytes(pid);
  std::vector<Connection> blocked;
  for (size_t i = 0; i < kBlocked; ++i) {
    blocked.push_back(Connection::tcp(pair.proxy_port()));
    blocked.back().send(
        "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/plain\r\n"
        "Transfer-Encoding: chunked\r\n\r\n");
  }
  const std::string chunk = "4000\r\n" + std::string(0x4000, 'x') + "\r\n";
  std::vector<std::string> owed(kBlocked, chunk);  // the rest of a chunk partly sent
  size_t sent = 0;
  const auto push = [&] {
    for (size_t i = 0; i < kBlocked; ++i) {
      for (size_t n = 1; n > 0;) {
        n = blocked[i].send_some(owed[i]);
        sent += n;
        owed[i].erase(0, n);
        if (owed[i].empty()) owed[i] = chunk;
        if (sent > kBlocked * (4 * way_bytes())) HF_FAIL("nobody stops the client");
      }
    }
    return sent;
  };
  const size_t stopped_at = settled(push);
  HF_CHECK(stopped_at < kBlocked * (2 * way_bytes() + kMiB));
  HF_CHECK(resident_bytes(pid) - before < kBlocked * 160 * 1024 + kMiB);
  for (int i = 0; i < 20; ++i) {
    HF_EQ(fetch(pair.proxy_port(), {"GET", "/", {{"Accept", "text/plain"}}, {}}).body, "flowing");
  }
  HF_EQ(push(), stopped_at);
}

int main() {
  const CMUnitTest tests[] = {
      HF_UNIT(readers_that_stop_stop_their_backends_and_nobody_else),
      HF_UNIT(backends_that_stop_stop_their_clients_and_nobody_else),
  };
  return HF_RUN(tests);
}
