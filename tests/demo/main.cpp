// holdfast-demo-backend: a small MCP server that speaks every era of the protocol on one port, to
// try Holdfast with and to test it against. Prints one line, {"port":N}, when it accepts.
#include <csignal>
#include <cstdio>

#include "tests/demo/demo.h"

int main(int argc, char **argv) {
  using namespace holdfast::demo;
  const auto options = parse_options(argc, argv);
  if (!options) {
    (void)std::fprintf(stderr, "holdfast-demo-backend: %s\n", options.error().message.c_str());
    return 1;
  }
  if ((*options).help) {
    (void)std::fputs(usage().c_str(), stdout);
    return 0;
  }
  (void)std::signal(SIGPIPE, SIG_IGN);
  const auto demo = Demo::create(*options);
  if (!demo) {
    (void)std::fprintf(stderr, "holdfast-demo-backend: %s\n", demo.error().message.c_str());
    return 1;
  }
  (void)std::printf("{\"port\":%u}\n", static_cast<unsigned>((*demo)->port()));
  (void)std::fflush(stdout);
  (*demo)->run();
  return 0;
}
