// How this process was started, so that an upgrade can start the program that lies at the same path
// by then. Read once, at the start of main().
#pragma once

#include <string>
#include <vector>

namespace holdfast::proxy {

struct Launch {
  std::string program;  // absolute, links as they were given: they may lead elsewhere later
  std::vector<std::string> args;  // with argv[0]
};

// REQUIRES: the working directory is still that of the start.
Launch own_launch(int argc, char *const *argv);

}  // namespace holdfast::proxy
