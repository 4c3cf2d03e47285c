// The demo backend's command line. Everything beyond --host and --port makes it misbehave in one
// named way that real servers show, for the end-to-end tests. Pure; no thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "common/clock.h"
#include "common/result.h"

namespace holdfast::demo {

// How the legacy transport writes the URI of its `endpoint` event; each is met in the wild, except
// foreign, which a client must refuse.
enum class EndpointForm { relative, bare, absolute, host, session_id, path, crlf, foreign };

struct Options {
  std::string host = "127.0.0.1";
  uint16_t port = 0;                               // 0: the kernel chooses
  bool answer_sse = true;                          // 2025 POSTs: event stream, else plain JSON
  EndpointForm endpoint = EndpointForm::relative;  // of the legacy stream
  bool sessions = true;                            // false: 2xx without Mcp-Session-Id
  Millis keepalive{0};                             // SSE comments on every stream; 0: none
  Millis delay{0};                                 // before any POST is looked at
  int refuse_initialize = 0;                       // HTTP status for initialize; 0: accept
  int unknown_session = 404;  // what an unknown session id gets; 400: as some do
  Millis forget_idle{0};      // unused sessions become unknown; 0: never
  std::string version = "1";  // of serverInfo
  std::optional<uint64_t> die_after_posts_count;  // the next POST ends the process unanswered
  bool help = false;                              // print usage() and exit 0
};

// Errc::config with a message that names the option and the value.
Result<Options> parse_options(int argc, char **argv);

// The text of --help.
std::string usage();

}  // namespace holdfast::demo
