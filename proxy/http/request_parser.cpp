#include <array>
#include <optional>

#include "proxy/http/byte_class.h"
#include "proxy/http/field_lines.h"
#include "proxy/http/framing.h"
#include "proxy/http/head_parser.h"
#include "proxy/http/host.h"
#include "proxy/http/target.h"

namespace holdfast::proxy::http {
namespace {

constexpr FieldSet kSingletons = {
    FieldId::authorization, FieldId::content_length,
    FieldId::content_type,  FieldId::expect,
    FieldId::host,          FieldId::last_event_id,
    FieldId::origin,        FieldId::transfer_encoding,
};
constexpr size_t kLeadingLinesMax = 2;
constexpr std::string_view kCrlf = "\r\n";
constexpr uint16_t kHttpPort = 80;
constexpr uint16_t kHttpsPort = 443;

struct MethodRow {
  std::string_view name;
  Method method;
};
constexpr MethodRow kMethods[] = {
    {"POST", Method::post},       {"GET", Method::get},     {"DELETE", Method::delete_},
    {"OPTIONS", Method::options}, {"HEAD", Method::head},   {"PUT", Method::put},
    {"PATCH", Method::patch},     {"TRACE", Method::trace},
};

std::optional<Method> find_method(std::string_view name) noexcept {
  for (const MethodRow &row : kMethods) {
    if (row.name == name) return row.method;
  }
  return std::nullopt;
}

HeadError bad(const char *reason) noexcept { return {400, reason}; }

// The bytes of the empty lines that may precede a request line.
size_t leading_bytes(std::string_view bytes) noexcept {
  size_t n = 0;
  while (n < kLeadingLinesMax * kCrlf.size() && bytes.size() > n && bytes[n] == '\r') {
    if (bytes.substr(n, kCrlf.size()) != kCrlf) break;
    n += kCrlf.size();
  }
  return n;
}

// HTTP-version of the request line; syntax before support, so that garbage is 400 and not 505.
HeadError read_version(std::string_view text, uint8_t &minor) noexcept {
  const bool well_formed = text.size() == 8 && text.starts_with("HTTP/") && is(text[5], kDigit) &&
                           text[6] == '.' && is(text[7], kDigit);
  if (!well_formed) return bad("malformed HTTP version");
  if (text[5] != '1' || text[7] > '1') return {505, "HTTP version not supported"};
  minor = static_cast<uint8_t>(text[7] - '0');
  return {};
}

// `line` is the request line without its CRLF. The version is judged before the method is looked
// up: it says how everything else would have to be read (the HTTP/2 preface is 505, not 501).
HeadError read_request_line(std::string_view line, RequestHead &out) noexcept {
  const size_t method_bytes = run_of(line, kTchar);
  if (method_bytes == 0) return bad("malformed method");
  if (method_bytes == line.size() || line[method_bytes] != ' ')
    return bad("malformed request line");
  std::string_view rest = line.substr(method_bytes + 1);
  const std::string_view raw_target = rest.substr(0, visible_run(rest));
  rest.remove_prefix(raw_target.size());
  if (raw_target.empty() || rest.empty() || rest[0] != ' ') return bad("malformed request line");
  rest.remove_prefix(1);
  if (const HeadError fault = read_version(rest, out.minor_version); fault.status != 0)
    return fault;
  out.method_name = line.substr(0, method_bytes);
  if (method_bytes > kMethodBytesMax) return {501, "method too long"};
  const std::optional<Method> method = find_method(out.method_name);
  if (!method) return {501, "method not implemented"};
  out.method = *method;
  Target target;
  if (const char *fault = parse_target(raw_target, out.method, target)) return bad(fault);
  out.target = target.origin;
  out.path = target.path;
  out.query = target.query;
  out.scheme = target.scheme;
  out.host = target.authority;  // until the Host field is judged
  return {};
}

HeadError judge_framing(RequestHead &out) noexcept {
  const Field *length = out.fields.find(FieldId::content_length);
  const Field *coding = out.fields.find(FieldId::transfer_encoding);
  out.framing = Framing{};
  if (coding != nullptr) {
    if (out.minor_version == 0) return bad("Transfer-Encoding in HTTP/1.0");
    if (length != nullptr) return bad("Content-Length with Transfer-Encoding");
    switch (parse_transfer_encoding(coding->value)) {
      case TransferCoding::chunked:
        break;
      case TransferCoding::unsupported:
        return {501, "transfer coding not implemented"};
      case TransferCoding::malformed:
        return bad("malformed Transfer-Encoding");
    }
    out.framing.kind = BodyKind::chunked;
  } else if (length != nullptr) {
    const std::optional<uint64_t> bytes = parse_content_length(length->value);
    if (!bytes) return bad("malformed Content-Length");
    out.framing = {BodyKind::length, *bytes};
  }
  const bool has_body = out.framing.kind == BodyKind::chunked || out.framing.length > 0;
  if (has_body && (out.method == Method::get || out.method == Method::head)) {
    return bad("body on GET or HEAD");
  }
  return {};
}

// out.host holds the authority of an absolute-form target, or nothing.
HeadError judge_host(RequestHead &out) noexcept {
  const std::string_view authority = out.host;
  std::optional<HostPort> asked;
  if (!authority.empty()) {
    asked = parse_host(authority);
    if (!asked) return bad("malformed authority in the target");
  }
  const Field *field = out.fields.find(FieldId::host);
  if (field == nullptr) return out.minor_version == 0 ? HeadError{} : bad("no Host field");
  const std::optional<HostPort> host = parse_host(field->value);
  if (!host) return bad("malformed Host");
  const uint16_t default_port = iequals(out.scheme, "https") ? kHttpsPort : kHttpPort;
  if (asked && !same_host(*asked, *host, default_port)) return bad("Host differs from the target");
  out.host = field->value;
  return {};
}

HeadError judge_expect(RequestHead &out) noexcept {
  out.expect_continue = false;
  const Field *field = out.fields.find(FieldId::expect);
  if (field == nullptr || out.minor_version == 0) return {};  // 9110 10.1.1: 1.0 ignores it
  if (!iequals(field->value, "100-continue")) return {417, "unknown expectation"};
  out.expect_continue = true;
  return {};
}

}  // namespace

HeadState RequestParser::fail(HeadError error) noexcept {
  error_ = error;
  started_ = true;
  return HeadState::failed;
}

// Waits for the request line and judges it as soon as its end, or its limit, is there.
HeadState RequestParser::read_line(std::string_view bytes, RequestHead &out) noexcept {
  const size_t begin = leading_bytes(bytes);
  const std::string_view rest = bytes.substr(begin);
  if (rest.empty()) return HeadState::incomplete;
  if (begin < kLeadingLinesMax * kCrlf.size() && rest == "\r") return HeadState::incomplete;
  started_ = true;
  if (!is(rest[0], kTchar)) return fail(bad("not an HTTP request"));
  const std::string_view seen = rest.substr(0, kRequestLineBytesMax + kCrlf.size());
  const size_t lf = seen.find('\n');
  if (lf == seen.npos) {
    if (seen.size() < kRequestLineBytesMax + kCrlf.size()) return HeadState::incomplete;
    return fail({414, "request line too long"});
  }
  if (seen[lf - 1] != '\r') return fail(bad("line feed without carriage return"));
  const HeadError fault = read_request_line(seen.substr(0, lf - 1), out);
  if (fault.status != 0) return fail(fault);
  line_bytes_ = static_cast<uint32_t>(begin + lf + 1);
  return HeadState::complete;
}

// What the fields mean together, once each of them is read.
HeadState RequestParser::conclude(size_t head_bytes, RequestHead &out) noexcept {
  head_bytes_ = static_cast<uint32_t>(head_bytes);
  const ConnectionOptions connection = apply_connection(out.fields);
  if (connection.too_many) return fail(bad("too many Connection options"));
  out.keep_alive = out.minor_version == 1 && !connection.close;
  HeadError fault = judge_framing(out);
  if (fault.status == 0) fault = judge_host(out);
  if (fault.status == 0) fault = judge_expect(out);
  return fault.status == 0 ? HeadState::complete : fail(fault);
}

HeadState RequestParser::parse(std::string_view bytes, RequestHead &out) noexcept {
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
      return conclude(line_bytes_ + section_bytes, out);
    }
  }
  switch (end_.search(bytes, line_bytes_)) {
    case HeadEnd::Found::no:
      return HeadState::incomplete;
    case HeadEnd::Found::too_large:
      return fail({431, "head too large"});
    case HeadEnd::Found::too_many_fields:
      return fail({431, "too many fields"});
    case HeadEnd::Found::yes:
      break;
  }
  if (!first_look) (void)read_line(bytes, out);  // again: the bytes may have moved since
  const std::string_view section = seen.substr(line_bytes_, end_.head_bytes() - line_bytes_);
  const HeadError fault = parse_field_lines(section, kSingletons, out.fields, section_bytes);
  return fault.status == 0 ? conclude(end_.head_bytes(), out) : fail(fault);
}

}  // namespace holdfast::proxy::http
