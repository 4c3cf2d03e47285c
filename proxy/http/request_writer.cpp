#include <optional>

#include "proxy/http/byte_class.h"
#include "proxy/http/field_names.h"
#include "proxy/http/framing.h"
#include "proxy/http/head_buffer.h"
#include "proxy/http/head_writer.h"
#include "proxy/http/overrides.h"

namespace holdfast::proxy::http {
namespace {

class RequestWriter {
 public:
  RequestWriter(std::string &out, const RequestHead &head, const RequestForwarding &how)
      : out_(out), head_(head), how_(how), overrides_(how.set) {}

  void write() {
    write_request_line();
    for (const Field &field : head_.fields.all()) {
      if (is_kept(field)) out_.field(field);
    }
    write_own_fields();
    overrides_.write(out_);
    if (how_.leave_open) return;
    write_framing();
    out_.text("\r\n");
  }

 private:
  void write_request_line() {
    out_.text(head_.method_name);
    out_.text(" ");
    out_.text(how_.target);
    out_.text(" HTTP/1.1\r\n");
    const std::string_view configured = overrides_.value(FieldId::host);
    out_.field("Host", configured.empty() ? how_.host : configured);
  }

  // Whether the field goes on as it came. What write_own_fields writes anew does not.
  bool is_kept(const Field &field) const noexcept {
    if (field.hop_by_hop || overrides_.has(field.id, field.name)) return false;
    switch (field.id) {
      case FieldId::other:
        // CGI-like backends fold "_" and "-" together: such a name could pass for another.
        return field.name.find('_') == field.name.npos;
      case FieldId::host:
      case FieldId::content_length:
      case FieldId::expect:
      case FieldId::forwarded:
      case FieldId::x_forwarded_for:
      case FieldId::x_real_ip:
        return false;
      case FieldId::x_forwarded_proto:
      case FieldId::x_forwarded_host:
        return how_.trusted_peer;
      case FieldId::x_forwarded_other:
      case FieldId::mcp_other:
        return field.name.find('_') == field.name.npos &&
               (field.id == FieldId::mcp_other || how_.trusted_peer);
      case FieldId::via:
        return how_.via.empty();
      case FieldId::mcp_session_id:
        return how_.session_rule == SessionIdRule::keep;
      case FieldId::last_event_id:
        return !how_.drop_last_event_id;
      case FieldId::accept_encoding:
        return !how_.identity_encoding;
      case FieldId::max_forwards:
        return head_.method != Method::options;
      default:
        return true;
    }
  }

  void write_own_fields() {
    if (how_.session_rule == SessionIdRule::replace) out_.field("Mcp-Session-Id", how_.session_id);
    if (how_.identity_encoding) own(FieldId::accept_encoding, "Accept-Encoding", "identity");
    if (head_.method == Method::options) write_max_forwards();
    write_forwarded();
    if (!how_.via.empty() && !overrides_.has(FieldId::via)) {
      begin_list(FieldId::via, "Via", true);
      out_.text(head_.minor_version == 0 ? "1.0 " : "1.1 ");
      out_.text(how_.via);
      out_.text("\r\n");
    }
  }

  void write_forwarded() {
    if (!how_.client_address.empty()) {
      if (!overrides_.has(FieldId::x_forwarded_for)) {
        begin_list(FieldId::x_forwarded_for, "X-Forwarded-For", how_.trusted_peer);
        out_.text(how_.client_address);
        out_.text("\r\n");
      }
      own(FieldId::x_real_ip, "X-Real-IP", how_.client_address);
    }
    own_unless_believed(FieldId::x_forwarded_proto, "X-Forwarded-Proto", how_.scheme);
    own_unless_believed(FieldId::x_forwarded_host, "X-Forwarded-Host",
                        head_.host.empty() ? how_.host : head_.host);
  }

  void own(FieldId id, std::string_view name, std::string_view value) {
    if (!value.empty() && !overrides_.has(id)) out_.field(name, value);
  }

  void own_unless_believed(FieldId id, std::string_view name, std::string_view value) {
    if (how_.trusted_peer && head_.fields.find(id) != nullptr) return;
    own(id, name, value);
  }

  // "Name: " and, if `keep`, every received value of the list with ", " behind it.
  void begin_list(FieldId id, std::string_view name, bool keep) {
    out_.text(name);
    out_.text(": ");
    if (!keep || head_.fields.find(id) == nullptr) return;
    for (const Field &field : head_.fields.all()) {
      if (field.id != id || field.value.empty()) continue;
      out_.text(field.value);
      out_.text(", ");
    }
  }

  // 9110 7.6.2: each hop counts it down. At 0 the request is answered, not forwarded; that is the
  // exchange's decision.
  void write_max_forwards() {
    const Field *field = head_.fields.find(FieldId::max_forwards);
    if (field == nullptr || overrides_.has(FieldId::max_forwards)) return;
    const std::optional<uint64_t> hops = parse_content_length(field->value);
    if (hops) out_.field("Max-Forwards", *hops > 0 ? *hops - 1 : 0);
  }

  void write_framing() {
    switch (how_.framing.kind) {
      case BodyKind::length:
        out_.field("Content-Length", how_.framing.length);
        break;
      case BodyKind::none:
        // 9110 8.6: a method that usually has content says when it has none.
        if (head_.method == Method::post || head_.method == Method::put ||
            head_.method == Method::patch) {
          out_.field("Content-Length", "0");
        }
        break;
      case BodyKind::chunked:
      case BodyKind::until_close:
        out_.field("Transfer-Encoding", "chunked");
        break;
    }
  }

  HeadBuffer out_;
  const RequestHead &head_;
  const RequestForwarding &how_;
  Overrides overrides_;
};

}  // namespace

void write_request_head(std::string &out, const RequestHead &head, const RequestForwarding &how) {
  RequestWriter(out, head, how).write();
}

}  // namespace holdfast::proxy::http
