#include "common/admin_line.h"

#include <algorithm>

namespace holdfast {
namespace {

constexpr EnumWord<AdminFault> kAdminFaults[] = {
    {AdminFault::usage, "usage", "the command was not understood"},
    {AdminFault::not_found, "not_found", "there is no such session"},
    {AdminFault::refused, "refused", "the command was not carried out"},
    {AdminFault::denied, "denied", "this user may not do that"},
};

bool is_control(char c) noexcept { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }
bool is_blank(char c) noexcept { return c == ' ' || c == '\t'; }

// Collects words and commands while a line is read.
struct Splitter {
  std::vector<AdminWords> commands;
  AdminWords words;
  std::string word;
  bool in_word = false;

  void take(char c) {
    word += c;
    in_word = true;
  }
  void end_word() {
    if (in_word) words.push_back(std::move(word));
    word.clear();
    in_word = false;
  }
  void end_command() {
    end_word();
    if (!words.empty()) commands.push_back(std::move(words));
    words.clear();
  }
};

}  // namespace

template <>
std::span<const EnumWord<AdminFault>> enum_words<AdminFault>() noexcept {
  return kAdminFaults;
}

Result<std::vector<AdminWords>> split_admin_line(std::string_view line) {
  Splitter out;
  bool quoted = false;
  for (size_t i = 0; i < line.size(); ++i) {
    const char c = line[i];
    if (is_control(c) && c != '\t') {
      return Error{Errc::protocol, 0, "control character in the command"};
    }
    if (c == '\\') {
      if (++i == line.size()) return Error{Errc::protocol, 0, "the line ends with a backslash"};
      if (is_control(line[i])) return Error{Errc::protocol, 0, "control character in the command"};
      out.take(line[i]);
    } else if (c == '"') {
      quoted = !quoted;
      out.in_word = true;  // "" is an empty word
    } else if (!quoted && is_blank(c)) {
      out.end_word();
    } else if (!quoted && c == ';') {
      out.end_command();
    } else {
      out.take(c);
    }
  }
  if (quoted) return Error{Errc::protocol, 0, "a quote is not closed"};
  out.end_command();
  if (out.commands.size() > kAdminCommandsPerLineMax) {
    return Error{Errc::protocol, 0,
                 "more than " + std::to_string(kAdminCommandsPerLineMax) + " commands on a line"};
  }
  return std::move(out.commands);
}

std::string admin_word(std::string_view word) {
  const bool plain = !word.empty() && word.find_first_of(" ;\"\\\t") == std::string_view::npos;
  if (plain) return std::string(word);
  std::string out = "\"";
  for (const char c : word) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  return out + '"';
}

bool is_admin_word_possible(std::string_view word) noexcept {
  return std::none_of(word.begin(), word.end(), is_control);
}

std::string admin_error(AdminFault fault, std::string_view what) {
  std::string line = "error: [" + std::string(to_word(fault)) + "] " + std::string(what);
  std::replace_if(line.begin(), line.end(), is_control, ' ');
  return line + "\n";
}

}  // namespace holdfast
