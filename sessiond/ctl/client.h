// Asks sessiond over its admin socket: one connection and one line a question. Blocks, with a
// bound. The first socket that answers stays the one that is asked.
#pragma once

#include <chrono>
#include <string>
#include <string_view>
#include <vector>

#include "common/admin_line.h"
#include "sessiond/ctl/exit_code.h"

namespace holdfast::ctl {

// Where to look: the one that was named, else the documented places in their order.
std::vector<std::string> candidate_sockets(const std::string &named, const char *env_socket,
                                           const char *env_runtime_dir);

// An answer's text, or why there is none.
struct Reply {
  Exit exit = Exit::done;
  std::string text;  // without the closing blank line; of a fault the sentence alone
};

// Sorts what came over the socket: "error: [word] sentence" becomes its exit code.
Reply read_reply(std::string_view answer);

class Client {
 public:
  explicit Client(std::vector<std::string> sockets) : sockets_(std::move(sockets)) {}

  // Longer than a command waits for a proxy (5 s) and a large list takes.
  static constexpr std::chrono::seconds kPatience{30};

  Reply ask(const AdminWords &words);

 private:
  // What one socket gave: an answer, or the reason there was none.
  struct Attempt {
    bool answered = false;
    Reply reply;
  };
  static Attempt ask_at(const std::string &socket, const std::string &line);

  std::vector<std::string> sockets_;
};

}  // namespace holdfast::ctl
