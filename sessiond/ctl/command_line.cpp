#include "sessiond/ctl/command_line.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <map>

#include "common/command_line.h"
#include "common/suggest.h"
#include "common/units.h"

namespace holdfast::ctl {
namespace {

struct VerbRow {
  Verb verb;
  const char *word;
  const char *help;
  const char *args;  // nullptr: takes none
  int args_min = 0;
  int args_max = 0;
};

constexpr int kMany = 10'000;

constexpr std::array<VerbRow, 17> kVerbs = {{
    {Verb::status, "status", "Show the daemon, its limits and its backends", nullptr},
    {Verb::list_sessions, "list-sessions", "List sessions (the default)", nullptr},
    {Verb::session_status, "session-status", "Show sessions, for people", "ID", 1, kMany},
    {Verb::show_session, "show-session", "Show sessions as KEY=VALUE, for scripts", "ID", 1, kMany},
    {Verb::explain, "explain", "Why a session lives on, when it ends, or why it ended", "ID", 1, 1},
    {Verb::terminate_session, "terminate-session", "End sessions", "ID", 1, kMany},
    {Verb::terminate_user, "terminate-user", "End all sessions of users", "USER", 1, kMany},
    {Verb::set, "set", "Change a session: ID persistent on|off", "ID PROPERTY VALUE", 3, 3},
    {Verb::drain, "drain",
     "Let the proxies finish what runs and exit; on, off: only stop or resume admitting sessions",
     "exit|on|off", 0, 1},
    {Verb::reload, "reload", "Read the configuration anew, in both daemons", nullptr},
    {Verb::health, "health", "Print /health; exit 1 when degraded or draining", nullptr},
    {Verb::list_backends, "list-backends", "List the servers of all upstreams", nullptr},
    {Verb::backend_status, "backend-status", "Show upstreams or servers, for people",
     "UPSTREAM[/SERVER]", 1, kMany},
    {Verb::drain_backend, "drain-backend", "Send servers no new sessions; those they have stay",
     "UPSTREAM/SERVER", 1, kMany},
    {Verb::disable_backend, "disable-backend",
     "The same for maintenance: its health checks stop, too", "UPSTREAM/SERVER", 1, kMany},
    {Verb::enable_backend, "enable-backend", "Send servers new sessions again", "UPSTREAM/SERVER",
     1, kMany},
    {Verb::show_config, "show-config", "Show the settings in force", nullptr},
}};

struct OutputRow {
  std::string_view word;
  Output output;
};
constexpr std::array<OutputRow, 3> kOutputs = {{
    {"table", Output::table},
    {"json", Output::json},
    {"json-pretty", Output::json_pretty},
}};

// Options of list-sessions and the words `show sess` has for them.
constexpr std::array<std::array<const char *, 3>, 6> kFilters = {{
    {"--user", "user", "Sessions of this user"},
    {"--backend", "backend", "Sessions on this upstream, or upstream/server"},
    {"--transport", "transport", "sse, streamable or listen"},
    {"--state", "state", "opening, active, streaming, idle or closing"},
    {"--policy", "policy", "Sessions of this policy"},
    {"--idle-over", "idle_over", "Idle for at least so long, as in 10m"},
}};

// What CLI11 stores before it is checked and becomes Options.
struct Raw {
  std::string output = "table";
  std::string wait;
  std::map<std::string, std::string> filters;
  bool no_legend = false;
};

void add_globals(CLI::App &app, Options &into, Raw &raw) {
  app.add_option("-s,--socket", into.socket, "The daemon's admin socket");
  app.add_option("-o,--output", raw.output, "table, json or json-pretty");
  app.add_flag("--no-legend", raw.no_legend, "No header and no footer");
  app.add_flag("-l,--full", into.full, "Whole session ids (they are credentials)");
  app.add_flag("-q,--quiet", into.quiet, "Print errors only");
  app.add_flag("-y,--yes", into.yes, "Do not ask before ending all sessions of a user");
  app.footer("An id that begins with \"-\" stands after \"--\".");
}

void add_verb(CLI::App &app, const VerbRow &row, Options &into, Raw &raw) {
  CLI::App *verb = app.add_subcommand(row.word, row.help);
  verb->callback([&into, &row] { into.verb = row.verb; });
  if (row.args != nullptr) {
    verb->add_option(row.args, into.args)
        ->expected(row.args_min, row.args_max)
        ->required(row.args_min > 0);
  }
  if (row.verb == Verb::list_sessions) {
    for (const auto &[option, word, help] : kFilters) {
      verb->add_option(option, raw.filters[word], help);
    }
  } else if (row.verb == Verb::show_session) {
    verb->add_option("-p,--property", into.properties, "Only this property (repeatable)")
        ->allow_extra_args(false);
    verb->add_flag("--value", into.values_only, "Values without their names");
  } else if (row.verb == Verb::drain) {
    verb->add_option("--wait", raw.wait,
                     "Wait so long for the last session (exit: the last proxy) to end, as in 60s");
  } else if (row.verb == Verb::show_config) {
    verb->add_flag("--origin", into.origin, "Show where each setting comes from");
  }
}

CommandLine failed(const std::string &what) {
  return {std::nullopt, Exit::usage, "holdfastctl: " + what + "\n"};
}

// Words the parser found no place for; it keeps the "--" among them.
std::vector<std::string> left_over(const CLI::App &app) {
  std::vector<std::string> words = app.remaining(true);
  std::erase(words, "--");
  return words;
}

// Neither an option nor expected: most likely a misspelt verb.
CommandLine unexpected(const CLI::App &app, const std::string &word) {
  if (!app.get_subcommands().empty()) return failed("unexpected argument \"" + word + "\"");
  std::vector<std::string_view> words;
  words.reserve(std::size(kVerbs));
  for (const VerbRow &row : kVerbs) words.emplace_back(row.word);
  return failed("unknown command \"" + word + "\"" + did_you_mean(word, words));
}

bool all_sendable(const Options &options) {
  for (const std::string &arg : options.args) {
    if (!is_admin_word_possible(arg)) return false;
  }
  for (const auto &[word, value] : options.filters) {
    if (!is_admin_word_possible(value)) return false;
  }
  return true;
}

// What the parser cannot know: words, durations, bytes that cannot be sent.
CommandLine checked(Options options, const Raw &raw) {
  const auto *row = std::find_if(kOutputs.begin(), kOutputs.end(),
                                 [&](const OutputRow &o) { return o.word == raw.output; });
  if (row == kOutputs.end()) {
    return failed("\"" + raw.output + "\" is not a format; table, json or json-pretty");
  }
  options.output = row->output;
  options.legend = !raw.no_legend;
  for (const auto &[word, value] : raw.filters) {
    if (!value.empty()) options.filters.emplace_back(word, value);
  }
  if (!raw.wait.empty()) {
    const auto patience = parse_duration(raw.wait);
    if (!patience) return failed(patience.error().message);
    options.wait = *patience;
  }
  if (!all_sendable(options)) return failed("an argument has control characters");
  return {std::move(options), Exit::done, {}};
}

}  // namespace

CommandLine parse_command_line(int argc, const char *const *argv) {
  Options options;
  Raw raw;
  CLI::App app("Look at and steer the session daemon of Holdfast", "holdfastctl");
  app.fallthrough();  // global options may stand after the verb
  app.allow_extras();
  app.require_subcommand(0, 1);
  app.set_version_flag("-V,--version", "holdfastctl " + std::string(holdfast_version()));
  add_globals(app, options, raw);
  for (const VerbRow &row : kVerbs) add_verb(app, row, options, raw);
  try {
    app.parse(argc, argv);
  } catch (const CLI::CallForHelp &) {
    return {std::nullopt, Exit::done, app.help()};
  } catch (const CLI::CallForVersion &asked) {
    return {std::nullopt, Exit::done, std::string(asked.what()) + "\n"};
  } catch (const CLI::ParseError &wrong) {
    return failed(wrong.what());
  }
  if (const auto words = left_over(app); !words.empty()) return unexpected(app, words.front());
  return checked(std::move(options), raw);
}

}  // namespace holdfast::ctl
