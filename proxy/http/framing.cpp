#include "proxy/http/framing.h"

#include "proxy/http/byte_class.h"

namespace holdfast::proxy::http {
namespace {

constexpr size_t kLengthDigitsMax = 18;
constexpr std::string_view kChunked = "chunked";

void skip_ows(std::string_view &rest) noexcept {
  while (!rest.empty() && is_blank(rest.front())) rest.remove_prefix(1);
}

bool skip_token(std::string_view &rest) noexcept {
  const size_t n = run_of(rest, kTchar);
  rest.remove_prefix(n);
  return n > 0;
}

bool skip_quoted(std::string_view &rest) noexcept {  // REQUIRES: rest begins with a quote
  rest.remove_prefix(1);
  while (!rest.empty() && rest.front() != '"') {
    const size_t n = rest.front() == '\\' ? 2 : 1;
    if (rest.size() < n) return false;
    rest.remove_prefix(n);
  }
  if (rest.empty()) return false;
  rest.remove_prefix(1);
  return true;
}

// *( OWS ";" OWS token BWS "=" BWS ( token / quoted-string ) ) OWS
bool skip_parameters(std::string_view &rest) noexcept {
  for (;;) {
    skip_ows(rest);
    if (rest.empty() || rest.front() != ';') return true;
    rest.remove_prefix(1);
    skip_ows(rest);
    if (!skip_token(rest)) return false;
    skip_ows(rest);
    if (rest.empty() || rest.front() != '=') return false;
    rest.remove_prefix(1);
    skip_ows(rest);
    const bool quoted = !rest.empty() && rest.front() == '"';
    if (!(quoted ? skip_quoted(rest) : skip_token(rest))) return false;
  }
}

}  // namespace

std::optional<uint64_t> parse_content_length(std::string_view value) noexcept {
  if (value.empty() || value.size() > kLengthDigitsMax) return std::nullopt;
  uint64_t length = 0;
  for (const char c : value) {
    if (!is(c, kDigit)) return std::nullopt;
    length = length * 10 + static_cast<uint64_t>(c - '0');
  }
  return length;
}

TransferCoding parse_transfer_encoding(std::string_view value) noexcept {
  if (iequals(value, kChunked)) return TransferCoding::chunked;
  std::string_view rest = value;
  for (;;) {
    const std::string_view coding = rest.substr(0, run_of(rest, kTchar));
    if (!skip_token(rest)) return TransferCoding::malformed;
    // "chunked" takes no parameters and stands once, last.
    if (iequals(coding, kChunked)) {
      return rest.empty() ? TransferCoding::unsupported : TransferCoding::malformed;
    }
    if (!skip_parameters(rest)) return TransferCoding::malformed;
    if (rest.empty() || rest.front() != ',') return TransferCoding::malformed;
    rest.remove_prefix(1);
    skip_ows(rest);
  }
}

}  // namespace holdfast::proxy::http
