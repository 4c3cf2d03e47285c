#include "common/command_line.h"

#include <getopt.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <system_error>

#include "common/conf_dump.h"
#include "common/suggest.h"

namespace holdfast {

namespace {

constexpr std::array kSignals{DaemonSignal::stop, DaemonSignal::quit, DaemonSignal::reopen,
                              DaemonSignal::reload, DaemonSignal::upgrade};

constexpr int kShowSecrets = 1000;
const option kLongOptions[] = {{"show-secrets", no_argument, nullptr, kShowSecrets},
                               {"help", no_argument, nullptr, 'h'},
                               {"version", no_argument, nullptr, 'v'},
                               {nullptr, 0, nullptr, 0}};

Error usage(std::string message) { return Error{Errc::config, 0, std::move(message)}; }

Result<DaemonSignal> parse_signal(std::string_view word) {
  std::vector<std::string_view> words;
  for (const DaemonSignal signal : kSignals) {
    if (to_word(signal) == word) return signal;
    words.push_back(to_word(signal));
  }
  return usage("invalid option: \"-s " + std::string(word) + "\"" + did_you_mean(word, words) +
               " (stop, quit, reopen, reload, upgrade)");
}

std::string missing_argument(int letter) {
  switch (letter) {
    case 'c':
      return "option \"-c\" requires file name";
    case 'e':
      return "option \"-e\" requires error log file name";
    case 'g':
      return "option \"-g\" requires directives";
    case 'p':
      return "option \"-p\" requires directory name";
    case 's':
      return "option \"-s\" requires stop, quit, reopen, reload or upgrade";
    default:
      return "option requires an argument";
  }
}

Result<void> apply_option(CommandLine &line, int letter, const char *argument) {
  switch (letter) {
    case 'h':
      line.help = true;
      return {};
    case 'v':
      line.version = true;
      return {};
    case 'V':
      line.build_info = true;
      return {};
    case 't':
      line.test = true;
      return {};
    case 'T':
      line.test = line.dump = true;
      return {};
    case 'q':
      line.quiet = true;
      return {};
    case kShowSecrets:
      line.show_secrets = true;
      return {};
    case 'c':
      line.conf_path = argument;
      break;
    case 'p':
      line.prefix = argument;
      break;
    case 'e':
      line.error_log = argument;
      break;
    case 'g':
      line.directives = argument;
      break;
    case 's': {
      const auto signal = parse_signal(argument);
      if (!signal) return signal.error();
      line.signal = *signal;
      return {};
    }
    default:
      return usage("invalid option");
  }
  if (*argument == '\0') return usage(missing_argument(letter));
  return {};
}

// What getopt could not read; '?' alone is also how it reports a plain -?.
Result<void> refuse_option(CommandLine &line, char *const *argv, int before) {
  const std::string word = argv[before] == nullptr ? "" : argv[before];
  if (optopt == '?' || (optopt == 0 && word == "-?")) {
    line.help = true;
    return {};
  }
  if (optopt != 0 && optopt < kShowSecrets) {
    return usage(std::string("invalid option: \"") + static_cast<char>(optopt) + "\"");
  }
  return usage("invalid option: \"" + word + "\"");
}

}  // namespace

std::string_view to_word(DaemonSignal signal) noexcept {
  switch (signal) {
    case DaemonSignal::stop:
      return "stop";
    case DaemonSignal::quit:
      return "quit";
    case DaemonSignal::reopen:
      return "reopen";
    case DaemonSignal::reload:
      return "reload";
    case DaemonSignal::upgrade:
      return "upgrade";
  }
  return "";
}

Result<CommandLine> parse_command_line(int argc, char *const *argv) {
  CommandLine line;
  optind = 0;  // glibc: begin anew, also for a second call
  opterr = 0;
  for (;;) {
    const int before = optind == 0 ? 1 : optind;
    // "+": what stands behind the first word that is no option is not looked at; ":" tells a
    // missing argument from an unknown letter.
    const int letter = ::getopt_long(argc, argv, "+:hvVtTqc:p:e:g:s:", kLongOptions, nullptr);
    if (letter == -1) break;
    if (letter == ':') return usage(missing_argument(optopt));
    const auto outcome =
        letter == '?' ? refuse_option(line, argv, before) : apply_option(line, letter, optarg);
    if (!outcome) return outcome.error();
  }
  if (optind < argc) return usage(std::string("invalid option: \"") + argv[optind] + "\"");
  return line;
}

std::string help_text(std::string_view program, std::string_view default_conf) {
  const std::string name(program);
  return version_text(program) + "Usage: " + name +
         " [-?hvVtTq] [-s signal] [-p prefix] [-e filename] [-c filename] [-g directives]\n"
         "\n"
         "Options:\n"
         "  -?,-h          : this help\n"
         "  -v             : show version and exit\n"
         "  -V             : show version, libraries and build options and exit\n"
         "  -t             : test configuration and exit\n"
         "  -T             : test configuration, dump it and exit\n"
         "  --show-secrets : dump secrets as they are\n"
         "  -q             : suppress non-error messages during configuration testing\n"
         "  -s signal      : send signal to the running daemon: stop, quit, reopen, reload,\n"
         "                   upgrade (holdfast-proxy: the program and the configuration that lie\n"
         "                   there now take over, no connection is lost)\n"
         "  -p prefix      : where relative paths start (default: the folder of the "
         "configuration)\n"
         "  -e filename    : error log file until the configuration says otherwise\n"
         "  -c filename    : configuration file (default: " +
         std::string(default_conf) +
         ")\n"
         "  -g directives  : main-level directives that override the configuration file\n";
}

namespace {

std::vector<std::filesystem::path> default_folders(const CommandLine &line) {
  if (!line.prefix.empty()) return {line.prefix};
  const std::filesystem::path system_wide = "/etc/holdfast";
  if (::geteuid() == 0) return {system_wide, "conf", "."};
  std::vector<std::filesystem::path> folders;
  const char *config_home = std::getenv("XDG_CONFIG_HOME");
  const char *home = std::getenv("HOME");
  if (config_home != nullptr && *config_home == '/') {
    folders.push_back(std::filesystem::path(config_home) / "holdfast");
  } else if (home != nullptr && *home == '/') {
    folders.push_back(std::filesystem::path(home) / ".config" / "holdfast");
  }
  folders.insert(folders.end(), {"conf", ".", system_wide});
  return folders;
}

Result<std::filesystem::path> find_default(const CommandLine &line, std::string_view name) {
  std::string tried;
  for (const std::filesystem::path &folder : default_folders(line)) {
    const std::filesystem::path path = (folder / name).lexically_normal();
    std::error_code ignored;
    if (std::filesystem::exists(path, ignored)) return path;
    tried += (tried.empty() ? "" : ", ") + path.string();
  }
  return Error{Errc::not_found, 0,
               "no configuration file; looked for " + tried + " (name one with -c)"};
}

}  // namespace

Result<ConfRequest> make_conf_request(const CommandLine &line, std::string_view default_name) {
  std::filesystem::path path = line.conf_path;
  if (path.empty()) {
    auto found = find_default(line, default_name);
    if (!found) return found.error();
    path = *found;
  } else if (path.is_relative() && !line.prefix.empty()) {
    path = (std::filesystem::path(line.prefix) / path).lexically_normal();
  }
  std::error_code failed;
  const auto absolute = std::filesystem::absolute(path, failed).lexically_normal();
  const auto prefix = std::filesystem::absolute(line.prefix.empty() ? "." : line.prefix, failed);
  if (failed) return Error{Errc::io, failed.value(), "the working directory: " + failed.message()};
  ConfRequest request;
  request.path = absolute.string();
  request.shown_path = path.string();
  request.base_dir = (line.prefix.empty() ? absolute.parent_path()
                                          : (prefix / "").lexically_normal().parent_path())
                         .string();
  request.directives = line.directives;
  if (!line.error_log.empty()) {
    request.error_log = line.error_log == "stderr" ? "stderr" : request.resolve(line.error_log);
  }
  return request;
}

void print_findings(std::string_view program, const ConfTree &tree, const ConfReport &report) {
  const char *no_colour = std::getenv("NO_COLOR");
  const bool colour = ::isatty(STDERR_FILENO) == 1 && (no_colour == nullptr || *no_colour == '\0');
  const std::string text = report.text(tree.files, program, colour);
  (void)std::fwrite(text.data(), 1, text.size(), stderr);  // ignoring: nowhere left to complain
}

int print_conf_test(std::string_view program, const CommandLine &line, const ConfRequest &request,
                    const ConfTree &tree, const ConfReport &report) {
  if (!line.quiet || !report.ok()) print_findings(program, tree, report);
  const std::string name(program);
  const std::string path = request.shown_path.empty() ? request.path : request.shown_path;
  std::string text;
  if (!report.ok()) {
    text = name + ": configuration file " + path + " test failed (" +
           std::to_string(report.errors_count()) +
           (report.errors_count() == 1 ? " error)\n" : " errors)\n");
  } else if (!line.quiet) {
    text = name + ": the configuration file " + path + " syntax is ok\n" + name +
           ": configuration file " + path + " test is successful\n";
  }
  (void)std::fwrite(text.data(), 1, text.size(), stderr);  // ignoring: nowhere left to complain
  if (!report.ok()) return 1;
  if (line.dump) {
    const std::string dump = dump_conf(tree, line.show_secrets);
    if (std::fwrite(dump.data(), 1, dump.size(), stdout) != dump.size() ||
        std::fflush(stdout) != 0) {
      return 1;  // a dump that was cut short must not look whole
    }
  }
  return 0;
}

}  // namespace holdfast
