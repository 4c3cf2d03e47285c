// A session's id with its keyed hash, which chooses the registry's shard and bucket: computed once
// where a request begins and carried along with it. Views the id. Pure; any thread.
#pragma once

#include <concepts>
#include <cstdint>
#include <string_view>

#include "common/ids.h"

namespace holdfast::proxy {

struct SessionKeyView {
  std::string_view id;
  uint64_t hash;

  // Implicit, so that whoever has no hash at hand passes the id alone.
  template <class From>
  requires std::convertible_to<const From &, std::string_view> SessionKeyView(const From &from)
      : id(from), hash(keyed_hash(id)) {}
  // REQUIRES: `known` is keyed_hash(text).
  SessionKeyView(std::string_view text, uint64_t known) noexcept : id(text), hash(known) {}
};

struct SessionKeyHash {
  size_t operator()(const SessionKeyView &key) const noexcept { return key.hash; }
};
struct SessionKeyEqual {
  bool operator()(const SessionKeyView &a, const SessionKeyView &b) const noexcept {
    return a.hash == b.hash && a.id == b.id;
  }
};

}  // namespace holdfast::proxy
