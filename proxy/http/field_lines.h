// The field section of a head, the same for requests and responses (RFC 9112 section 5, 9110
// section 5): one strict pass. What a field means is judged by the parser of
// its direction. Pure; any thread.
#pragma once

#include <string_view>

#include "proxy/http/field_names.h"
#include "proxy/http/head_parser.h"
#include "proxy/http/message.h"

namespace holdfast::proxy::http {

// Reads the field lines at the beginning of `bytes`, which follow the request or status line, up to
// and including the empty line; `section_bytes` is then their length. Fields named in `singletons`,
// and every Mcp-* name, may occur once. Result: status 0 when accepted, else 400 or 431 for the
// first fault by position; bytes that end before the empty line are a fault, too.
HeadError parse_field_lines(std::string_view bytes, FieldSet singletons, FieldList &out,
                            size_t &section_bytes) noexcept;

struct ConnectionOptions {
  bool close = false;     // one of them is "close"
  bool too_many = false;  // more than kConnectionOptionsMax; the rest was not looked at
};
// Reads every Connection field and marks the fields its options name, as far as they may be named.
ConnectionOptions apply_connection(FieldList &fields) noexcept;

}  // namespace holdfast::proxy::http
