// The admin socket's commands, as one table: name, arguments, level, help, handler. `help`, the
// checks and the suggestions read the rows. A command answers through a callback, at once or when
// the core has done what was asked. Knows no socket. Loop thread only.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>

#include "common/admin_line.h"
#include "sessiond/service.h"

namespace holdfast::sessiond {

// What a peer may do; each level includes the ones before it.
enum class AdminLevel : uint8_t {
  user,     // look
  operate,  // "operator", which C++ keeps for itself: end sessions, change them, drain
  admin,    // reload, see whole session ids
};
std::string_view to_word(AdminLevel level) noexcept;

struct AdminPeer {
  AdminLevel level = AdminLevel::user;
  uid_t uid = 0;
  pid_t pid = 0;
};

// One command's answer, without the blank line that ends it.
struct AdminAnswer {
  enum class Then : uint8_t { go_on, prompt, quit };

  std::string text;
  // Appends the next piece of a long answer; false: that was the last one. Empty: text is all.
  std::function<bool(std::string &)> more;
  Then then = Then::go_on;
};

using AdminReply = std::function<void(AdminAnswer)>;

// One command under way, as its handler sees it.
struct AdminCall {
  Service &service;
  AdminPeer peer;
  std::span<const std::string> args;  // after the command's name, without the closing `json`
  bool json = false;
  AdminReply reply;

  void answer(std::string text) const { reply(AdminAnswer{std::move(text), {}, {}}); }
  void fail(AdminFault fault, std::string_view what) const { answer(admin_error(fault, what)); }
};

struct AdminCommand {
  std::string_view name;  // one or two words
  std::string_view args;  // as help shows them
  uint8_t args_min = 0;
  uint8_t args_max = 0;
  bool json = false;  // a last word `json` asks for JSON
  AdminLevel level = AdminLevel::user;
  std::string_view help;
  void (*run)(const AdminCall &call);
};
std::span<const AdminCommand> admin_commands() noexcept;

// Runs one command. `reply` is called exactly once, perhaps before this returns; the rules of
// Service::submit() hold for it. REQUIRES: words is not empty.
void run_admin_command(Service &service, const AdminPeer &peer, const AdminWords &words,
                       AdminReply reply);

}  // namespace holdfast::sessiond
