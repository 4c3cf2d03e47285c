// What an admin says of one server of an upstream; HAProxy's words, equal on the wire, in commands
// and in lists. Whatever the word, sessions that live there go on.
#pragma once

#include <cstdint>

#include "common/close_reason.h"

namespace holdfast {

enum class ServerState : uint8_t {
  ready,
  drain,
  maint,
};
template <>
std::span<const EnumWord<ServerState>> enum_words<ServerState>() noexcept;

// nginx's bound for weight=; 0 admits nobody.
inline constexpr int64_t kServerWeightMax = 65'535;

}  // namespace holdfast
