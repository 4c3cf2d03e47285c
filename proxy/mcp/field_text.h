// What the Mcp-* fields of a request's head say (2026-07-28, "Value Encoding"). Pure.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace holdfast::proxy::mcp {

// The text of an Mcp-Name as it is meant: what stands in "=?base64?…?=" is decoded, anything else
// is the text itself. nullopt for a value so marked that is not exactly one encoding of UTF-8. May
// hold any character, also such as a field cannot.
std::optional<std::string> name_in_field(std::string_view value);

}  // namespace holdfast::proxy::mcp
