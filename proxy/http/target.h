// The request target (RFC 9112 section 3.2): its form, its parts, and the path rules. Nothing is
// ever decoded, merged or rewritten, so that proxy and backend cannot disagree about what was
// asked. Pure; any thread.
#pragma once

#include <string_view>

#include "proxy/http/message.h"

namespace holdfast::proxy::http {

struct Target {
  std::string_view origin;     // what is forwarded: path and query, or "*"
  std::string_view path;       // of origin, up to "?"
  std::string_view query;      // after "?"
  std::string_view scheme;     // of an absolute-form, as received; else empty
  std::string_view authority;  // of an absolute-form, not yet checked; else empty
};

// Splits `raw` (REQUIRES: only bytes 0x21-0x7e, not empty) into `out`. Result: nullptr when it is a
// valid origin-form, absolute-form or (for OPTIONS) asterisk-form; else why not, a fixed text.
const char *parse_target(std::string_view raw, Method method, Target &out) noexcept;

// The rule of prefix routes: false when servers are known to disagree about which resource the
// path names: a dot segment (also with parameters: "..;x"), an encoded ".", "/" or "\", or an empty
// segment other than the one after a final "/". REQUIRES: a path parse_target accepted.
bool path_is_unambiguous(std::string_view path) noexcept;

}  // namespace holdfast::proxy::http
