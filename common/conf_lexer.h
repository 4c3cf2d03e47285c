// nginx's configuration grammar as tokens: bare words, "…" and '…' with backslash escapes, ; { }
// and # comments. ${VAR} and ${VAR:-default} are replaced in bare words and double quotes when VAR
// is of [A-Z0-9_] only; other names are nginx-style variables and stay as written. A value never
// ends a word: what an environment variable holds is always part of one word. Pure but for the
// ConfSource.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "common/conf_report.h"
#include "common/conf_source.h"

namespace holdfast {

struct ConfToken {
  enum class Kind { word, semicolon, open, close, end };
  Kind kind = Kind::end;
  ConfSpan span;
  std::string text;            // of a word: unquoted, expanded
  bool quoted = false;         // was in quotes, hence never a directive swallowed by mistake
  bool first_on_line = false;  // only blanks stand before it
};

class ConfLexer {
 public:
  // `file` is the index that spans carry; borrows source and report.
  ConfLexer(uint32_t file, std::string text, ConfSource &source, ConfReport &report);

  // The next token; Kind::end for ever after the last. Faults are reported and skipped.
  ConfToken next();

  // True once a quote was never closed: everything after it was swallowed, so that what is missing
  // at the end is a consequence, not a fault of its own.
  bool ran_into_end() const noexcept { return ran_into_end_; }

 private:
  bool at_end() const noexcept { return at_ >= text_.size(); }
  char peek(size_t ahead = 0) const noexcept;
  ConfSpan span_from(size_t begin) const noexcept;
  void skip_blanks_and_comments();
  bool nothing_before_on_line(size_t offset) const noexcept;
  ConfToken bare_word();
  ConfToken quoted_word();
  void take_escape(std::string &out, bool bare);
  void take_variable(std::string &out);

  const uint32_t file_;
  const std::string text_;
  ConfSource &source_;
  ConfReport &report_;
  size_t at_ = 0;
  bool ran_into_end_ = false;
  bool told_control_character_ = false;  // one complaint per file is enough
};

}  // namespace holdfast
