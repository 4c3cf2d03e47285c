// Texts that many sessions share (backend, peer, client name), each stored once and counted. Owned
// by the session table, which alone takes and gives back. Pure; one thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>

#include "common/ids.h"

namespace holdfast::sessiond {

class TextPool {
 public:
  using Entry = std::pair<const std::string, uint32_t>;  // the text, and how many hold it

  // The stored text; counts one more holder. Valid until as many release() as take().
  const Entry *take(std::string_view text);
  // Gives one hold back; nullptr is ignored.
  void release(const Entry *entry);
  size_t size() const noexcept { return texts_.size(); }

 private:
  std::unordered_map<std::string, uint32_t, KeyedHash, std::equal_to<>> texts_;
};

}  // namespace holdfast::sessiond
