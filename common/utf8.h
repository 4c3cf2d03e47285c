// UTF-8 as RFC 3629 has it: no overlong forms, no surrogates, nothing above U+10FFFF. Pure; any
// thread.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace holdfast {

// Bytes of the well-formed character `text` begins with; 0 when it begins with none.
size_t utf8_char_bytes(std::string_view text) noexcept;

// `text` with every byte that is not part of a well-formed character as U+FFFD.
std::string utf8_repaired(std::string_view text);

// The longest prefix of well-formed `text` with at most `bytes_max` bytes that splits no character.
std::string_view utf8_prefix(std::string_view text, size_t bytes_max) noexcept;

}  // namespace holdfast
