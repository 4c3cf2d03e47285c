// A session's id with its keyed hash, which chooses the registry's shard and bucket: computed once
// where a request begins and carried along with it. Pure; any thread.
#pragma once

#include <concepts>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "common/ids.h"

namespace holdfast::proxy {

// `Text`: std::string where the key is kept, std::string_view where it is looked up.
template <class Text>
struct Hashed {
  Text id;
  uint64_t hash;

  // Implicit, so that whoever has no hash at hand passes the id alone.
  Hashed(Text text) : id(std::move(text)), hash(keyed_hash(id)) {}
  template <class From>
  requires std::convertible_to<const From &, Text> Hashed(const From &from) : Hashed(Text(from)) {}
  // REQUIRES: `known` is keyed_hash(text).
  Hashed(Text text, uint64_t known) noexcept : id(std::move(text)), hash(known) {}
};
using SessionKey = Hashed<std::string>;
using SessionKeyView = Hashed<std::string_view>;

struct SessionKeyHash {
  using is_transparent = void;
  template <class Text>
  size_t operator()(const Hashed<Text> &key) const noexcept {
    return key.hash;
  }
};
struct SessionKeyEqual {
  using is_transparent = void;
  template <class A, class B>
  bool operator()(const Hashed<A> &a, const Hashed<B> &b) const noexcept {
    return a.hash == b.hash && a.id == b.id;
  }
};

}  // namespace holdfast::proxy
