// What a user runs, in a directory of its own: the demo backend, holdfast-sessiond and
// holdfast-proxy in front, on ports the kernel chose. Ready when constructed; all of it ends with
// the object. One thread at a time.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tests/support/json_view.h"
#include "tests/support/mcp_client.h"
#include "tests/support/process.h"
#include "tests/support/temp_dir.h"
#include "tests/support/tls_tunnel.h"

namespace holdfast::test {

struct PairOptions {
  std::vector<std::string> backend_args;  // of the demo backend
  uint16_t backend_port = 0;              // not 0: this one instead of the demo backend
  std::string upstream;                   // more of the upstream block: servers, least_conn, …
  std::string sessiond;                   // directives of sessiond.conf
  std::string sessiond_admin;             // parameters of its admin_socket
  std::vector<std::pair<std::string, std::string>> sessiond_env;
  std::string proxy_main;  // directives outside the server block
  std::string server;      // directives in it
  std::string location;    // directives of `location /`
  std::string locations;   // whole further location blocks
  bool start_sessiond = true;
  // Not null: the proxy speaks TLS, with a certificate of this authority for localhost in
  // proxy.pem and proxy.key; clients come through a tunnel that trusts it.
  const Authority *authority = nullptr;
  std::string backend_scheme = "http";
  bool proxy_by_link =
      false;  // the proxy is started by dir()/holdfast-proxy, a link to the program
};

// The programs' path; `name` as in build/…/bin.
std::string program(std::string_view name);

// sessiond's own variables, unset unless given here: a developer's environment takes no part.
std::vector<std::pair<std::string, std::string>> session_environment(
    std::vector<std::pair<std::string, std::string>> given);

// The demo backend alone.
class DemoBackend {
 public:
  explicit DemoBackend(std::vector<std::string> args = {});

  uint16_t port() const { return port_; }
  Process &process() { return process_; }
  Json state() const;  // see tests/demo/control.h
  // An order to its control door; `order` is JSON.
  Json tell(std::string_view what, std::string_view order = "{}") const;

 private:
  Process process_;
  uint16_t port_ = 0;
};

// One look at a backend's state, by port.
Json backend_state(uint16_t port);

class Pair {
 public:
  explicit Pair(PairOptions options = {});

  // Where clients go: the proxy, or the tunnel to it.
  uint16_t proxy_port() const { return tunnel_ ? tunnel_->port() : proxy_port_; }
  uint16_t tls_port() const { return proxy_port_; }  // the proxy's own. REQUIRES: an authority
  uint16_t backend_port() const { return backend_port_; }
  Process &proxy() { return *proxy_; }
  Process &sessiond() { return *sessiond_; }
  DemoBackend &backend() { return *backend_; }  // REQUIRES: options.backend_port was 0
  const TempDir &dir() const { return dir_; }

  // One command on the admin socket and its whole answer, without the blank line at the end.
  std::string admin(std::string_view command) const;
  Json admin_json(std::string_view command) const { return Json{admin(command)}; }
  // The listed sessions (`show sess json`).
  size_t sessions_count() const;
  // Until sessiond has heard of what its clients have seen already.
  void wait_sessions(size_t count, Millis timeout = kSoon) const;
  // Until sessiond has logged the opening of `count` sessions: before, it cannot hand them back,
  // and an operator cannot change them.
  void wait_created(size_t count = 1) const;
  Finished ctl(std::vector<std::string> args) const;  // holdfastctl on this pair
  Json health() const;                                // GET /health through the proxy

  void kill_sessiond();   // SIGKILL
  void start_sessiond();  // with the conf as it is now; ready on return
  void kill_proxy();
  void start_proxy();
  // The proxy and sessiond see each other; fails the test when they do not soon.
  void wait_linked() const;
  // Writes proxy.conf anew with other options (the port stays); nothing is told to reload.
  void rewrite_proxy_conf(const PairOptions &options);
  // The certificate the proxy shows after its next start or reload.
  void write_identity(const Identity &identity);
  std::string proxy_conf_path() const { return dir_.file("proxy.conf"); }
  std::string sessiond_conf_path() const { return dir_.file("sessiond.conf"); }

 private:
  std::string proxy_conf(const PairOptions &options) const;
  std::string sessiond_conf(const PairOptions &options) const;

  PairOptions options_;
  TempDir dir_;
  std::unique_ptr<DemoBackend> backend_;
  uint16_t backend_port_ = 0;
  uint16_t proxy_port_ = 0;
  std::unique_ptr<Process> sessiond_;
  std::unique_ptr<Process> proxy_;
  std::unique_ptr<TlsTunnel> tunnel_;
};

// The first serving process below a master, by what the master logs.
pid_t serving_pid(Process &master);

}  // namespace holdfast::test
