// The parsed heads of HTTP/1.1 messages: views into the bytes they were parsed from, no copies.
// Plain data; valid as long as those bytes are. RFC 9110 section 5 and 9112 sections 3 to 6.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "proxy/http/limits.h"

namespace holdfast::proxy::http {

enum class Method : uint8_t { get, head, post, delete_, options, put, patch, trace };

// Field names the proxy acts upon. `mcp_other` is any other name beginning with "Mcp-", and
// `x_forwarded_other` any other beginning with "X-Forwarded-". The table is in field_names.cpp.
enum class FieldId : uint8_t {
  other,
  accept,
  accept_encoding,
  authorization,
  cache_control,
  connection,
  content_encoding,
  content_length,
  content_type,
  expect,
  forwarded,
  host,
  http2_settings,
  keep_alive,
  last_event_id,
  max_forwards,
  mcp_method,
  mcp_name,
  mcp_other,
  mcp_protocol_version,
  mcp_session_id,
  origin,
  proxy_authenticate,
  proxy_authorization,
  proxy_connection,
  te,
  trailer,
  transfer_encoding,
  upgrade,
  via,
  x_accel_buffering,
  x_forwarded_for,
  x_forwarded_host,
  x_forwarded_other,
  x_forwarded_proto,
  x_real_ip,
};

inline constexpr size_t kFieldIdsCount = static_cast<size_t>(FieldId::x_real_ip) + 1;

// The id of a field name, compared without case (by length first, then in 8-byte words).
FieldId field_id(std::string_view name) noexcept;

struct Field {
  std::string_view name;   // as received
  std::string_view value;  // optional white space at both ends dropped
  FieldId id = FieldId::other;
  bool hop_by_hop = false;  // connection-bound: by name (9110 7.6.1) or because Connection names it
};

// Fields in received order; never allocates. Knows the first field of each id, because a head is
// asked for a dozen of them.
class FieldList {
 public:
  void clear() noexcept {
    count_ = 0;
    first_.fill(0);
  }
  // The place of the next field, to be filled in and then kept. There is one even when the list is
  // full, so that the line that is too much is judged before it is counted.
  Field &next() noexcept { return fields_.data()[count_]; }
  bool keep() noexcept {  // false: full
    if (count_ == kFieldsMax) return false;
    uint8_t &first = first_.data()[static_cast<size_t>(fields_.data()[count_].id)];
    ++count_;
    if (first == 0) first = count_;
    return true;
  }
  bool push(const Field &field) noexcept {  // false: full
    next() = field;
    return keep();
  }
  size_t size() const noexcept { return count_; }
  std::span<const Field> all() const noexcept { return {fields_.data(), count_}; }
  // REQUIRES: ids stay as they were kept.
  std::span<Field> all() noexcept { return {fields_.data(), count_}; }
  // The first field with this id; nullptr when there is none.
  const Field *find(FieldId id) const noexcept {
    const uint8_t first = first_.data()[static_cast<size_t>(id)];
    return first == 0 ? nullptr : &fields_.data()[first - 1U];
  }
  // Its value, or an empty view.
  std::string_view value(FieldId id) const noexcept {
    const Field *field = find(id);
    return field != nullptr ? field->value : std::string_view{};
  }

 private:
  static_assert(kFieldsMax < 256, "positions are bytes");
  std::array<Field, kFieldsMax + 1> fields_;
  std::array<uint8_t, kFieldIdsCount> first_{};  // position + 1 of an id's first field; 0: none
  uint8_t count_ = 0;
};

enum class BodyKind : uint8_t { none, length, chunked, until_close };

// How a body is delimited (9112 section 6). `length` counts only with BodyKind::length.
struct Framing {
  BodyKind kind = BodyKind::none;
  uint64_t length = 0;
  bool operator==(const Framing &) const = default;
};

struct RequestHead {
  Method method = Method::get;
  std::string_view method_name;
  std::string_view target;    // what is forwarded: origin-form, path and query ("*" for OPTIONS *)
  std::string_view path;      // of target, up to "?"; never decoded
  std::string_view query;     // after "?"; empty when there is none
  std::string_view host;      // the validated Host value with its port; empty only in HTTP/1.0
  std::string_view scheme;    // of an absolute-form target, else empty
  uint8_t minor_version = 1;  // HTTP/1.x
  bool keep_alive = false;    // the client may reuse the connection (9112 9.3)
  bool expect_continue = false;  // HTTP/1.1 and Expect: 100-continue
  Framing framing;
  FieldList fields;
};

struct ResponseHead {
  uint16_t status = 0;
  std::string_view reason;
  uint8_t minor_version = 1;
  bool keep_alive = false;
  Framing framing;  // as it applies to the body that follows (none for HEAD, 1xx, 204, 304)
  // The backend's Content-Length on an answer to HEAD or a 304, forwarded though no body follows.
  bool has_declared_length = false;
  uint64_t declared_length = 0;
  FieldList fields;
};

}  // namespace holdfast::proxy::http
