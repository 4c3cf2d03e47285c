// dotenv has one regular expression for a line; what follows is that expression by hand, because
// std::regex recurses per character and a long value would overflow the stack:
//   ^\s*(?:export\s+)?([\w.-]+)(?:\s*=\s*?|:\s+?)
//   (\s*'(?:\\'|[^'])*'|\s*"(?:\\"|[^"])*"|\s*`(?:\\`|[^`])*`|[^#\r\n]+)?\s*(?:#.*)?$
#include "common/env_file.h"

#include <algorithm>
#include <array>
#include <optional>

namespace holdfast {

namespace {

// Blanks beyond ASCII that JavaScript's \s and trim() know, as UTF-8.
constexpr std::array<std::string_view, 19> kWideBlanks{
    "\xc2\xa0",     "\xe1\x9a\x80", "\xe2\x80\x80", "\xe2\x80\x81", "\xe2\x80\x82",
    "\xe2\x80\x83", "\xe2\x80\x84", "\xe2\x80\x85", "\xe2\x80\x86", "\xe2\x80\x87",
    "\xe2\x80\x88", "\xe2\x80\x89", "\xe2\x80\x8a", "\xe2\x80\xa8", "\xe2\x80\xa9",
    "\xe2\x80\xaf", "\xe2\x81\x9f", "\xe3\x80\x80", "\xef\xbb\xbf"};

bool is_name_char(char c) noexcept {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
         c == '.' || c == '-';
}

// Bytes of the blank at `at`; 0 when there is none.
size_t blank_at(std::string_view text, size_t at) noexcept {
  if (at >= text.size()) return 0;
  const char c = text[at];
  if (c == ' ' || (c >= '\t' && c <= '\r')) return 1;
  if (static_cast<unsigned char>(c) < 0x80) return 0;
  for (const std::string_view blank : kWideBlanks) {
    if (text.substr(at, blank.size()) == blank) return blank.size();
  }
  return 0;
}

size_t skip_blanks(std::string_view text, size_t at) noexcept {
  for (size_t size = blank_at(text, at); size > 0; size = blank_at(text, at)) at += size;
  return at;
}

// JavaScript also ends lines at U+2028 and U+2029. Bytes of the line end at `at`; 0 = there is
// none.
size_t line_end_at(std::string_view text, size_t at) noexcept {
  if (at >= text.size()) return 0;
  if (text[at] == '\n') return 1;
  const std::string_view wide = text.substr(at, 3);
  return wide == "\xe2\x80\xa8" || wide == "\xe2\x80\xa9" ? 3 : 0;
}

// Where the line that `at` stands in ends.
size_t find_line_end(std::string_view text, size_t at) noexcept {
  while (at < text.size() && line_end_at(text, at) == 0) ++at;
  return at;
}

// `\s*(?:#.*)?$`: where the entry ends, when nothing but blanks and a comment follow.
std::optional<size_t> match_tail(std::string_view text, size_t at) {
  const size_t after = skip_blanks(text, at);
  if (after >= text.size()) return after;
  if (text[after] == '#') return find_line_end(text, after);
  // The blanks may have run into a later line, which is not a comment: end at the last line end.
  for (size_t end = after; end > at; --end) {
    if (line_end_at(text, end - 1) > 0) return end - 1;
  }
  return std::nullopt;
}

struct Match {
  size_t begin = 0;  // of the value, blanks included
  size_t end = 0;
  size_t next = 0;  // where to look for the next entry
};

// A quoted value at `at`: ends at the first quote that is not escaped, or, when that leaves more on
// the line than a comment, at an escaped one, the last first.
std::optional<Match> match_quoted(std::string_view text, size_t at, char quote) {
  const size_t open = skip_blanks(text, at);
  if (open >= text.size() || text[open] != quote) return std::nullopt;
  std::vector<size_t> closers;
  for (size_t i = open + 1; i < text.size(); ++i) {
    if (text[i] != quote) continue;
    closers.push_back(i);
    if (i == open + 1 || text[i - 1] != '\\') break;
  }
  for (auto closer = closers.rbegin(); closer != closers.rend(); ++closer) {
    if (const auto next = match_tail(text, *closer + 1)) return Match{at, *closer + 1, *next};
  }
  return std::nullopt;
}

std::optional<Match> match_value(std::string_view text, size_t at) {
  for (const char quote : {'\'', '"', '`'}) {
    if (auto match = match_quoted(text, at, quote)) return match;
  }
  const size_t end = std::min(text.find_first_of("#\n", at), text.size());
  const auto next = match_tail(text, end);
  if (!next) return std::nullopt;
  return Match{at, end, *next};
}

struct Key {
  std::string_view name;
  size_t value_at = 0;
};

std::optional<Key> match_key(std::string_view text, size_t at) {
  size_t end = at;
  while (end < text.size() && is_name_char(text[end])) ++end;
  if (end == at) return std::nullopt;
  const std::string_view name = text.substr(at, end - at);
  const size_t equals = skip_blanks(text, end);
  if (equals < text.size() && text[equals] == '=') return Key{name, equals + 1};
  if (end < text.size() && text[end] == ':') {
    if (const size_t blank = blank_at(text, end + 1)) return Key{name, end + 1 + blank};
  }
  return std::nullopt;
}

std::optional<Key> match_name(std::string_view text, size_t line_begin) {
  constexpr std::string_view kExport = "export";
  const size_t at = skip_blanks(text, line_begin);
  if (text.substr(at, kExport.size()) == kExport) {
    const size_t after = skip_blanks(text, at + kExport.size());
    if (after > at + kExport.size()) {
      if (auto key = match_key(text, after)) return key;
    }
  }
  return match_key(text, at);
}

void replace_all(std::string &text, std::string_view from, char to) {
  for (size_t at = text.find(from); at != std::string::npos; at = text.find(from, at + 1)) {
    text.replace(at, from.size(), 1, to);
  }
}

EnvEntry make_entry(std::string_view text, std::string_view name, const Match &match) {
  EnvEntry entry;
  size_t begin = skip_blanks(text.substr(0, match.end), match.begin);
  size_t end = begin;
  for (size_t at = begin; at < match.end;) {  // trim the end: blanks may be wider than a byte
    const size_t size = blank_at(text, at);
    at += std::max<size_t>(size, 1);
    if (size == 0) end = at;
  }
  entry.name = name;
  entry.begin = static_cast<uint32_t>(begin);
  entry.end = static_cast<uint32_t>(end);
  entry.value = text.substr(begin, end - begin);
  const char first = entry.value.empty() ? '\0' : entry.value.front();
  const bool is_quote = first == '"' || first == '\'' || first == '`';
  if (is_quote && entry.value.size() >= 2 && entry.value.back() == first) {
    entry.value = entry.value.substr(1, entry.value.size() - 2);
  }
  if (first == '"') {
    replace_all(entry.value, "\\n", '\n');
    replace_all(entry.value, "\\r", '\r');
  }
  return entry;
}

}  // namespace

std::string normalise_lines(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '\r') {
      out += text[i];
    } else {
      out += '\n';
      if (i + 1 < text.size() && text[i + 1] == '\n') ++i;
    }
  }
  return out;
}

std::vector<EnvEntry> parse_env_file(std::string_view raw) {
  const std::string normalised = normalise_lines(raw);
  const std::string_view text = normalised;
  std::vector<EnvEntry> entries;
  size_t line = 0;
  while (line < text.size()) {
    size_t next = line;
    if (const auto key = match_name(text, line)) {
      if (const auto match = match_value(text, key->value_at)) {
        entries.push_back(make_entry(text, key->name, *match));
        next = match->next;
      }
    }
    const size_t end = find_line_end(text, next);
    line = end + std::max<size_t>(line_end_at(text, end), 1);
  }
  return entries;
}

}  // namespace holdfast
