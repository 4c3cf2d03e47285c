#include "proxy/text_pattern.h"

#include "proxy/http/byte_class.h"

namespace holdfast::proxy {
namespace {

constexpr std::string_view kOperators = ".[]()*+?{}|^$\\";

bool is_operator(char c) noexcept { return kOperators.find(c) != std::string_view::npos; }

bool is_punctuation(char c) noexcept {
  const auto byte = static_cast<unsigned char>(c);
  return byte > ' ' && byte < 0x7f && !(c >= '0' && c <= '9') && !(c >= 'a' && c <= 'z') &&
         !(c >= 'A' && c <= 'Z');
}

}  // namespace

Result<TextPattern> TextPattern::of_map(std::string_view written) {
  if (written.starts_with('~')) return of_expression(written);
  if (written.ends_with('*')) return TextPattern(written.substr(0, written.size() - 1), true, true);
  return TextPattern(written, false, true);
}

Result<TextPattern> TextPattern::of_expression(std::string_view written) {
  const auto refused = [written] {
    return Error{Errc::config, 0,
                 "the regular expression \"" + std::string(written) +
                     "\" is not supported by this version; write ~^TEXT or ~^TEXT$, with a "
                     "backslash before each operator in TEXT"};
  };
  std::string_view rest = written.substr(1);
  const bool any_case = rest.starts_with('*');
  if (any_case) rest.remove_prefix(1);
  if (!rest.starts_with('^')) return refused();
  rest.remove_prefix(1);
  std::string text;
  while (!rest.empty()) {
    if (rest == "$") return TextPattern(text, false, any_case);
    if (rest == ".*" || rest == ".*$") break;
    const bool escaped = rest[0] == '\\';
    if (escaped) rest.remove_prefix(1);
    // A letter behind a backslash is a class of them, or a reference.
    if (escaped ? rest.empty() || !is_punctuation(rest[0]) : is_operator(rest[0])) return refused();
    text += rest[0];
    rest.remove_prefix(1);
  }
  return TextPattern(text, true, any_case);
}

Result<TextPattern> TextPattern::of_field(std::string_view written) {
  if (written.empty()) return Error{Errc::config, 0, "a text is missing"};
  if (written.starts_with('~')) {
    return Error{Errc::config, 0,
                 "regular expressions are not supported by this version; write TEXT or TEXT*"};
  }
  if (written.ends_with('*'))
    return TextPattern(written.substr(0, written.size() - 1), true, false);
  return TextPattern(written, false, false);
}

bool TextPattern::matches(std::string_view text) const noexcept {
  if (prefix_ ? text.size() < text_.size() : text.size() != text_.size()) return false;
  if (!any_case_) return text.starts_with(text_);
  return http::iequals(text.substr(0, text_.size()), text_);
}

}  // namespace holdfast::proxy
