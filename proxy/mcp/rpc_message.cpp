#include "proxy/mcp/rpc_message.h"

#include "proxy/http/byte_class.h"
#include "proxy/mcp/json_text.h"

namespace holdfast::proxy::mcp {

namespace {

size_t digits_count(std::string_view text) { return http::run_of(text, http::kDigit); }

// RFC 8259 section 6.
bool is_number(std::string_view text) {
  if (text.starts_with('-')) text.remove_prefix(1);
  const size_t whole = digits_count(text);
  if (whole == 0 || (whole > 1 && text[0] == '0')) return false;
  text.remove_prefix(whole);
  if (text.starts_with('.')) {
    const size_t fraction = digits_count(text.substr(1));
    if (fraction == 0) return false;
    text.remove_prefix(1 + fraction);
  }
  if (text.starts_with('e') || text.starts_with('E')) {
    text.remove_prefix(1);
    if (text.starts_with('+') || text.starts_with('-')) text.remove_prefix(1);
    const size_t exponent = digits_count(text);
    if (exponent == 0) return false;
    text.remove_prefix(exponent);
  }
  return text.empty();
}

// RFC 8259 section 7, with its quotes.
bool is_string(std::string_view text) {
  if (text.size() < 2 || text.front() != '"' || text.back() != '"') return false;
  text = text.substr(1, text.size() - 2);
  JsonText unescaped;
  while (!text.empty()) {
    const size_t sequence = utf8_sequence_bytes(text);
    if (sequence == 0 || static_cast<unsigned char>(text[0]) < 0x20 || text[0] == '"') return false;
    const bool escape = text[0] == '\\';
    text.remove_prefix(sequence);
    if (!escape) continue;
    JsonText::Escape state = JsonText::Escape::more;
    while (state == JsonText::Escape::more && !text.empty()) {
      state = unescaped.feed_escape(text[0]);
      text.remove_prefix(1);
    }
    if (state != JsonText::Escape::done) return false;
  }
  return true;
}

}  // namespace

void RpcMessage::clear() {
  for (std::string *text : {&method, &id, &request_id, &client_name, &client_version,
                            &protocol_version, &resource_uri, &tool_name}) {
    text->clear();
  }
  name_match = uri_match = task_match = Match::absent;
  has_method = has_id = has_result = has_error = method_long = complete = false;
}

bool echoable_id(std::string_view raw) { return raw == "null" || is_number(raw) || is_string(raw); }

}  // namespace holdfast::proxy::mcp
