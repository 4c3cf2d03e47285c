// Base64 (RFC 4648) read strictly: only the alphabet that was asked for, no blanks, no bits that
// are thrown away, so that two texts never mean the same bytes. Pure; any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace holdfast {

enum class Base64 : uint8_t {
  standard,  // section 4: "+" and "/", padded with "=" to whole groups of four
  url        // section 5: "-" and "_", without padding, as JSON web tokens have it
};

// nullopt when `text` is not exactly one encoding of some bytes.
std::optional<std::string> base64_decode(std::string_view text, Base64 form);

}  // namespace holdfast
