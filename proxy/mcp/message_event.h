// A JSON text as the data of one server-sent `message` event (WHATWG HTML, 9.2.6), piece by piece
// and without a copy. Line breaks, which in JSON are only ever white space between tokens, begin
// further `data:` lines that the reader joins with LF again: LF comes back as it was, CR and CRLF
// as LF. Pure.
#pragma once

#include <string_view>

namespace holdfast::proxy::mcp {

class MessageEvent {
 public:
  static constexpr std::string_view kBegin = "event: message\ndata: ";
  static constexpr std::string_view kEnd = "\n\n";

  // The next piece of the event for `rest`, the JSON bytes at hand, from which it is taken: a view
  // into `rest` or a constant. Empty only when it used up `rest` (the LF of a CRLF).
  // REQUIRES: rest is not empty.
  std::string_view next(std::string_view &rest) noexcept {
    const bool crlf = after_cr_ && rest.front() == '\n';
    after_cr_ = false;
    if (crlf) rest.remove_prefix(1);
    const std::string_view piece = rest.substr(0, rest.find_first_of("\r\n"));
    if (!piece.empty() || rest.empty()) {
      rest.remove_prefix(piece.size());
      return piece;
    }
    after_cr_ = rest.front() == '\r';
    rest.remove_prefix(1);
    return kNextLine;
  }

 private:
  static constexpr std::string_view kNextLine = "\ndata: ";

  bool after_cr_ = false;
};

}  // namespace holdfast::proxy::mcp
