#include "proxy/mcp/head_check.h"

#include "proxy/mcp/field_text.h"

namespace holdfast::proxy::mcp {
namespace {

// Where the body of a request has what Mcp-Name repeats: the specification's three methods, and
// those of its tasks extension.
struct NamedMethod {
  std::string_view method;
  Match RpcMessage::*match;
};
constexpr NamedMethod kNamed[] = {
    {"tools/call", &RpcMessage::name_match},    {"prompts/get", &RpcMessage::name_match},
    {"resources/read", &RpcMessage::uri_match}, {"tasks/get", &RpcMessage::task_match},
    {"tasks/update", &RpcMessage::task_match},  {"tasks/cancel", &RpcMessage::task_match},
};

}  // namespace

HeadCheck::HeadCheck(const http::FieldList &fields, RpcScanner *body)
    : version_(fields.value(http::FieldId::mcp_protocol_version)) {
  if (const http::Field *method = fields.find(http::FieldId::mcp_method)) method_ = method->value;
  if (const http::Field *name = fields.find(http::FieldId::mcp_name)) {
    name_ = name_in_field(name->value);
    name_malformed_ = !name_.has_value();
  }
  if (body != nullptr && name_) body->expect(*name_);
}

HeadCheck::Verdict HeadCheck::judge(const RpcScanner *scanner, bool body_complete) {
  if (!failed()) verdict_ = look(scanner, body_complete);
  return verdict_;
}

HeadCheck::Verdict HeadCheck::look(const RpcScanner *scanner, bool body_complete) const {
  using State = RpcScanner::State;
  if (name_malformed_) return Verdict::name_encoding;
  if (scanner == nullptr || scanner->state() == State::unclear || scanner->batch() ||
      (body_complete && scanner->state() == State::more))
    return Verdict::no_message;
  const RpcMessage &message = scanner->first();
  if (!message.protocol_version.empty() && message.protocol_version != version_)
    return Verdict::version_differs;
  const Verdict method = look_at_method(message);
  return method == Verdict::agrees ? look_at_name(message) : method;
}

// Notifications need no Mcp-Method, and whether there is an id may show last.
HeadCheck::Verdict HeadCheck::look_at_method(const RpcMessage &message) const {
  const bool known = message.has_method || message.complete;
  if (method_) {
    if (!known) return Verdict::more;
    const bool same = message.has_method && !message.method_long && message.method == *method_;
    return same ? Verdict::agrees : Verdict::method_differs;
  }
  if (message.is_request()) return Verdict::method_missing;
  return message.complete ? Verdict::agrees : Verdict::more;
}

HeadCheck::Verdict HeadCheck::look_at_name(const RpcMessage &message) const {
  for (const NamedMethod &named : kNamed) {
    if (message.method != named.method) continue;
    const Match match = message.*named.match;
    if (match == Match::absent && !message.complete) return Verdict::more;
    if (name_) return match == Match::same ? Verdict::agrees : Verdict::name_differs;
    // Without a name in the body the server has nothing to run, and says so itself.
    if (match == Match::absent || !message.has_method) return Verdict::agrees;
    if (message.is_request()) return Verdict::name_missing;
    return message.complete ? Verdict::agrees : Verdict::more;
  }
  if (!name_) return Verdict::agrees;
  // A method of an extension: one of the members that name things must be what Mcp-Name says.
  const bool same = message.name_match == Match::same || message.uri_match == Match::same ||
                    message.task_match == Match::same;
  if (same) return Verdict::agrees;
  return message.complete ? Verdict::name_differs : Verdict::more;
}

std::string_view HeadCheck::text() const {
  switch (verdict_) {
    case Verdict::no_message:
      return "Header mismatch: the body is not one JSON-RPC message";
    case Verdict::method_missing:
      return "Header mismatch: Mcp-Method is missing";
    case Verdict::method_differs:
      return "Header mismatch: Mcp-Method is not the body's method";
    case Verdict::name_missing:
      return "Header mismatch: Mcp-Name is missing";
    case Verdict::name_encoding:
      return "Header mismatch: Mcp-Name is not Base64 of UTF-8";
    case Verdict::name_differs:
      return "Header mismatch: Mcp-Name is not what the body names";
    case Verdict::version_differs:
      return "Header mismatch: MCP-Protocol-Version is not the body's";
    case Verdict::more:
    case Verdict::agrees:
      break;
  }
  return {};
}

}  // namespace holdfast::proxy::mcp
