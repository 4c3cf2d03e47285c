#include "common/conf_values.h"

#include "common/conf_schema.h"
#include "common/limits.h"

namespace holdfast {

namespace {

std::string in_quotes(std::string_view text) { return '"' + std::string(text) + '"'; }

bool is_unsupported_log_target(std::string_view target) {
  return target.substr(0, 7) == "syslog:" || target == "journal" || target == "memory" ||
         target.substr(0, 7) == "memory:";
}

LogLevel level_of(std::string_view word) {
  if (word == "debug") return LogLevel::debug;
  if (word == "info" || word == "notice") return LogLevel::info;
  if (word == "warn") return LogLevel::warn;
  return LogLevel::error;
}

}  // namespace

ErrorLog read_error_log(const ConfDirective &directive, const ConfRequest &request,
                        ConfReport &report) {
  ErrorLog log;
  const ConfWord &target = directive.args.front();
  if (is_unsupported_log_target(target.text)) {
    report.error(target.span, in_quotes(target.text) + " is not supported by this version; write " +
                                  "stderr or a path");
  } else if (target.text != "stderr") {
    log.target = request.resolve(target.text);
  }
  if (directive.args.size() > 1) {
    const ConfWord &level = directive.args[1];
    if (is_choice(kLogLevelWords, level.text)) {
      log.level = level_of(level.text);
    } else {
      report.error(level.span, in_quotes(level.text) + " is not a log level (" +
                                   choices_text(kLogLevelWords) + ")");
    }
  }
  return log;
}

RunAs read_user(const ConfDirective &directive, ConfSource &source, ConfReport &report) {
  RunAs run_as;
  run_as.user = directive.args.front().text;
  if (directive.args.size() > 1) run_as.group = directive.args[1].text;
  const auto id = source.user_id(run_as.user);
  if (!id) report.error(directive.args.front().span, id.error().message);
  return run_as;
}

std::string read_path_or_off(const ConfDirective &directive, const ConfRequest &request) {
  const std::string &text = directive.args.front().text;
  return text == "off" ? "" : request.resolve(text);
}

std::string read_socket_path(std::string_view text, const ConfSpan &span,
                             const ConfRequest &request, ConfReport &report) {
  constexpr std::string_view kScheme = "unix:";
  if (text.substr(0, kScheme.size()) == kScheme) text.remove_prefix(kScheme.size());
  if (text.empty()) {
    report.error(span, "a socket path is missing; write unix:run/NAME.sock");
    return "";
  }
  std::string path = request.resolve(text);
  if (path.size() > kSocketPathBytesMax) {
    report.error(span, in_quotes(path) + " is " + std::to_string(path.size()) +
                           " bytes long; a Unix socket path holds at most " +
                           std::to_string(kSocketPathBytesMax));
    return "";
  }
  return path;
}

std::vector<std::string> arg_texts(const ConfDirective &directive) {
  std::vector<std::string> texts;
  texts.reserve(directive.args.size());
  for (const ConfWord &word : directive.args) texts.push_back(word.text);
  return texts;
}

ConfParam split_param(std::string_view word) noexcept {
  const size_t equals = word.find('=');
  if (equals == std::string_view::npos) return {word, {}, false};
  return {word.substr(0, equals), word.substr(equals + 1), true};
}

}  // namespace holdfast
