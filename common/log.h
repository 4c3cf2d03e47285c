// The error log of both daemons: one line per record, "LEVEL event=… key=value", to stderr or a
// file opened with O_APPEND and written with one write(2) per record. Values that a peer chose go
// through quoted(). Thread-safe. The level and the sink are the only globals of the project.
//
//   log_info("event=stream_closed session={} reason={}", handle, reason);
#pragma once

#include <fmt/core.h>

#include <string>
#include <string_view>

#include "common/result.h"

namespace holdfast {

enum class LogLevel : int { debug, info, warn, error };  // words equal the directive's (error_log)

// Opens the sink: "stderr" or a path. Replaces the previous one only on success.
Result<void> log_open(const std::string &target, LogLevel level);
Result<void> log_reopen();                  // after logrotate: opens the same path anew
void log_level(LogLevel level) noexcept;    // from now on
void log_prefix(std::string_view program);  // "holdfast-proxy"; set once at start
bool log_enabled(LogLevel level) noexcept;
void log_line(LogLevel level, std::string_view text) noexcept;

// Writes `text` exactly (with a line end), without level or prefix: the contract lines of SPEC §1.
void log_verbatim(std::string_view text) noexcept;

// A value as it may stand in a log line: every byte below 0x20, 0x7f, from 0x80, `\` and `"`
// escaped, at most `bytes_max` of input, in double quotes when it holds a blank or was escaped.
std::string quoted(std::string_view value, size_t bytes_max = 256);

template <class... Args>
void log_debug(fmt::format_string<Args...> f, Args &&...args) {
  if (log_enabled(LogLevel::debug))
    log_line(LogLevel::debug, fmt::format(f, std::forward<Args>(args)...));
}
template <class... Args>
void log_info(fmt::format_string<Args...> f, Args &&...args) {
  if (log_enabled(LogLevel::info))
    log_line(LogLevel::info, fmt::format(f, std::forward<Args>(args)...));
}
template <class... Args>
void log_warn(fmt::format_string<Args...> f, Args &&...args) {
  if (log_enabled(LogLevel::warn))
    log_line(LogLevel::warn, fmt::format(f, std::forward<Args>(args)...));
}
template <class... Args>
void log_error(fmt::format_string<Args...> f, Args &&...args) {
  if (log_enabled(LogLevel::error))
    log_line(LogLevel::error, fmt::format(f, std::forward<Args>(args)...));
}

}  // namespace holdfast
