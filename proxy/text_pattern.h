// Which texts a rule means: one text, or all that begin with one. What a `map` and a location go by
// comes from clients with every request, so nothing here can take longer than the text is long: of
// nginx's regular expressions only those are had that say the same as one of the two. Pure.
#pragma once

#include <string>
#include <string_view>

#include "common/result.h"

namespace holdfast::proxy {

class TextPattern {
 public:
  // As the left side of a `map` has it. Errc::config.
  //   TEXT             exactly TEXT, in either case (as in nginx)
  //   TEXT*            what begins with TEXT, in either case
  //   ~^TEXT           what begins with TEXT; "~^TEXT.*" is the same
  //   ~^TEXT$          exactly TEXT
  //   ~*^TEXT ~*^TEXT$ the same in either case
  // In the last three a backslash makes the operator behind it a letter like any other.
  static Result<TextPattern> of_map(std::string_view written);

  // As mcp_method= and mcp_name= of a location have it: TEXT or TEXT*, and case counts.
  static Result<TextPattern> of_field(std::string_view written);

  bool matches(std::string_view text) const noexcept;

  const std::string &text() const noexcept { return text_; }
  bool prefix() const noexcept { return prefix_; }
  // REQUIRES: of_field().
  std::string written() const { return prefix_ ? text_ + '*' : text_; }

  friend bool operator==(const TextPattern &, const TextPattern &) = default;

 private:
  TextPattern(std::string_view text, bool prefix, bool any_case)
      : text_(text), prefix_(prefix), any_case_(any_case) {}
  static Result<TextPattern> of_expression(std::string_view written);

  std::string text_;
  bool prefix_;
  bool any_case_;
};

}  // namespace holdfast::proxy
