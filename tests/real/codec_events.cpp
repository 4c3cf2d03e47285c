// What the codec makes of bytes, for comparison with other parsers. Each line of standard input is
// "request HEX" or "response METHOD HEX"; each line of standard output the messages found in those
// bytes, read in one piece, as JSON. Where reading stopped is not said: a refusal and a message
// that is not complete are both the end of the list.
#include <cstdint>
#include <iostream>
#include <sstream>
#include <string>
#include <string_view>

#include "proxy/http/body_decoder.h"
#include "proxy/http/head_parser.h"

using namespace holdfast::proxy;

namespace {

std::string from_hex(std::string_view hex) {
  std::string bytes;
  for (size_t i = 0; i + 1 < hex.size(); i += 2) {
    bytes += static_cast<char>(std::stoi(std::string(hex.substr(i, 2)), nullptr, 16));
  }
  return bytes;
}

std::string to_hex(std::string_view bytes) {
  std::string hex;
  for (const char c : bytes) {
    hex += "0123456789abcdef"[static_cast<unsigned char>(c) >> 4];
    hex += "0123456789abcdef"[static_cast<unsigned char>(c) & 15];
  }
  return hex;
}

// Decodes a body at the beginning of `bytes` and removes it. False: not complete, or malformed.
bool take_body(http::Framing framing, std::string_view &bytes, bool at_eof, std::string &body) {
  http::BodyDecoder decoder(framing);
  for (;;) {
    const http::BodyDecoder::Step step = decoder.next(bytes);
    bytes.remove_prefix(step.consumed);
    body.append(step.data);
    if (step.state == http::BodyDecoder::State::end) return true;
    if (step.state != http::BodyDecoder::State::more) return false;
    if (bytes.empty()) return at_eof && decoder.finish_at_eof();
  }
}

// Tokens and targets hold no byte that JSON would have to escape but these two.
void append_text(std::string &out, std::string_view text) {
  out += '"';
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  out += '"';
}

std::string requests(std::string_view bytes) {
  std::string out;
  for (bool alive = true; alive && !bytes.empty();) {
    http::RequestParser parser;
    http::RequestHead head;
    if (parser.parse(bytes, head) != http::HeadState::complete) break;
    bytes.remove_prefix(parser.head_bytes());
    std::string one = out.empty() ? "{\"method\":" : ",{\"method\":";
    append_text(one, head.method_name);
    one += ",\"target\":";
    append_text(one, head.target);
    alive = head.keep_alive;
    std::string body;
    if (!take_body(head.framing, bytes, false, body)) break;
    out += one + ",\"body\":\"" + to_hex(body) + "\"}";
  }
  return "[" + out + "]";
}

// With the place where the answer ends: what is behind it is dropped with the connection.
std::string response(std::string_view method, std::string_view bytes) {
  const size_t total_bytes = bytes.size();
  for (;;) {
    http::ResponseParser parser;
    http::ResponseHead head;
    const http::Method asked = method == "HEAD" ? http::Method::head : http::Method::get;
    if (parser.parse(bytes, asked, head) != http::HeadState::complete) return "[]";
    bytes.remove_prefix(parser.head_bytes());
    if (head.status < 200) continue;
    const std::string status = std::to_string(head.status);
    std::string body;
    if (!take_body(head.framing, bytes, true, body)) return "[]";
    const std::string end = std::to_string(total_bytes - bytes.size());
    return "[{\"status\":" + status + ",\"body\":\"" + to_hex(body) + "\",\"end\":" + end + "}]";
  }
}

}  // namespace

int main() {
  std::ios::sync_with_stdio(false);
  for (std::string line; std::getline(std::cin, line);) {
    std::istringstream words(line);
    std::string kind;
    std::string method;
    std::string hex;
    words >> kind;
    if (kind == "response") words >> method;
    words >> hex;
    const std::string bytes = from_hex(hex);
    std::cout << (kind == "response" ? response(method, bytes) : requests(bytes)) << '\n';
  }
  return 0;
}
