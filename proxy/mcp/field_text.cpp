#include "proxy/mcp/field_text.h"

#include "common/base64.h"
#include "proxy/mcp/json_text.h"

namespace holdfast::proxy::mcp {
namespace {

constexpr std::string_view kBegin = "=?base64?";
constexpr std::string_view kEnd = "?=";

bool is_utf8(std::string_view text) {
  while (!text.empty()) {
    const size_t sequence = utf8_sequence_bytes(text);
    if (sequence == 0) return false;
    text.remove_prefix(sequence);
  }
  return true;
}

}  // namespace

std::optional<std::string> name_in_field(std::string_view value) {
  // "=?base64?=" has both marks only where they overlap: it is a plain text.
  const bool marked = value.size() >= kBegin.size() + kEnd.size() && value.starts_with(kBegin) &&
                      value.ends_with(kEnd);
  if (!marked) return std::string(value);
  value.remove_prefix(kBegin.size());
  value.remove_suffix(kEnd.size());
  std::optional<std::string> text = base64_decode(value, Base64::standard);
  if (text && !is_utf8(*text)) return std::nullopt;
  return text;
}

}  // namespace holdfast::proxy::mcp
