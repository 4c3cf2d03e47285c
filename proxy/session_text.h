// A session's id inside its owner: ids have one length, so that whoever carries one through a
// request needs no allocation for it. A value; any thread.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "common/ids.h"

namespace holdfast::proxy {

class SessionText {
 public:
  // REQUIRES: at most kSessionIdChars.
  void assign(std::string_view id) noexcept {
    bytes_ = static_cast<uint8_t>(id.copy(text_.data(), text_.size()));
  }
  void clear() noexcept { bytes_ = 0; }
  bool empty() const noexcept { return bytes_ == 0; }
  std::string_view view() const noexcept { return {text_.data(), bytes_}; }
  std::string str() const { return std::string(view()); }

 private:
  std::array<char, kSessionIdChars> text_;
  uint8_t bytes_ = 0;
};

}  // namespace holdfast::proxy
