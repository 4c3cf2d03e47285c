// The only look into JSON the bench tools need.
#pragma once

#include <charconv>
#include <cstdint>
#include <string_view>

namespace holdfast::bench {

// The unsigned number after the first `key` in `text` (keys look like "\"id\":"); false when there
// is none.
inline bool find_number(std::string_view text, std::string_view key, uint64_t &out) {
  size_t at = text.find(key);
  if (at == std::string_view::npos) return false;
  at += key.size();
  while (at < text.size() && text[at] == ' ') ++at;
  return std::from_chars(text.data() + at, text.data() + text.size(), out).ec == std::errc{};
}

}  // namespace holdfast::bench
