// mcp-mock: the backend of every measurement. Speaks Streamable HTTP on /mcp and legacy HTTP+SSE on
// /sse and /messages.
//
//   POST /mcp   initialize             JSON, Mcp-Session-Id header
//               a notification         202
//               any other request      JSON (or an event stream of one event) of --resp-bytes
//   GET  /mcp   (text/event-stream)    an open stream; --rate events per second
//   DELETE /mcp                        200
//   GET  /sse                          endpoint event, then an open stream
//   POST /messages?sessionId=…         202, the reply goes to the stream
//   any /ping                          200, no session needed
//
// Every request after initialize must carry a session id this mock issued; anything else is 404, so
// that a proxy that loses the header is noticed. It first prints {"port":N} (--port 0 lets the
// kernel choose) and on SIGTERM its counters, as JSON.
#include <csignal>
#include <cstdio>

#include "tests/bench/tools/mock_server.h"
#include "tests/bench/tools/options.h"

namespace {

constexpr const char *kUsage =
    "usage: mcp-mock [--host 127.0.0.1] [--port 9000] [--resp-bytes 200] [--sse-response]\n"
    "                [--delay-ms 0] [--rate EVENTS_PER_S] [--event-bytes 64] [--stall-bytes N]\n"
    "                [--tls CERTIFICATE.pem --tls-key KEY.pem]\n"
    "                [--fault status|close|id|session|lose|repeat]   every 50th is wrong";

volatile int stop_signal = 0;

}  // namespace

int main(int argc, char **argv) {
  using namespace holdfast::bench;
  Options options(argc, argv, 1);
  if (options.flag("--help")) {
    (void)std::puts(kUsage);
    return 0;
  }
  MockSettings settings;
  settings.host = options.str("--host", settings.host);
  settings.port = options.port("--port", settings.port);
  settings.resp_bytes = options.count("--resp-bytes", settings.resp_bytes);
  settings.sse_response = options.flag("--sse-response");
  settings.delay_ms = options.num("--delay-ms", settings.delay_ms);
  settings.rate = options.num("--rate", settings.rate);
  settings.event_bytes = options.count("--event-bytes", settings.event_bytes);
  settings.stall_bytes = options.count("--stall-bytes", settings.stall_bytes);
  settings.fault = options.str("--fault", settings.fault);
  const std::string certificate = options.str("--tls", "");
  if (!certificate.empty())
    settings.tls = TlsRules::server(certificate, options.str("--tls-key", ""));
  options.done();
  (void)raise_nofile();  // ignoring: what it is now is what there is
  (void)std::signal(SIGPIPE, SIG_IGN);
  struct sigaction action {};
  action.sa_handler = [](int number) { stop_signal = number; };
  (void)::sigaction(SIGTERM, &action, nullptr);
  (void)::sigaction(SIGINT, &action, nullptr);
  MockServer server(std::move(settings));
  (void)std::printf("{\"port\":%u}\n", server.port());
  (void)std::fflush(stdout);
  server.run(stop_signal);
  server.print_counters();
  return 0;
}
