#include "proxy/own_answers.h"

#include <algorithm>

#include "common/utf8.h"
#include "proxy/mcp/rpc_scanner.h"

namespace holdfast::proxy {
namespace {

std::string_view id_or_null(std::string_view raw_id) {
  return mcp::echoable_id(raw_id) ? raw_id : std::string_view("null");
}

void append_byte_escape(std::string &out, unsigned char byte) {
  constexpr char kHex[] = "0123456789abcdef";
  out.append("\\u00").append({kHex[byte >> 4], kHex[byte & 15]});
}

// Terminals obey U+0080 to U+009F, and some readers take U+2028 and U+2029 for the end of a line.
bool is_c1_control(std::string_view utf8) noexcept {
  return utf8.size() == 2 && utf8[0] == '\xc2' && static_cast<unsigned char>(utf8[1]) < 0xa0;
}
std::string_view line_breaker(std::string_view utf8) noexcept {
  if (utf8 == "\xe2\x80\xa8") return "\\u2028";
  return utf8 == "\xe2\x80\xa9" ? "\\u2029" : "";
}

}  // namespace

std::string rpc_error_body(std::string_view raw_id, int code, std::string_view message,
                           std::string_view reason) {
  std::string body = R"({"jsonrpc":"2.0","error":{"code":)";
  body += std::to_string(code);
  body += R"(,"message":")";
  body += message;  // fixed texts of our own: nothing to escape
  body += '"';
  if (!reason.empty()) body.append(R"(,"data":{"reason":")").append(reason).append("\"}");
  body += R"(},"id":)";
  body += id_or_null(raw_id);
  body += '}';
  return body;
}

std::string message_event(std::string_view json) {
  std::string event = "event: message\ndata: ";
  event += json;
  event += "\n\n";
  return event;
}

std::string retry_event(Millis after) { return "retry: " + std::to_string(after.count()) + "\n\n"; }

std::string listen_result(std::string_view raw_id) {
  const std::string_view id = id_or_null(raw_id);
  std::string json = R"({"jsonrpc":"2.0","id":)";
  json += id;
  json +=
      R"(,"result":{"resultType":"complete","_meta":{"io.modelcontextprotocol/subscriptionId":)";
  json += id;
  json += "}}}";
  return json;
}

void append_json_string(std::string &out, std::string_view text) {
  out += '"';
  while (!text.empty()) {
    const auto byte = static_cast<unsigned char>(text.front());
    const size_t bytes = std::max(size_t{1}, utf8_char_bytes(text));
    const std::string_view one = text.substr(0, bytes);
    text.remove_prefix(bytes);
    if (one == "\"" || one == "\\") {
      out.append("\\").append(one);
    } else if (is_c1_control(one)) {
      append_byte_escape(out, static_cast<unsigned char>(one[1]));
    } else if (byte < 0x20 || byte == 0x7f || (bytes == 1 && byte >= 0x80)) {
      append_byte_escape(out, byte);
    } else if (const std::string_view escape = line_breaker(one); !escape.empty()) {
      out += escape;
    } else {
      out += one;
    }
  }
  out += '"';
}

std::string degraded_health(bool draining, const RegistryCounts &counts, bool users) {
  std::string body = R"({"status":")";
  body += draining ? "draining" : "degraded";
  body += R"(","sessiond":"away","sessions":{"total":)" + std::to_string(counts.total);
  body += R"(,"active":)" + std::to_string(counts.active);
  if (users) {
    body += R"(,"byUser":{)";
    bool first = true;
    for (const auto &[user, count] : counts.by_user) {
      if (!first) body += ',';
      first = false;
      append_json_string(body, user);
      body += ':' + std::to_string(count);
    }
    body += '}';
  }
  return body + "}}";
}

int rpc_code_for(int status) { return status == 404 ? kRpcSessionNotFound : kRpcServerError; }

}  // namespace holdfast::proxy
