// Texts that many sessions share (backend, peer, client name), each stored once and counted. Owned
// by the session table, which alone takes and gives back. Pure; one thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_set>

#include "common/ids.h"

namespace holdfast::sessiond {

class TextPool {
 public:
  struct Entry {
    std::string text;
    mutable uint32_t holders_count = 0;  // the pool's own
  };

  TextPool() = default;
  TextPool(const TextPool &) = delete;
  TextPool &operator=(const TextPool &) = delete;

  // The stored text; counts one more holder. Valid until as many release() as take().
  const Entry *take(std::string_view text);
  // Gives one hold back; nullptr is ignored.
  void release(const Entry *entry);
  size_t size() const noexcept { return texts_.size(); }

 private:
  struct Hash {  // not noexcept, for which libstdc++ keeps each entry's hash beside it
    using is_transparent = void;
    size_t operator()(std::string_view text) const { return keyed_hash(text); }
    size_t operator()(const Entry &entry) const { return keyed_hash(entry.text); }
  };
  struct Equal {
    using is_transparent = void;
    bool operator()(const Entry &a, const Entry &b) const noexcept { return a.text == b.text; }
    bool operator()(std::string_view a, const Entry &b) const noexcept { return a == b.text; }
  };
  std::unordered_set<Entry, Hash, Equal> texts_;
  Entry empty_;  // the most frequent one, which is never given up
};

}  // namespace holdfast::sessiond
