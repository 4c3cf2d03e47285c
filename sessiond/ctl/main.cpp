// holdfastctl: asks sessiond over its admin socket, as loginctl asks logind.
#include <unistd.h>

#include <cstdlib>
#include <iostream>

#include "sessiond/ctl/verbs.h"

int main(int argc, char **argv) {
  using namespace holdfast::ctl;
  const CommandLine line = parse_command_line(argc, argv);
  if (!line.options) {
    (line.exit == Exit::done ? std::cout : std::cerr) << line.text;
    return static_cast<int>(line.exit);
  }
  Client client(candidate_sockets(line.options->socket, std::getenv("HOLDFAST_SOCKET"),
                                  std::getenv("XDG_RUNTIME_DIR")));
  Console console{std::cout, std::cerr, std::cin, isatty(STDIN_FILENO) == 1};
  return static_cast<int>(run_verb(*line.options, client, console));
}
