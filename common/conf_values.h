// Values of directives that both daemons have, and how they are read. The checker has seen the
// directives; what is wrong beyond that goes to the report. Pure but for the ConfSource.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "common/conf_parser.h"
#include "common/conf_report.h"
#include "common/conf_source.h"
#include "common/log.h"

namespace holdfast {

// `error_log TARGET [LEVEL]`: "stderr" or an absolute path.
struct ErrorLog {
  std::string target = "stderr";
  LogLevel level = LogLevel::info;

  friend bool operator==(const ErrorLog &, const ErrorLog &) = default;
};

// `user NAME [GROUP]`: who the daemon becomes when started as root; empty = stays who it is.
struct RunAs {
  std::string user;
  std::string group;  // empty = the user's own group

  friend bool operator==(const RunAs &, const RunAs &) = default;
};

// The words of error_log's level, nginx's included.
inline constexpr std::string_view kLogLevelWords = "debug|info|notice|warn|error|crit|alert|emerg";

ErrorLog read_error_log(const ConfDirective &directive, const ConfRequest &request,
                        ConfReport &report);
RunAs read_user(const ConfDirective &directive, ConfSource &source, ConfReport &report);

// An absolute path, or "" for `off`.
std::string read_path_or_off(const ConfDirective &directive, const ConfRequest &request);

// "unix:PATH" or "PATH", made absolute; "" after an error (empty, or longer than a socket's path
// may be).
std::string read_socket_path(std::string_view text, const ConfSpan &span,
                             const ConfRequest &request, ConfReport &report);

// The texts of a directive's arguments.
std::vector<std::string> arg_texts(const ConfDirective &directive);

// Splits "name=value"; an empty value part when there is no '='.
struct ConfParam {
  std::string_view name;
  std::string_view value;
  bool has_value = false;
};
ConfParam split_param(std::string_view word) noexcept;

}  // namespace holdfast
