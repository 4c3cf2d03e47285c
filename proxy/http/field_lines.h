// The field section of a head, the same for requests and responses (RFC 9112 section 5, 9110
// section 5): one strict pass over complete bytes. What a field means is judged by the parser of
// its direction. Pure; any thread.
#pragma once

#include <string_view>

#include "proxy/http/field_names.h"
#include "proxy/http/head_parser.h"
#include "proxy/http/message.h"

namespace holdfast::proxy::http {

// Reads every field line of `section`, which is all that follows the request or status line up to
// and including the empty line. Fields named in `singletons`, and every Mcp-* name, may occur once.
// Result: status 0 when accepted, else 400 or 431 for the first fault by position.
HeadError parse_field_lines(std::string_view section, FieldSet singletons, FieldList &out) noexcept;

struct ConnectionOptions {
  bool close = false;     // one of them is "close"
  bool too_many = false;  // more than kConnectionOptionsMax; the rest was not looked at
};
// Reads every Connection field and marks the fields its options name, as far as they may be named.
ConnectionOptions apply_connection(FieldList &fields) noexcept;

// 1 to kSessionIdBytesMax bytes of 0x21-0x7e.
bool is_session_id(std::string_view value) noexcept;

}  // namespace holdfast::proxy::http
