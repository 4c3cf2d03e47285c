#include "common/conf_lexer.h"

#include <algorithm>

namespace holdfast {

namespace {

constexpr std::string_view kByteOrderMark = "\xef\xbb\xbf";

bool is_blank(char c) noexcept { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }
bool ends_bare_word(char c) noexcept {
  return is_blank(c) || c == ';' || c == '{' || c == '}' || c == '\0';
}
bool is_control(char c) noexcept {
  return (static_cast<unsigned char>(c) < 0x20 && !is_blank(c)) || c == 0x7f;
}
bool is_environment_char(char c) noexcept {
  return (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

}  // namespace

ConfLexer::ConfLexer(uint32_t file, std::string text, ConfSource &source, ConfReport &report)
    : file_(file), text_(std::move(text)), source_(source), report_(report) {
  if (std::string_view(text_).substr(0, kByteOrderMark.size()) == kByteOrderMark) {
    at_ = kByteOrderMark.size();
  }
}

char ConfLexer::peek(size_t ahead) const noexcept {
  return at_ + ahead < text_.size() ? text_[at_ + ahead] : '\0';
}

ConfSpan ConfLexer::span_from(size_t begin) const noexcept {
  return {file_, static_cast<uint32_t>(begin), static_cast<uint32_t>(at_)};
}

bool ConfLexer::nothing_before_on_line(size_t offset) const noexcept {
  while (offset > 0 && text_[offset - 1] != '\n') {
    if (!is_blank(text_[--offset])) return false;
  }
  return true;
}

void ConfLexer::skip_blanks_and_comments() {
  while (!at_end()) {
    const char c = text_[at_];
    if (c == '#') {
      at_ = std::min(text_.find('\n', at_), text_.size());
    } else if (is_control(c)) {
      ++at_;
      if (!told_control_character_) {
        report_.error(span_from(at_ - 1), "a control character stands in the configuration");
      }
      told_control_character_ = true;
    } else if (is_blank(c)) {
      ++at_;
    } else {
      return;
    }
  }
}

ConfToken ConfLexer::next() {
  skip_blanks_and_comments();
  const size_t begin = at_;
  ConfToken token;
  if (at_end()) {
    token.span = span_from(begin);
    return token;
  }
  switch (text_[at_]) {
    case ';':
      token.kind = ConfToken::Kind::semicolon;
      break;
    case '{':
      token.kind = ConfToken::Kind::open;
      break;
    case '}':
      token.kind = ConfToken::Kind::close;
      break;
    default:
      token = text_[at_] == '"' || text_[at_] == '\'' ? quoted_word() : bare_word();
      break;
  }
  if (token.kind != ConfToken::Kind::word) ++at_;
  token.span = span_from(begin);
  token.first_on_line = nothing_before_on_line(begin);
  return token;
}

ConfToken ConfLexer::bare_word() {
  ConfToken token;
  token.kind = ConfToken::Kind::word;
  while (!at_end() && !ends_bare_word(text_[at_]) && !is_control(text_[at_])) {
    if (text_[at_] == '\\') {
      take_escape(token.text, true);
    } else if (text_[at_] == '$' && peek(1) == '{') {
      take_variable(token.text);
    } else {
      token.text += text_[at_++];
    }
  }
  return token;
}

ConfToken ConfLexer::quoted_word() {
  ConfToken token;
  token.kind = ConfToken::Kind::word;
  token.quoted = true;
  const size_t begin = at_;
  const char quote = text_[at_++];
  while (!at_end() && text_[at_] != quote) {
    if (text_[at_] == '\\') {
      take_escape(token.text, false);
    } else if (quote == '"' && text_[at_] == '$' && peek(1) == '{') {
      take_variable(token.text);
    } else {
      token.text += text_[at_++];
    }
  }
  if (at_end()) {
    const auto begin32 = static_cast<uint32_t>(begin);
    report_.error({file_, begin32, begin32 + 1}, "this quote is never closed");
    ran_into_end_ = true;
    return token;
  }
  ++at_;
  if (!at_end() && !ends_bare_word(text_[at_])) {
    const auto at32 = static_cast<uint32_t>(at_);
    report_.error({file_, at32, at32 + 1},
                  std::string("unexpected \"") + text_[at_] + "\" directly after a closing quote");
  }
  return token;
}

// What a backslash does is nginx's rule: it takes the meaning from quotes, itself and (in a bare
// word) what would end the word; \t \r \n are those characters; before anything else it stays.
void ConfLexer::take_escape(std::string &out, bool bare) {
  const char next = peek(1);
  if (at_ + 1 >= text_.size()) {
    out += text_[at_++];
    return;
  }
  at_ += 2;
  switch (next) {
    case 't':
      out += '\t';
      return;
    case 'r':
      out += '\r';
      return;
    case 'n':
      out += '\n';
      return;
    case '"':
    case '\'':
    case '\\':
      out += next;
      return;
    default:
      break;
  }
  if (!(bare && ends_bare_word(next))) out += '\\';
  out += next;
}

void ConfLexer::take_variable(std::string &out) {
  const size_t begin = at_;
  size_t end = at_ + 2;
  while (end < text_.size() && is_environment_char(text_[end])) ++end;
  const std::string name = text_.substr(begin + 2, end - begin - 2);
  const bool has_default = text_.compare(end, 2, ":-") == 0;
  const bool is_environment =
      !name.empty() && end < text_.size() && (text_[end] == '}' || has_default);
  const size_t close = text_.find_first_of("}\n", end);
  if (close == std::string::npos || text_[close] != '}') {
    at_ = begin + 2;
    report_.error(span_from(begin), "\"${\" is never closed");
    return;
  }
  at_ = close + 1;
  if (!is_environment) {
    out += text_.substr(begin, at_ - begin);
  } else if (const auto value = source_.environment(name)) {
    out += *value;
  } else if (has_default) {
    out += text_.substr(end + 2, close - end - 2);
  } else {
    report_.error(span_from(begin), "environment variable \"" + name + "\" is not set (write ${" +
                                        name + ":-default} to give one)");
  }
}

}  // namespace holdfast
