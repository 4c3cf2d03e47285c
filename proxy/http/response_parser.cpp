#include <algorithm>
#include <optional>

#include "proxy/http/byte_class.h"
#include "proxy/http/field_lines.h"
#include "proxy/http/framing.h"
#include "proxy/http/head_parser.h"

namespace holdfast::proxy::http {
namespace {

constexpr FieldSet kSingletons = {FieldId::content_length, FieldId::content_type,
                                  FieldId::transfer_encoding};
constexpr std::string_view kVersionPrefix = "HTTP/1.";
// "HTTP/1.1 200", then optionally SP and a reason.
constexpr size_t kStatusBytes = 12;
constexpr size_t kStatusLineBytesMax = kStatusBytes + 1 + kReasonBytesMax + 2;

// `line` is the status line without its CRLF. Result: nullptr, or why it is refused.
const char *read_status_line(std::string_view line, ResponseHead &out) noexcept {
  if (line.size() < kStatusBytes) return "malformed status line";
  if (line[7] != '0' && line[7] != '1') return "HTTP version not supported";
  const std::string_view code = line.substr(9, 3);
  if (line[8] != ' ' || !all_of(code, kDigit)) return "malformed status line";
  const int status = (code[0] - '0') * 100 + (code[1] - '0') * 10 + (code[2] - '0');
  if (status < 100 || status > 599) return "status code out of range";
  if (status == 101) return "switching protocols without having been asked";
  if (line.size() > kStatusBytes && line[kStatusBytes] != ' ') return "malformed status line";
  const std::string_view reason =
      line.substr(line.size() > kStatusBytes ? kStatusBytes + 1 : kStatusBytes);
  if (!all_of(reason, kText)) return "control byte in the reason phrase";
  out.minor_version = static_cast<uint8_t>(line[7] - '0');
  out.status = static_cast<uint16_t>(status);
  out.reason = reason;
  return nullptr;
}

// 9112 6.3, without any guess: what is not certain is refused.
const char *judge_framing(Method method, ResponseHead &out) noexcept {
  const Field *length = out.fields.find(FieldId::content_length);
  const Field *coding = out.fields.find(FieldId::transfer_encoding);
  std::optional<uint64_t> length_bytes;
  if (coding != nullptr) {
    if (out.minor_version == 0) return "Transfer-Encoding in HTTP/1.0";
    if (length != nullptr) return "Content-Length with Transfer-Encoding";
    if (parse_transfer_encoding(coding->value) != TransferCoding::chunked) {
      return "unsupported Transfer-Encoding";
    }
  } else if (length != nullptr) {
    length_bytes = parse_content_length(length->value);
    if (!length_bytes) return "malformed Content-Length";
  }
  const bool announces_body = coding != nullptr || length_bytes.value_or(0) > 0;
  out.framing = Framing{};
  out.has_declared_length = false;
  out.declared_length = 0;
  if (out.status < 200) return announces_body ? "body announced by an interim response" : nullptr;
  if (out.status == 204) {
    if (announces_body) out.keep_alive = false;  // it may send that body after all
    return nullptr;
  }
  if (method == Method::head || out.status == 304) {
    out.has_declared_length = length_bytes.has_value();
    out.declared_length = length_bytes.value_or(0);
    return nullptr;
  }
  if (coding != nullptr) {
    out.framing.kind = BodyKind::chunked;
  } else if (length_bytes) {
    out.framing = {BodyKind::length, *length_bytes};
  } else {
    out.framing.kind = BodyKind::until_close;
    out.keep_alive = false;
  }
  return nullptr;
}

}  // namespace

HeadState ResponseParser::fail(const char *reason) noexcept {
  error_ = {502, reason};
  return HeadState::failed;
}

// Waits for the status line and judges it as soon as its end, or its limit, is there. What does not
// begin like one is refused at its first wrong byte.
HeadState ResponseParser::read_line(std::string_view bytes, ResponseHead &out) noexcept {
  const size_t prefix_bytes = std::min(bytes.size(), kVersionPrefix.size());
  if (bytes.substr(0, prefix_bytes) != kVersionPrefix.substr(0, prefix_bytes)) {
    return fail("not an HTTP/1 response");
  }
  const std::string_view seen = bytes.substr(0, kStatusLineBytesMax);
  const size_t lf = seen.find('\n');
  if (lf == seen.npos) {
    if (seen.size() < kStatusLineBytesMax) return HeadState::incomplete;
    return fail("status line too long");
  }
  if (seen[lf - 1] != '\r') return fail("line feed without carriage return");
  if (const char *fault = read_status_line(seen.substr(0, lf - 1), out)) return fail(fault);
  line_bytes_ = static_cast<uint32_t>(lf + 1);
  return HeadState::complete;
}

// What the fields mean together, once each of them is read.
HeadState ResponseParser::conclude(size_t head_bytes, Method method, ResponseHead &out) noexcept {
  head_bytes_ = static_cast<uint32_t>(head_bytes);
  const ConnectionOptions connection = apply_connection(out.fields);
  if (connection.too_many) return fail("too many Connection options");
  out.keep_alive = out.minor_version == 1 && !connection.close;
  const char *fault = judge_framing(method, out);
  return fault == nullptr ? HeadState::complete : fail(fault);
}

HeadState ResponseParser::parse(std::string_view bytes, Method method, ResponseHead &out) noexcept {
  if (error_.status != 0) return HeadState::failed;
  const bool first_look = line_bytes_ == 0;
  const std::string_view seen = bytes.substr(0, kHeadBytesMax);
  size_t section_bytes = 0;
  if (first_look) {
    if (const HeadState state = read_line(bytes, out); state != HeadState::complete) return state;
    // Nearly every head is whole and sound by now. Whatever this pass stumbles over is judged
    // below.
    if (parse_field_lines(seen.substr(line_bytes_), kSingletons, out.fields, section_bytes)
            .status == 0) {
      return conclude(line_bytes_ + section_bytes, method, out);
    }
  }
  switch (end_.search(bytes, line_bytes_)) {
    case HeadEnd::Found::no:
      return HeadState::incomplete;
    case HeadEnd::Found::too_large:
      return fail("head too large");
    case HeadEnd::Found::too_many_fields:
      return fail("too many fields");
    case HeadEnd::Found::yes:
      break;
  }
  if (!first_look) (void)read_line(bytes, out);  // again: the bytes may have moved since
  const std::string_view section = seen.substr(line_bytes_, end_.head_bytes() - line_bytes_);
  const HeadError fault = parse_field_lines(section, kSingletons, out.fields, section_bytes);
  return fault.status == 0 ? conclude(end_.head_bytes(), method, out) : fail(fault.reason);
}

}  // namespace holdfast::proxy::http
