#include "common/conf_report.h"

#include <algorithm>

namespace holdfast {

namespace {

constexpr size_t kExcerptBytesMax = 160;
constexpr std::string_view kRed = "\x1b[1;31m";
constexpr std::string_view kYellow = "\x1b[1;33m";
constexpr std::string_view kPlain = "\x1b[0m";

bool is_continuation(char c) noexcept { return (static_cast<unsigned char>(c) & 0xc0u) == 0x80u; }

size_t characters_in(std::string_view text) noexcept {
  return static_cast<size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return !is_continuation(c); }));
}

std::string_view line_at(std::string_view text, size_t offset, size_t &line_begin) {
  const size_t before = offset == 0 ? std::string_view::npos : text.rfind('\n', offset - 1);
  line_begin = before == std::string_view::npos ? 0 : before + 1;
  return text.substr(line_begin, text.find('\n', line_begin) - line_begin);
}

// A terminal must not obey what a configuration contains.
std::string harmless(std::string_view text) {
  std::string result(text);
  std::replace_if(
      result.begin(), result.end(),
      [](char c) { return (static_cast<unsigned char>(c) < 0x20 && c != '\t') || c == 0x7f; }, ' ');
  return result;
}

// The source line and the caret under what is meant; nothing for lines too long to help.
std::string excerpt(std::string_view text, const ConfSpan &span) {
  size_t line_begin = 0;
  const size_t begin = std::min<size_t>(span.begin, text.size());
  const std::string line = harmless(line_at(text, begin, line_begin));
  if (line.size() > kExcerptBytesMax) return "";
  const std::string number = std::to_string(place_of(text, span.begin).line);
  const std::string margin(number.size() < 6 ? 6 - number.size() : 0, ' ');
  std::string out = margin + number + " | " + line + "\n";
  out += std::string(std::max<size_t>(number.size(), 6), ' ') + " | ";
  const size_t column_bytes = std::min(begin - line_begin, line.size());
  for (const char c : line.substr(0, column_bytes)) {
    if (!is_continuation(c)) out += c == '\t' ? '\t' : ' ';
  }
  const size_t end = std::min<size_t>(std::max(span.end, span.begin), line_begin + line.size());
  const size_t width = end > begin ? characters_in(text.substr(begin, end - begin)) : 1;
  return out + '^' + std::string(width > 0 ? width - 1 : 0, '~') + "\n";
}

}  // namespace

ConfPlace place_of(std::string_view text, uint32_t offset) noexcept {
  const std::string_view before = text.substr(0, std::min<size_t>(offset, text.size()));
  const size_t newline = before.rfind('\n');
  ConfPlace place;
  place.line = 1 + static_cast<size_t>(std::count(before.begin(), before.end(), '\n'));
  place.column =
      1 + characters_in(newline == std::string_view::npos ? before : before.substr(newline + 1));
  return place;
}

std::string place_text(const std::vector<ConfFile> &files, const ConfSpan &span) {
  if (!span.has_file() || span.file >= files.size()) return "";
  const ConfPlace place = place_of(files[span.file].text, span.begin);
  return files[span.file].name() + ":" + std::to_string(place.line) + ":" +
         std::to_string(place.column);
}

void ConfReport::error(const ConfSpan &span, const std::string &message) {
  ++errors_count_;
  add(Severity::error, span, message);
}

void ConfReport::warning(const ConfSpan &span, const std::string &message) {
  add(Severity::warning, span, message);
}

void ConfReport::add(Severity severity, const ConfSpan &span, const std::string &message) {
  if (findings_.size() >= kFindingsKeptMax) return;
  findings_.push_back({severity, harmless(message), span});
}

void ConfReport::sort() {
  std::stable_sort(findings_.begin(), findings_.end(), [](const Finding &a, const Finding &b) {
    if (a.span.file != b.span.file) return a.span.file < b.span.file;
    return a.span.begin < b.span.begin;
  });
}

std::string ConfReport::text(const std::vector<ConfFile> &files, std::string_view program,
                             bool colour) const {
  std::string out;
  size_t shown = 0;
  for (const Finding &finding : findings_) {
    const bool is_error = finding.severity == Severity::error;
    if (is_error && ++shown > kFindingsShownMax) continue;
    const std::string word = is_error ? "[emerg]" : "[warn]";
    const std::string place = place_text(files, finding.span);
    out += std::string(program) + ": ";
    out += colour ? std::string(is_error ? kRed : kYellow) + word + std::string(kPlain) : word;
    out += " " + finding.message + (place.empty() ? "" : " in " + place) + "\n";
    if (!place.empty()) out += excerpt(files[finding.span.file].text, finding.span);
  }
  if (errors_count_ > kFindingsShownMax) {
    out += std::string(program) + ": " + std::to_string(errors_count_ - kFindingsShownMax) +
           " more errors are not shown\n";
  }
  return out;
}

std::vector<std::string> ConfReport::warnings(const std::vector<ConfFile> &files) const {
  std::vector<std::string> lines;
  for (const Finding &finding : findings_) {
    if (finding.severity != Severity::warning) continue;
    const std::string place = place_text(files, finding.span);
    lines.push_back(finding.message + (place.empty() ? "" : " in " + place));
  }
  return lines;
}

}  // namespace holdfast
