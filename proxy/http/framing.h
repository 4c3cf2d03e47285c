// Reads the two fields that delimit a body (RFC 9112 section 6), more strictly than the RFC asks:
// whatever two parsers could read differently is refused. Pure; any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace holdfast::proxy::http {

// The value of Content-Length: 1 to 18 digits and nothing else, so that no sum overflows.
std::optional<uint64_t> parse_content_length(std::string_view value) noexcept;

enum class TransferCoding : uint8_t {
  chunked,      // the whole value is "chunked"
  unsupported,  // a well-formed list of codings that ends in its only "chunked"
  malformed     // anything else: where the body ends is not certain
};
TransferCoding parse_transfer_encoding(std::string_view value) noexcept;

}  // namespace holdfast::proxy::http
