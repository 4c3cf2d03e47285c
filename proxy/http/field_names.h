// Properties of the field names the proxy acts upon, as bit sets over FieldId. The names themselves
// are one table in field_names.cpp. Pure; any thread.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <string_view>

#include "proxy/http/message.h"

namespace holdfast::proxy::http {

static_assert(kFieldIdsCount <= 64, "FieldSet holds one bit per id");

// A set of field ids.
class FieldSet {
 public:
  constexpr FieldSet() = default;
  constexpr FieldSet(std::initializer_list<FieldId> ids) noexcept {
    for (const FieldId id : ids) add(id);
  }
  constexpr void add(FieldId id) noexcept { bits_ |= bit(id); }
  constexpr bool has(FieldId id) const noexcept { return (bits_ & bit(id)) != 0; }

 private:
  static constexpr uint64_t bit(FieldId id) noexcept {
    return uint64_t{1} << static_cast<unsigned>(id);
  }
  uint64_t bits_ = 0;
};

// Bound to one connection by their name (9110 7.6.1, 9112 appendix C): never forwarded.
inline constexpr FieldSet kConnectionBound = {
    FieldId::connection,
    FieldId::http2_settings,
    FieldId::keep_alive,
    FieldId::proxy_authenticate,
    FieldId::proxy_authorization,
    FieldId::proxy_connection,
    FieldId::te,
    FieldId::trailer,
    FieldId::transfer_encoding,
    FieldId::upgrade,
};

// Ids that stand for more than one name: equal ids do not mean equal names.
constexpr bool is_shared_id(FieldId id) noexcept {
  return id == FieldId::other || id == FieldId::mcp_other || id == FieldId::x_forwarded_other;
}

constexpr bool is_mcp(FieldId id) noexcept {
  return id >= FieldId::mcp_method && id <= FieldId::mcp_session_id;
}

// The name of an id in lower case; "" for the shared ids.
std::string_view field_name(FieldId id) noexcept;

}  // namespace holdfast::proxy::http
