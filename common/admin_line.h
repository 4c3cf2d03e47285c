// The admin socket's lines as words (PROTOCOL.md section 2): how sessiond reads a command line and
// how holdfastctl writes one, and the words errors are sorted by. Pure; any thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "common/close_reason.h"
#include "common/result.h"

namespace holdfast {

using AdminWords = std::vector<std::string>;

// More commands on one line than a person types.
inline constexpr size_t kAdminCommandsPerLineMax = 64;

// The commands of a line, separated by `;`, each as its words, separated by blanks. "…" keeps
// blanks and semicolons; a backslash takes the next character as it is. Empty commands vanish.
// Errc::protocol: an unclosed quote, a control character, or too many commands.
Result<std::vector<AdminWords>> split_admin_line(std::string_view line);

// `word` so that split_admin_line() gives it back as one word. REQUIRES: no control characters.
std::string admin_word(std::string_view word);
bool is_admin_word_possible(std::string_view word) noexcept;

// Why a command was not done; the word in the brackets of `error: [word] …`.
enum class AdminFault : uint8_t {
  usage,      // not understood
  not_found,  // no such session
  refused,    // understood and not done
  denied,     // not allowed for this peer
};
template <>
std::span<const EnumWord<AdminFault>> enum_words<AdminFault>() noexcept;

// "error: [not_found] no session \"abcd\"\n"; line ends inside `what` become blanks.
std::string admin_error(AdminFault fault, std::string_view what);

}  // namespace holdfast
