#include "tests/support/pair.h"

#include <algorithm>
#include <filesystem>

#include "tests/support/hf_test.h"

namespace holdfast::test {
namespace {

constexpr std::string_view kTlsFiles =
    "ssl_certificate proxy.pem; ssl_certificate_key proxy.key;\n  ";

// The port in a line that says where a program listens.
uint16_t port_in(const std::string &line) {
  constexpr std::string_view kBefore = "address=127.0.0.1:";
  const size_t at = line.find(kBefore);
  if (at == std::string::npos) HF_FAIL("no port in: " + line);
  return static_cast<uint16_t>(std::stoi(line.substr(at + kBefore.size())));
}

}  // namespace

std::string program(std::string_view name) {
  return std::string(HF_BIN_DIR "/") + std::string(name);
}

std::vector<std::pair<std::string, std::string>> session_environment(
    std::vector<std::pair<std::string, std::string>> given) {
  for (const char *name :
       {"SESSION_TIMEOUT", "SESSION_CLEANUP_INTERVAL", "MAX_SESSIONS", "PERSISTENT_MODE"}) {
    const bool set = std::any_of(given.begin(), given.end(),
                                 [&](const auto &variable) { return variable.first == name; });
    if (!set) given.emplace_back(name, "");  // an empty variable is an unset one
  }
  return given;
}

DemoBackend::DemoBackend(std::vector<std::string> args)
    : process_({program("holdfast-demo-backend"), std::move(args), {}, {}}) {
  port_ = static_cast<uint16_t>(Json{process_.wait_for_line("{\"port\":")}["port"].integer());
}

Json backend_state(uint16_t port) {
  return Json{fetch(port, {"GET", "/_demo/state", {}, {}}).body};
}

Json DemoBackend::state() const { return backend_state(port_); }

Json DemoBackend::tell(std::string_view what, std::string_view order) const {
  const Response response =
      fetch(port_, {"POST", "/_demo/" + std::string(what), {}, std::string(order)});
  HF_EQ(response.status, 200);
  return Json{response.body};
}

Pair::Pair(PairOptions options) : options_(std::move(options)) {
  if (options_.backend_port == 0) {
    backend_ = std::make_unique<DemoBackend>(options_.backend_args);
  }
  backend_port_ = backend_ ? backend_->port() : options_.backend_port;
  (void)dir_.write("sessiond.conf", sessiond_conf(options_));
  (void)dir_.write("proxy.conf", proxy_conf(options_));
  if (options_.authority != nullptr) write_identity(options_.authority->issue({"DNS:localhost"}));
  if (options_.start_sessiond) start_sessiond();
  start_proxy();
  if (options_.authority != nullptr)
    tunnel_ = TlsTunnel::client(proxy_port_, options_.authority->pem());
  if (options_.start_sessiond) wait_linked();
}

void Pair::write_identity(const Identity &identity) {
  (void)dir_.write("proxy.pem", identity.certificate);
  (void)dir_.write("proxy.key", identity.key);
}

std::string Pair::sessiond_conf(const PairOptions &options) const {
  return "control_socket sessiond.sock;\nadmin_socket admin.sock " + options.sessiond_admin +
         ";\nhttp_socket http.sock;\npid sessiond.pid;\n" + options.sessiond + "\n";
}

std::string Pair::proxy_conf(const PairOptions &options) const {
  const std::string port = std::to_string(proxy_port_);
  const bool tls = options.authority != nullptr;
  return "worker_processes 2;\nsessiond unix:sessiond.sock;\npid proxy.pid;\n" +
         options.proxy_main +
         "\nupstream backend { server 127.0.0.1:" + std::to_string(backend_port_) + "; " +
         options.upstream + " }\nserver {\n  listen 127.0.0.1:" + port +
         (tls ? " ssl;\n  " + std::string(kTlsFiles) : ";\n  ") + options.server +
         "\n  location = /health { holdfast_health; }\n  " + options.locations +
         "\n  location / { proxy_pass " + options.backend_scheme + "://backend; " +
         options.location + " }\n}\n";
}

void Pair::rewrite_proxy_conf(const PairOptions &options) {
  (void)dir_.write("proxy.conf", proxy_conf(options));
}

void Pair::start_sessiond() {
  // A working directory of its own: a stray .env of the developer must not take part.
  sessiond_ = std::make_unique<Process>(Command{program("holdfast-sessiond"),
                                                {"-c", sessiond_conf_path()},
                                                session_environment(options_.sessiond_env),
                                                dir_.path()});
  (void)sessiond_->wait_for_line("event=ready");
}

void Pair::start_proxy() {
  std::string path = program("holdfast-proxy");
  if (options_.proxy_by_link) {
    const std::string link = dir_.file("holdfast-proxy");
    if (!std::filesystem::is_symlink(link)) std::filesystem::create_symlink(path, link);
    path = link;
  }
  proxy_ = std::make_unique<Process>(Command{path, {"-c", proxy_conf_path()}, {}, dir_.path()});
  proxy_port_ = port_in(proxy_->wait_for_line("event=listening"));
}

void Pair::kill_sessiond() { sessiond_->kill(); }

void Pair::kill_proxy() { proxy_->kill(); }

void Pair::wait_linked() const {
  HF_CHECK(eventually([&] { return health()["status"].text() == "ok"; }));
}

std::string Pair::admin(std::string_view command) const {
  Connection connection = Connection::unix_socket(dir_.file("admin.sock"));
  connection.send(std::string(command) + "\n");
  HF_CHECK(connection.wait_end() == PeerEnd::fin);
  std::string text = connection.buffer();
  while (text.ends_with('\n')) text.pop_back();
  return text;
}

size_t Pair::sessions_count() const { return admin_json("show sess json").size(); }

void Pair::wait_sessions(size_t count, Millis timeout) const {
  if (eventually([&] { return sessions_count() == count; }, timeout)) return;
  HF_EQ(sessions_count(), count);
}

void Pair::wait_created(size_t count) const {
  HF_CHECK(eventually([&] { return sessiond_->count_lines("session created") >= count; }));
}

Finished Pair::ctl(std::vector<std::string> args) const {
  args.insert(args.begin(), {"-s", dir_.file("admin.sock")});
  return run({program("holdfastctl"), std::move(args), {}, dir_.path()});
}

Json Pair::health() const { return Json{fetch(proxy_port(), {"GET", "/health", {}, {}}).body}; }

pid_t serving_pid(Process &master) {
  constexpr std::string_view kBefore = "event=serving pid=";
  const std::string line = master.wait_for_line(kBefore);
  return std::stoi(line.substr(line.find(kBefore) + kBefore.size()));
}

}  // namespace holdfast::test
