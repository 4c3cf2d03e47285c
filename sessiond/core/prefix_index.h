// Finds sessions by the beginning of their id, for people who type the public handle or a part of
// it. Hashes the first four characters; sessions that collide form a chain through of_prefix, which
// costs a third of what an ordered set would. Borrows the sessions. Pure; one thread.
#pragma once

#include <cstddef>
#include <string_view>
#include <vector>

#include "sessiond/core/session.h"

namespace holdfast::sessiond {

inline constexpr size_t kPrefixCharsMin = 4;

class PrefixIndex {
 public:
  void add(Session &session);
  // REQUIRES: added.
  void remove(Session &session);
  // The sessions whose id begins with `prefix`, sorted by id, at most `max`. A prefix shorter than
  // kPrefixCharsMin finds nothing.
  std::vector<const Session *> find(std::string_view prefix, size_t max) const;

 private:
  size_t chain_of(std::string_view id) const noexcept;
  void link(Session &session) noexcept;
  void grow();

  std::vector<Session *> chains_ = std::vector<Session *>(64);  // a power of two of them
  size_t size_ = 0;
};

}  // namespace holdfast::sessiond
