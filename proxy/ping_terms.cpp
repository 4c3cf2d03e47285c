#include "proxy/ping_terms.h"

#include <algorithm>
#include <array>
#include <string>
#include <vector>

#include "proxy/http/head_writer.h"

namespace holdfast::proxy {
namespace {

constexpr std::array<std::string_view, 6> kTelling{"auth",   "cookie", "token",
                                                   "secret", "apikey", "api-key"};

bool tells(std::string_view name) {
  std::string lower(name);
  std::transform(lower.begin(), lower.end(), lower.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c;
  });
  return std::any_of(kTelling.begin(), kTelling.end(),
                     [&](std::string_view word) { return lower.find(word) != std::string::npos; });
}

// The value of a rule without variables; false for one with any.
bool is_fixed(const HeaderRule &rule, std::string &value) {
  for (const ValuePart &part : rule.value) {
    if (part.variable) return false;
    value += part.text;
  }
  return true;
}

}  // namespace

bool shows_credentials(const ProxySettings &settings, const http::RequestHead &head) {
  using Kind = SessionUser::Kind;
  if (settings.session_user.kind != Kind::none && settings.session_user.kind != Kind::ip)
    return true;
  const auto fields = head.fields.all();
  return std::any_of(fields.begin(), fields.end(),
                     [](const http::Field &field) { return tells(field.name); });
}

PingTerms ping_terms(const ProxySettings &settings, const http::RequestHead &head,
                     std::string_view proxy_host) {
  PingTerms terms;
  terms.every = settings.backend_ping;
  terms.denied = shows_credentials(settings, head);
  if (terms.denied) return terms;
  terms.version = head.fields.value(http::FieldId::mcp_protocol_version);
  std::vector<std::string> values;
  values.reserve(settings.set_headers.size());  // views are taken
  std::vector<http::ExtraField> set;
  for (const HeaderRule &rule : settings.set_headers) {
    std::string value;
    const http::FieldId id = http::field_id(rule.name);
    const bool ours = id == http::FieldId::accept || id == http::FieldId::content_type ||
                      id == http::FieldId::mcp_protocol_version;
    if (ours || !is_fixed(rule, value)) continue;
    values.push_back(std::move(value));
    set.push_back({rule.name, values.back()});
  }
  set.push_back({"Content-Type", "application/json"});
  set.push_back({"Accept", "application/json, text/event-stream"});
  http::RequestHead own;
  own.method = http::Method::post;
  own.method_name = "POST";
  own.host = head.host;
  http::RequestForwarding how;
  how.target = head.target;
  how.host = !head.host.empty() ? head.host : proxy_host;
  how.session_rule = http::SessionIdRule::drop;
  how.identity_encoding = true;
  how.set = set;
  how.leave_open = true;
  http::write_request_head(terms.head, own, how);
  return terms;
}

}  // namespace holdfast::proxy
