// How answers look: tables with a header and loginctl's footer, details for people, KEY=VALUE for
// scripts. Pure: JSON in, text out. What a peer chose prints without control characters.
#pragma once

#include <chrono>
#include <string>
#include <string_view>
#include <vector>

#include "common/json.h"

namespace holdfast::ctl {

// The two largest units: "1d2h", "3m10s", "0s".
std::string short_duration(std::chrono::milliseconds duration);

// `text` as it may go to a terminal: every control character as "?".
std::string printable(std::string_view text);

// Left-aligned columns, two blanks apart, the last one ragged. Rows have as many cells as the
// header.
std::string table(const std::vector<std::string> &header,
                  const std::vector<std::vector<std::string>> &rows, bool with_header);

// `sessions`: an array as `show sess json` gives it.
std::string session_table(const json_t *sessions, bool legend);
std::string session_details(const json_t *session);
// KEY=VALUE lines; `only`: these keys (all when empty), in the order of the session.
std::string session_properties(const json_t *session, const std::vector<std::string> &only,
                               bool values_only);
// `backends`: an array as `show servers state json` gives it.
std::string backend_table(const json_t *backends, bool legend);
std::string backend_details(const json_t *backend);
// `info` and `stat` as `show info json` and `show stat json` give them.
std::string status_text(const json_t *info, const json_t *stat);
std::string reload_text(const json_t *outcome);

}  // namespace holdfast::ctl
