#include "proxy/http/byte_class.h"
#include "proxy/http/field_names.h"
#include "proxy/http/head_buffer.h"
#include "proxy/http/head_writer.h"
#include "proxy/http/overrides.h"

namespace holdfast::proxy::http {
namespace {

struct ReasonRow {
  int status;
  std::string_view phrase;
};
constexpr ReasonRow kReasons[] = {
    {200, "OK"},
    {202, "Accepted"},
    {204, "No Content"},
    {304, "Not Modified"},
    {400, "Bad Request"},
    {401, "Unauthorized"},
    {403, "Forbidden"},
    {404, "Not Found"},
    {405, "Method Not Allowed"},
    {406, "Not Acceptable"},
    {408, "Request Timeout"},
    {409, "Conflict"},
    {413, "Content Too Large"},
    {414, "URI Too Long"},
    {415, "Unsupported Media Type"},
    {417, "Expectation Failed"},
    {421, "Misdirected Request"},
    {429, "Too Many Requests"},
    {431, "Request Header Fields Too Large"},
    {500, "Internal Server Error"},
    {501, "Not Implemented"},
    {502, "Bad Gateway"},
    {503, "Service Unavailable"},
    {504, "Gateway Timeout"},
    {505, "HTTP Version Not Supported"},
    {508, "Loop Detected"},
};

constexpr std::string_view kNoTransform = "no-transform";
constexpr std::string_view kDate = "Date";

// 9110 6.4.1: these never have content, and no field that would announce some (8.6; 9112 6.1).
bool has_no_content(int status) noexcept { return status < 200 || status == 204; }

void write_status_line(HeadBuffer &out, int status, std::string_view reason) {
  out.text("HTTP/1.1 ");
  out.number(static_cast<uint64_t>(status));
  out.text(" ");
  out.text(reason);
  out.text("\r\n");
}

class ResponseWriter {
 public:
  ResponseWriter(std::string &out, const ResponseHead &head, const ResponseForwarding &how)
      : out_(out), head_(head), how_(how), overrides_(how.set) {}

  void write() {
    write_status_line(out_, head_.status, head_.reason);
    bool dated = how_.date.empty() || head_.status < 200;
    for (const Field &field : head_.fields.all()) {
      if (!is_kept(field)) continue;
      out_.field(field);
      dated = dated || is_date(field);
    }
    if (!dated) out_.field(kDate, how_.date);
    if (how_.session_rule == SessionIdRule::replace) out_.field("Mcp-Session-Id", how_.session_id);
    if (how_.event_stream) write_stream_fields();
    overrides_.write(out_);
    write_framing();
    out_.text("\r\n");
  }

 private:
  static bool is_date(const Field &field) noexcept {
    return field.name.size() == kDate.size() && iequals(field.name, kDate);
  }
  bool is_kept(const Field &field) const noexcept {
    if (field.hop_by_hop || overrides_.has(field.id, field.name)) return false;
    switch (field.id) {
      case FieldId::content_length:
        return false;
      case FieldId::mcp_session_id:
        return how_.session_rule == SessionIdRule::keep;
      case FieldId::x_accel_buffering:
      case FieldId::cache_control:
        return !how_.event_stream;
      default:
        return true;
    }
  }

  // Keeps buffering and rewriting intermediaries between us and the client off the stream.
  void write_stream_fields() {
    if (!overrides_.has(FieldId::x_accel_buffering)) out_.field("X-Accel-Buffering", "no");
    if (overrides_.has(FieldId::cache_control)) return;
    bool any = false;
    bool has_no_transform = false;
    out_.text("Cache-Control: ");
    for (const Field &field : head_.fields.all()) {
      if (field.id != FieldId::cache_control || field.value.empty()) continue;
      if (any) out_.text(", ");
      out_.text(field.value);
      any = true;
      ListCursor directives(field.value);
      for (std::string_view one; directives.next(one);) {
        has_no_transform = has_no_transform || iequals(one, kNoTransform);
      }
    }
    if (!any) out_.text("no-cache");
    if (!has_no_transform) {
      out_.text(", ");
      out_.text(kNoTransform);
    }
    out_.text("\r\n");
  }

  void write_framing() {
    if (head_.status < 200) return;
    const bool until_close = how_.framing.kind == BodyKind::until_close;
    if (!how_.keep_alive || how_.http10 || until_close) out_.field("Connection", "close");
    if (has_no_content(head_.status)) return;
    if (head_.has_declared_length) {
      out_.field("Content-Length", head_.declared_length);
    } else if (how_.framing.kind == BodyKind::length) {
      out_.field("Content-Length", how_.framing.length);
    } else if (how_.framing.kind == BodyKind::chunked) {
      out_.field("Transfer-Encoding", "chunked");
    }
  }

  HeadBuffer out_;
  const ResponseHead &head_;
  const ResponseForwarding &how_;
  Overrides overrides_;
};

}  // namespace

void write_response_head(std::string &out, const ResponseHead &head,
                         const ResponseForwarding &how) {
  ResponseWriter(out, head, how).write();
}

void write_own_response(std::string &out, const OwnResponse &response) {
  HeadBuffer buffer(out);
  write_status_line(buffer, response.status, reason_phrase(response.status));
  const bool content = !has_no_content(response.status) && response.status != 304;
  if (content) {
    if (!response.body.empty()) buffer.field("Content-Type", response.content_type);
    buffer.field("Content-Length", response.body.size());
  }
  if (!response.date.empty()) buffer.field(kDate, response.date);
  for (const ExtraField &field : response.fields) {
    if (!field.value.empty()) buffer.field(field.name, field.value);
  }
  if (!response.keep_alive) buffer.field("Connection", "close");
  buffer.text("\r\n");
  if (content && !response.head_only) buffer.text(response.body);
}

std::string_view reason_phrase(int status) noexcept {
  for (const ReasonRow &row : kReasons) {
    if (row.status == status) return row.phrase;
  }
  return {};
}

}  // namespace holdfast::proxy::http
