// proxy_set_header: its names, its variables, and what the proxy keeps for itself.
#include <algorithm>
#include <array>

#include "common/suggest.h"
#include "proxy/config_values.h"

namespace holdfast::proxy {

namespace {

struct VariableName {
  std::string_view name;
  Variable variable;
};

constexpr std::array<VariableName, 15> kVariables{{
    {"host", Variable::host},
    {"mcp_method", Variable::mcp_method},
    {"mcp_name", Variable::mcp_name},
    {"mcp_user", Variable::mcp_user},
    {"proxy_add_x_forwarded_for", Variable::proxy_add_x_forwarded_for},
    {"proxy_host", Variable::proxy_host},
    {"remote_addr", Variable::remote_addr},
    {"remote_port", Variable::remote_port},
    {"request_id", Variable::request_id},
    {"request_method", Variable::request_method},
    {"request_uri", Variable::request_uri},
    {"scheme", Variable::scheme},
    {"server_name", Variable::server_name},
    {"server_port", Variable::server_port},
    {"uri", Variable::uri},
}};

// Framing and connection are the proxy's own business: it re-serialises every message.
constexpr std::array<std::string_view, 8> kConnectionFields{
    "connection", "keep-alive", "proxy-connection", "te",
    "trailer",    "upgrade",    "expect",           "http2-settings"};
constexpr std::array<std::string_view, 3> kOwnFields{"content-length", "transfer-encoding",
                                                     "mcp-session-id"};

Error bad(std::string message) { return Error{Errc::config, 0, std::move(message)}; }

std::string in_quotes(std::string_view text) { return '"' + std::string(text) + '"'; }

bool is_variable_char(char c) noexcept {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

template <size_t N>
bool is_among(const std::array<std::string_view, N> &names, std::string_view name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

Result<ValuePart> variable_part(const std::string &name) {
  constexpr std::string_view kHttp = "http_";
  for (const VariableName &known : kVariables) {
    if (known.name == name) return ValuePart{known.variable, ""};
  }
  if (name.size() > kHttp.size() && name.substr(0, kHttp.size()) == kHttp) {
    std::string field = to_lower(name.substr(kHttp.size()));
    std::replace(field.begin(), field.end(), '_', '-');
    return ValuePart{Variable::http_field, field};
  }
  std::vector<std::string_view> names;
  names.reserve(kVariables.size());
  for (const VariableName &known : kVariables) names.push_back(known.name);
  return bad("unknown " + in_quotes(name) + " variable" + did_you_mean(name, names));
}

// Takes "$name" or "${name}" from the front of `rest`, which begins with '$'.
Result<ValuePart> take_variable(std::string_view &rest) {
  const bool braced = rest.size() > 1 && rest[1] == '{';
  const size_t begin = braced ? 2 : 1;
  size_t end = begin;
  while (end < rest.size() && is_variable_char(rest[end])) ++end;
  const bool closed = !braced || (end < rest.size() && rest[end] == '}');
  if (end == begin || !closed) return bad("invalid variable name in " + in_quotes(rest));
  const std::string name(rest.substr(begin, end - begin));
  rest.remove_prefix(end + (braced ? 1 : 0));
  return variable_part(name);
}

}  // namespace

bool is_variable_name(std::string_view text) noexcept {
  return text.size() > 1 && text[0] == '$' &&
         std::all_of(text.begin() + 1, text.end(), is_variable_char);
}

Result<std::vector<ValuePart>> parse_header_value(std::string_view text) {
  std::vector<ValuePart> parts;
  const bool clean = std::none_of(text.begin(), text.end(), [](char c) {
    return (static_cast<unsigned char>(c) < 0x20 && c != '\t') || c == 0x7f;
  });
  if (!clean) return bad("a header value cannot hold control characters");
  std::string_view rest = text;
  while (!rest.empty()) {
    const size_t dollar = std::min(rest.find('$'), rest.size());
    if (dollar > 0) {
      parts.push_back({std::nullopt, std::string(rest.substr(0, dollar))});
      rest.remove_prefix(dollar);
      continue;
    }
    auto part = take_variable(rest);
    if (!part) return part.error();
    parts.push_back(std::move(*part));
  }
  return parts;
}

Result<std::optional<HeaderRule>> parse_header_rule(std::string_view name, std::string_view value) {
  if (!is_field_name(name)) return bad(in_quotes(name) + " is not a header name");
  const std::string lower = to_lower(name);
  if (is_among(kOwnFields, lower)) {
    return bad(in_quotes(name) + " cannot be set: the proxy writes it itself");
  }
  if (is_among(kConnectionFields, lower)) {
    // `proxy_set_header Connection "";` stands in every nginx guide, and is what the proxy does.
    if (value.empty()) return std::optional<HeaderRule>();
    return bad(in_quotes(name) +
               " belongs to the connection; the proxy writes its own to the backend");
  }
  if (lower == "host" && value.empty())
    return bad("\"Host\" cannot be empty: HTTP/1.1 requires it");
  auto parts = parse_header_value(value);
  if (!parts) return parts.error();
  return std::optional<HeaderRule>(HeaderRule{std::string(name), std::move(*parts)});
}

}  // namespace holdfast::proxy
