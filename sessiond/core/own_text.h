// A text of one session alone, at the price of a pointer: its length stands before its characters
// in one block, and an empty one has none. A value that moves; one thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string_view>

namespace holdfast::sessiond {

class OwnText {
 public:
  // REQUIRES: under 4 GiB.
  void assign(std::string_view text) {
    if (text.empty()) return block_.reset();
    const auto bytes = static_cast<uint32_t>(text.size());
    block_ = std::make_unique<char[]>(sizeof bytes + bytes);
    std::memcpy(block_.get(), &bytes, sizeof bytes);
    text.copy(block_.get() + sizeof bytes, bytes);
  }
  std::string_view view() const noexcept {
    if (!block_) return {};
    uint32_t bytes = 0;
    std::memcpy(&bytes, block_.get(), sizeof bytes);
    return {block_.get() + sizeof bytes, bytes};
  }

 private:
  std::unique_ptr<char[]> block_;
};

}  // namespace holdfast::sessiond
