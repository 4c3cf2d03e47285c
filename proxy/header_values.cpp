#include "proxy/header_values.h"

#include <strings.h>

#include "common/ids.h"
#include "proxy/client_conn.h"
#include "proxy/mcp/field_text.h"

namespace holdfast::proxy {
namespace {

std::string_view without_port(std::string_view host) {
  const size_t colon = host.rfind(':');
  const size_t bracket = host.rfind(']');
  if (colon == std::string_view::npos || (bracket != std::string_view::npos && colon < bracket))
    return host;
  return host.substr(0, colon);
}

std::string_view field_named(const http::RequestHead &head, std::string_view name) {
  for (const http::Field &field : head.fields.all()) {
    if (field.name.size() == name.size() &&
        ::strncasecmp(field.name.data(), name.data(), name.size()) == 0) {
      return field.value;
    }
  }
  return {};
}

std::string forwarded_for(const RequestContext &context) {
  const std::string_view before = context.head.fields.value(http::FieldId::x_forwarded_for);
  std::string value;
  if (!before.empty()) value.append(before).append(", ");
  return value.append(context.client.peer_ip());
}

// What was encoded may hold what a field cannot: to a header it would be an end of line.
std::string mcp_name(const http::RequestHead &head) {
  const std::string_view value = head.fields.value(http::FieldId::mcp_name);
  std::string name = mcp::name_in_field(value).value_or(std::string(value));
  for (char &c : name) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = '?';
  }
  return name;
}

std::string variable_value(Variable variable, const std::string &text,
                           const RequestContext &context) {
  switch (variable) {
    case Variable::remote_addr:
      return std::string(context.client.peer_ip());
    case Variable::remote_port:
      return std::to_string(context.client.peer_port());
    case Variable::request_method:
      return std::string(context.head.method_name);
    case Variable::request_uri:
      return std::string(context.head.target);
    case Variable::uri:
      return std::string(context.head.path);
    case Variable::host: {
      std::string host(without_port(context.head.host));
      for (char &c : host) c = static_cast<char>(c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c);
      return host;
    }
    case Variable::http_field:
      return std::string(field_named(context.head, text));
    case Variable::scheme:
      return std::string(context.client.scheme());
    case Variable::server_name:
      return context.server.names.empty() ? std::string() : context.server.names.front();
    case Variable::server_port:
      return std::to_string(context.client.listener().address.port());
    case Variable::proxy_host:
      return std::string(context.proxy_host);
    case Variable::proxy_add_x_forwarded_for:
      return forwarded_for(context);
    case Variable::request_id:
      return mint_instance_id() + mint_instance_id();
    case Variable::mcp_method:
      return std::string(context.head.fields.value(http::FieldId::mcp_method));
    case Variable::mcp_name:
      return mcp_name(context.head);
    case Variable::mcp_user:
      return std::string(context.user);
  }
  return {};
}

}  // namespace

std::string filled_in(std::span<const ValuePart> parts, const RequestContext &context) {
  std::string text;
  for (const ValuePart &part : parts) {
    text += part.variable ? variable_value(*part.variable, part.text, context) : part.text;
  }
  return text;
}

HeaderValues::HeaderValues(const ProxySettings &settings, const RequestContext &context) {
  if (settings.set_headers.empty()) return;
  values_.reserve(settings.set_headers.size());
  fields_.reserve(settings.set_headers.size());
  for (const HeaderRule &rule : settings.set_headers) {
    fields_.push_back({rule.name, values_.emplace_back(filled_in(rule.value, context))});
  }
}

std::string management_target(const Location &location, const http::RequestHead &head) {
  const std::string_view last = head.path.substr(head.path.rfind('/') + 1);
  switch (location.handler) {
    case Handler::metrics:
      return "/metrics";
    case Handler::status: {
      std::string_view rest = head.path.substr(std::min(head.path.size(), location.path.size()));
      if (rest.starts_with('/')) rest.remove_prefix(1);
      std::string target = "/" + std::string(rest);
      if (!head.query.empty()) target.append("?").append(head.query);
      return target;
    }
    default:
      return last == "live" || last == "ready" ? "/" + std::string(last) : "/health";
  }
}

}  // namespace holdfast::proxy
