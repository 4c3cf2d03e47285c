#include "proxy/http/byte_class.h"
#include "proxy/http/head_writer.h"

namespace holdfast::proxy::http {
namespace {

// Removes a comment, which may nest and quote; its text may hold commas.
void skip_comment(std::string_view &rest) noexcept {
  size_t depth = 0;
  while (!rest.empty()) {
    const char c = rest.front();
    if (c == '\\' && rest.size() > 1) rest.remove_prefix(1);
    rest.remove_prefix(1);
    if (c == '(') ++depth;
    if (c == ')' && --depth == 0) return;
  }
}

void skip_blanks(std::string_view &rest) noexcept {
  while (!rest.empty() && is_blank(rest.front())) rest.remove_prefix(1);
}

std::string_view take_word(std::string_view &rest) noexcept {
  const std::string_view word = rest.substr(0, rest.find_first_of(" \t,("));
  rest.remove_prefix(word.size());
  skip_blanks(rest);
  return word;
}

}  // namespace

// Via = #( received-protocol RWS received-by [ RWS comment ] )
bool via_names(std::string_view via_value, std::string_view pseudonym) noexcept {
  std::string_view rest = via_value;
  while (!rest.empty()) {
    skip_blanks(rest);
    (void)take_word(rest);  // ignoring: any protocol version counts
    if (!pseudonym.empty() && iequals(take_word(rest), pseudonym)) return true;
    while (!rest.empty() && rest.front() != ',') {
      if (rest.front() == '(') {
        skip_comment(rest);
      } else {
        rest.remove_prefix(1);
      }
    }
    if (!rest.empty()) rest.remove_prefix(1);
  }
  return false;
}

}  // namespace holdfast::proxy::http
