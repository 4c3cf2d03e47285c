// Fields that configuration or the exchange puts in the place of received ones. Pure; borrows its
// span for one write_… call.
#pragma once

#include <span>

#include "proxy/http/byte_class.h"
#include "proxy/http/field_names.h"
#include "proxy/http/head_buffer.h"
#include "proxy/http/head_writer.h"

namespace holdfast::proxy::http {

class Overrides {
 public:
  explicit Overrides(std::span<const ExtraField> set) noexcept : set_(set) {
    for (const ExtraField &field : set) ids_.add(field_id(field.name));
  }

  // True when a field of this name is replaced or removed.
  bool has(FieldId id, std::string_view name) const noexcept {
    return ids_.has(id) && replaces(id, name);
  }
  bool has(FieldId id) const noexcept { return has(id, {}); }  // REQUIRES: an id of one name

  // The value configured for an id of one name; empty when there is none.
  std::string_view value(FieldId id) const noexcept {
    for (const ExtraField &field : set_) {
      if (field_id(field.name) == id) return field.value;
    }
    return {};
  }

  void write(HeadBuffer &out) const {
    for (const ExtraField &field : set_) {
      if (!field.value.empty() && !is_protected(field_id(field.name))) {
        out.field(field.name, field.value);
      }
    }
  }

 private:
  // Framing, the connection and the session are not configuration's to write: a second framing
  // field is request smuggling. nginx configurations carry `proxy_set_header Connection ""`; it
  // means what is done here anyway. The one Host is written by the request writer.
  static bool is_protected(FieldId id) noexcept {
    return kConnectionBound.has(id) || id == FieldId::content_length ||
           id == FieldId::mcp_session_id || id == FieldId::host;
  }

  // REQUIRES: one of the set has this id.
  bool replaces(FieldId id, std::string_view name) const noexcept {
    if (is_protected(id)) return false;
    if (!is_shared_id(id)) return true;
    for (const ExtraField &field : set_) {
      if (iequals(field.name, name)) return true;
    }
    return false;
  }

  std::span<const ExtraField> set_;
  FieldSet ids_;
};

}  // namespace holdfast::proxy::http
