// mcp-load: the load generator of every measurement. One thread, one epoll set; every reply is
// checked: status, JSON-RPC id, order of events. With --pid the CPU time and memory of the target's
// processes are read from /proc around exactly the measured window.
#include <charconv>
#include <csignal>
#include <cstdio>

#include "tests/bench/tools/load_modes.h"
#include "tests/bench/tools/options.h"

namespace {

using namespace holdfast::bench;

constexpr const char *kUsage =
    "usage: mcp-load MODE [options]\n"
    "  call     --conns keep-alive connections, one session each, calls in a closed loop\n"
    "  big      the same with large bodies; also MB/s\n"
    "  churn    connect, initialize, initialized, tools/call, DELETE, close\n"
    "  once     --conns at a time: connect, one GET /ping, close\n"
    "  idle     --streams open event streams; memory of each\n"
    "  conns    --conns idle keep-alive connections without sessions; memory of each\n"
    "  events   --streams event streams fed by the backend; loss, order, added latency\n"
    "  slow     --slow streams that stop reading beside --streams that go on\n"
    "  legacy   HTTP+SSE: POST, then the reply on the event stream\n"
    "  --target HOST:PORT    proxy to load (127.0.0.1:8080)\n"
    "  --path /mcp --legacy-path /sse\n"
    "  --tls TRUSTED.pem     speak TLS 1.3; the server must prove to be localhost\n"
    "  --conns N --streams N --slow N\n"
    "  --sessions N          churn: this many instead of --seconds\n"
    "  --req-bytes N         text argument of tools/call (100)\n"
    "  --expect-bytes N      a shorter response body is an error\n"
    "  --seconds T --warmup T --setup-limit T\n"
    "  --sources N           client addresses from 127.0.0.2 on (1 = 127.0.0.1 only)\n"
    "  --pid P[,P]           target processes; descendants are included\n"
    "  --mock-pid P          the backend, to see whether it was the bottleneck\n"
    "  --json                one JSON object instead of a table\n"
    "exit status: 0 no errors, 1 errors were counted, 2 usage";

std::vector<int> parse_pids(const std::string &text) {
  std::vector<int> pids;
  const char *at = text.data();
  const char *const end = at + text.size();
  while (at < end) {
    int pid = 0;
    const auto parsed = std::from_chars(at, end, pid);
    if (parsed.ec != std::errc{} || pid <= 0) die("not a list of pids: %s", text.c_str());
    pids.push_back(pid);
    at = parsed.ptr + (parsed.ptr < end ? 1 : 0);
  }
  return pids;
}

void read_target(const std::string &target, LoadSettings &settings) {
  const size_t colon = target.rfind(':');
  if (colon == std::string::npos) die("--target wants HOST:PORT");
  settings.host = target.substr(0, colon);
  const char *port = target.data() + colon + 1;
  if (std::from_chars(port, target.data() + target.size(), settings.port).ec != std::errc{}) {
    die("--target: not a port: %s", port);
  }
  settings.address = inet_address(settings.host, settings.port);
}

LoadSettings read_settings(int argc, char **argv) {
  LoadSettings settings;
  settings.mode = argv[1];
  Options options(argc, argv, 2);
  read_target(options.str("--target", "127.0.0.1:8080"), settings);
  settings.path = options.str("--path", settings.path);
  settings.legacy_path = options.str("--legacy-path", settings.legacy_path);
  settings.conns = options.count("--conns", settings.conns);
  settings.streams = options.count("--streams", settings.streams);
  settings.slow = options.count("--slow", settings.slow);
  settings.sessions = options.count("--sessions", settings.sessions);
  settings.req_bytes = options.count("--req-bytes", settings.req_bytes);
  settings.expect_bytes = options.count("--expect-bytes", settings.expect_bytes);
  settings.seconds = options.num("--seconds", settings.seconds);
  settings.warmup_s = options.num("--warmup", settings.warmup_s);
  settings.setup_limit_s = options.num("--setup-limit", settings.setup_limit_s);
  settings.sources = static_cast<unsigned>(options.count("--sources", settings.sources));
  settings.pids = parse_pids(options.str("--pid", ""));
  settings.mock_pids = parse_pids(options.str("--mock-pid", ""));
  settings.json = options.flag("--json");
  const std::string trusted = options.str("--tls", "");
  if (!trusted.empty()) settings.tls = TlsRules::client(trusted);
  options.done();
  return settings;
}

}  // namespace

int main(int argc, char **argv) {
  if (argc < 2 || std::string_view(argv[1]) == "--help") {
    (void)std::puts(kUsage);
    return argc < 2 ? 2 : 0;
  }
  const LoadSettings settings = read_settings(argc, argv);
  (void)raise_nofile();  // ignoring: what it is now is what there is
  (void)std::signal(SIGPIPE, SIG_IGN);
  LoadContext load(settings);
  Report report;
  report.text("mode", settings.mode);
  if (!LoadModes(load, report).run(settings.mode)) {
    die("unknown mode %s\n%s", settings.mode.c_str(), kUsage);
  }
  report.num("errors", static_cast<double>(load.errors.total()));
  report.text("error_kinds", load.errors.text());
  report.print(settings.json);
  return load.errors.total() > 0 ? 1 : 0;
}
