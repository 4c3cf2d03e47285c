// What one process or one client may take: connections of a worker, of an address, of the process's
// descriptors. Beyond it newcomers wait or are refused; whoever is there is served on.
#include <unistd.h>

#include <fstream>

#include "tests/support/hf_test.h"
#include "tests/support/pair.h"
#include "tests/support/scripted_backend.h"

using namespace holdfast;
using namespace holdfast::test;

namespace {

const std::string kGet = "GET /text HTTP/1.1\r\nHost: localhost\r\n\r\n";

// A proxy of its own, without sessiond; `shell` runs before it in the same process.
class Proxy {
 public:
  explicit Proxy(const std::string &main, const std::string &shell = ":",
                 const std::string &locations = {}) {
    const std::string conf = dir_.write(
        "proxy.conf", "worker_processes 1;\npid proxy.pid;\n" + main +
                          "\nserver { listen 127.0.0.1:0; keepalive_timeout 1h;\n"
                          "client_header_timeout 1h; location = /text { return 200 here; } " +
                          locations + "}\n");
    process_ = std::make_unique<Process>(
        Command{"/bin/sh",
                {"-c", shell + "; exec \"$0\" \"$@\"", program("holdfast-proxy"), "-c", conf},
                {},
                dir_.path()});
    const std::string line = process_->wait_for_line("event=listening");
    port_ = static_cast<uint16_t>(std::stoi(line.substr(line.rfind(':') + 1)));
    const std::string serving = process_->wait_for_line("event=serving pid=");
    pid_ = std::stoi(serving.substr(serving.find("pid=") + 4));
  }
  uint16_t port() const { return port_; }
  Process &process() { return *process_; }

  // CPU the serving process has used so far.
  Millis cpu() const {
    std::ifstream stat("/proc/" + std::to_string(pid_) + "/stat");
    std::string text((std::istreambuf_iterator<char>(stat)), {});
    text.erase(0, text.rfind(')') + 2);  // the name may hold anything
    std::istringstream fields(text);
    std::string skipped;
    for (int i = 0; i < 11; ++i) fields >> skipped;
    long user = 0;
    long system = 0;
    fields >> user >> system;
    return Millis{(user + system) * 1000 / sysconf(_SC_CLK_TCK)};
  }

 private:
  TempDir dir_;
  std::unique_ptr<Process> process_;
  uint16_t port_ = 0;
  int pid_ = 0;
};

// Whether this connection is served within `timeout`.
bool served(Connection &client, Millis timeout = kSoon, const std::string &request = kGet) {
  client.send(request);
  if (!client.readable(timeout)) return false;
  ResponseReader reader(client);
  const std::optional<ResponseHead> head = reader.read_head();
  if (!head || head->status != 200) return false;
  std::string body;
  while (reader.read_some(body)) {
  }
  return true;
}

}  // namespace

HF_TEST(a_full_worker_lets_newcomers_wait_until_a_place_is_free) {
  const Proxy proxy("worker_connections 16;");
  std::vector<Connection> clients;
  for (int i = 0; i < 16; ++i) {
    clients.push_back(Connection::tcp(proxy.port()));
    HF_CHECK(served(clients.back()));
  }
  Connection newcomer = Connection::tcp(proxy.port());  // the kernel takes it, nobody serves it
  HF_CHECK(!served(newcomer, Millis{200}));
  HF_CHECK(served(clients.front()));
  clients.pop_back();
  HF_CHECK(newcomer.readable(Millis{1000}));
}

HF_TEST(an_address_beyond_its_connections_is_closed_and_its_others_go_on) {
  Proxy proxy("trusted_proxies off; connections_per_address 4;");
  std::vector<Connection> clients;
  for (int i = 0; i < 4; ++i) {
    clients.push_back(Connection::tcp(proxy.port()));
    HF_CHECK(served(clients.back()));
  }
  for (int i = 0; i < 10; ++i) {
    Connection refused = Connection::tcp(proxy.port());
    HF_CHECK(refused.wait_end() != PeerEnd::open);
    HF_EQ(refused.buffer(), "");
  }
  (void)proxy.process().wait_for_line("event=connection_refused client=127.0.0.1");
  for (Connection &client : clients) HF_CHECK(served(client));
  clients.pop_back();
  HF_CHECK(eventually([&] {
    Connection again = Connection::tcp(proxy.port());
    pollfd watch{again.fd(), POLLIN, 0};
    return poll(&watch, 1, 50) == 0 && served(again);
  }));
}

HF_TEST(trusted_proxies_are_not_counted) {
  const Proxy proxy("connections_per_address 2;");
  std::vector<Connection> clients;
  for (int i = 0; i < 8; ++i) {
    clients.push_back(Connection::tcp(proxy.port()));
    HF_CHECK(served(clients.back()));
  }
}

// F8: without descriptors accepting pauses, at next to no CPU, and goes on within a second.
HF_TEST(out_of_descriptors_it_waits_without_spinning_and_recovers) {
  Proxy proxy("", "ulimit -n 96");
  std::vector<Connection> clients;
  for (int i = 0; i < 200; ++i) clients.push_back(Connection::tcp(proxy.port()));
  (void)proxy.process().wait_for_line("event=accept_failed");
  HF_CHECK(served(clients.front()));  // who is in is served on
  Connection waiting = Connection::tcp(proxy.port());
  const Millis before = proxy.cpu();
  HF_CHECK(!served(waiting, Millis{2000}));
  HF_CHECK(proxy.cpu() - before < Millis{200});  // 10 % of two seconds
  clients.clear();
  HF_CHECK(waiting.readable(Millis{1000}));
  HF_EQ(proxy.process().count_lines("event=accept_failed"), 1U);  // one line a minute
}

// Accepting stops while some descriptors are left: whoever is in can still be taken to a backend.
HF_TEST(who_was_accepted_reaches_its_backend_when_descriptors_have_run_out) {
  ScriptedBackend backend([](Peer &peer) {
    while (!peer.read_request().empty()) {
      if (!peer.answer(200, "text/plain", "served")) return;
    }
  });
  Proxy proxy("", "ulimit -n 96",
              "location / { proxy_pass http://127.0.0.1:" + std::to_string(backend.port()) + "; }");
  std::vector<Connection> clients;
  for (int i = 0; i < 200; ++i) clients.push_back(Connection::tcp(proxy.port()));
  (void)proxy.process().wait_for_line("event=accept_failed");
  const std::string proxied = "GET / HTTP/1.1\r\nHost: localhost\r\nAccept: text/plain\r\n\r\n";
  for (size_t i = 0; i < 8; ++i) HF_CHECK(served(clients[i], kSoon, proxied));
  HF_CHECK(backend.connections_count() > 0);
  HF_EQ(backend.failure(), "");
}

int main() {
  const CMUnitTest tests[] = {
      HF_UNIT(a_full_worker_lets_newcomers_wait_until_a_place_is_free),
      HF_UNIT(an_address_beyond_its_connections_is_closed_and_its_others_go_on),
      HF_UNIT(trusted_proxies_are_not_counted),
      HF_UNIT(who_was_accepted_reaches_its_backend_when_descriptors_have_run_out),
      HF_UNIT(out_of_descriptors_it_waits_without_spinning_and_recovers),
  };
  return HF_RUN(tests);
}
