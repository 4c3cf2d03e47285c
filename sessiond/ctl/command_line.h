// What holdfastctl was asked to do: verbs, options and filters, read with CLI11. Knows no socket.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "sessiond/ctl/exit_code.h"

namespace holdfast::ctl {

enum class Verb {
  status,
  list_sessions,
  session_status,
  show_session,
  terminate_session,
  terminate_user,
  set,
  drain,
  reload,
  health,
  show_config,
  explain,
  list_backends,
  backend_status,
  drain_backend,
  disable_backend,
  enable_backend,
};

enum class Output { table, json, json_pretty };

struct Options {
  Verb verb = Verb::list_sessions;
  std::vector<std::string> args;  // ids, users, or the words of set and drain

  std::string socket;  // empty: look for it
  Output output = Output::table;
  bool legend = true;
  bool full = false;   // whole session ids
  bool quiet = false;  // errors only
  bool yes = false;    // do not ask

  std::vector<std::pair<std::string, std::string>> filters;  // of list-sessions, in admin words
  std::vector<std::string> properties;                       // of show-session; empty: all
  bool values_only = false;
  bool origin = false;                              // of show-config
  std::optional<std::chrono::milliseconds> wait{};  // of drain
};

// Either options, or a text and the code to exit with (help and version exit with `done`).
struct CommandLine {
  std::optional<Options> options;
  Exit exit = Exit::done;
  std::string text;
};
CommandLine parse_command_line(int argc, const char *const *argv);

}  // namespace holdfast::ctl
