// The daemons' command line: nginx's letters, read with getopt(3), and what follows from it alone:
// which file to read, where relative paths start, what -t, -T, -h, -v and -V print. Exit codes are
// 0 and 1. Not thread-safe (getopt); called once, at the start of main().
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "common/conf_parser.h"
#include "common/conf_report.h"
#include "common/conf_source.h"
#include "common/result.h"

namespace holdfast {

// Words equal those of -s.
enum class DaemonSignal { stop, quit, reopen, reload, upgrade };
std::string_view to_word(DaemonSignal signal) noexcept;

struct CommandLine {
  bool help = false;                   // -h -? --help
  bool version = false;                // -v --version
  bool build_info = false;             // -V
  bool test = false;                   // -t, and -T
  bool dump = false;                   // -T
  bool quiet = false;                  // -q
  bool show_secrets = false;           // --show-secrets
  std::optional<DaemonSignal> signal;  // -s
  std::string conf_path;               // -c; empty = the default
  std::string prefix;                  // -p
  std::string error_log;               // -e
  std::string directives;              // -g
};

// Errc::config with what getopt would have printed; the caller adds its name and exits 1.
Result<CommandLine> parse_command_line(int argc, char *const *argv);

// The text of -h.
std::string help_text(std::string_view program, std::string_view default_conf);

// One library as -V shows it; `running` empty when the library cannot tell.
struct LibraryVersion {
  std::string_view name;
  std::string compiled;
  std::string running;
};
std::string version_text(std::string_view program);  // "holdfast-proxy version: holdfast/0.1.0\n"
std::string build_info_text(std::string_view program, std::span<const LibraryVersion> libraries);
std::string_view holdfast_version() noexcept;  // "0.1.0"

// Which configuration the command line means. `default_name` ("proxy.conf") is looked for, without
// -c, in -p PREFIX; without that in /etc/holdfast (for users after their own
// ${XDG_CONFIG_HOME:-~/.config}/holdfast and ./conf). Errc::not_found lists where it was looked
// for.
Result<ConfRequest> make_conf_request(const CommandLine &line, std::string_view default_name);

// What a daemon's loader gives: a configuration or the reasons there is none; either way everything
// that was read and found.
template <class Config>
struct LoadedConf {
  std::shared_ptr<const Config> config;  // null when the report has errors
  ConfTree tree;
  ConfReport report;
};

// -t and -T: findings and nginx's two lines to stderr, the dump to stdout. Result: the exit code.
int print_conf_test(std::string_view program, const CommandLine &line, const ConfRequest &request,
                    const ConfTree &tree, const ConfReport &report);

// The findings as they go to stderr: coloured on a terminal unless NO_COLOR is set.
void print_findings(std::string_view program, const ConfTree &tree, const ConfReport &report);

}  // namespace holdfast
