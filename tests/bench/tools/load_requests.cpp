#include "tests/bench/tools/load_requests.h"

#include "tests/bench/tools/find_number.h"

namespace holdfast::bench {
namespace {

constexpr size_t kIdDigits = 10;
constexpr size_t kCopiedPaddingMax = 16 * 1024;
constexpr size_t kHeadBytesKept = 4096;
constexpr size_t kTailBytesKept = 256;
constexpr std::string_view kIdZero = R"({"jsonrpc":"2.0","id":0000000000,)";
constexpr std::string_view kCallHead =
    R"("method":"tools/call","params":{"name":"echo","arguments":{"text":")";
constexpr std::string_view kCallTail = R"("}}})";

}  // namespace

Requests::Requests(const LoadSettings &settings)
    : settings_(settings), padding_(settings.req_bytes, 'q') {}

std::string Requests::common_fields(std::string_view session) const {
  std::string text = "Host: " + settings_.host + ":" + std::to_string(settings_.port) + "\r\n";
  if (!session.empty()) {
    text.append("Mcp-Session-Id: ").append(session);
    text.append("\r\nMCP-Protocol-Version: 2025-06-18\r\n");
  }
  return text;
}

std::string Requests::post(std::string_view path, std::string_view session, std::string_view body,
                           size_t more_bytes) const {
  std::string text = "POST ";
  text.append(path).append(" HTTP/1.1\r\n").append(common_fields(session));
  text.append("Content-Type: application/json\r\nAccept: application/json, text/event-stream\r\n");
  text.append("Content-Length: ").append(std::to_string(body.size() + more_bytes));
  return text.append("\r\n\r\n").append(body);
}

std::string Requests::get_stream(std::string_view path, std::string_view session) const {
  std::string text = "GET ";
  text.append(path).append(" HTTP/1.1\r\n").append(common_fields(session));
  return text.append("Accept: text/event-stream\r\n\r\n");
}

std::string Requests::delete_session(std::string_view session) const {
  return "DELETE " + settings_.path + " HTTP/1.1\r\n" + common_fields(session) + "\r\n";
}

std::string Requests::initialize(std::string_view path, uint64_t id) const {
  return post(path, "",
              R"({"jsonrpc":"2.0","id":)" + std::to_string(id) +
                  R"(,"method":"initialize","params":{"protocolVersion":"2025-06-18",)"
                  R"("capabilities":{},"clientInfo":{"name":"mcp-load","version":"1"}}})");
}

void CallTemplate::build(const Requests &requests, std::string_view path,
                         std::string_view session) {
  const std::string_view padding = requests.padding();
  std::string body = std::string(kIdZero).append(kCallHead);
  size_t more_bytes = kCallTail.size();
  if (padding.size() > kCopiedPaddingMax) {
    shared_ = padding;
    more_bytes += padding.size();
  } else {
    shared_ = {};
    body.append(padding);
  }
  bytes_ = requests.post(path, session, body, more_bytes);
  if (shared_.empty()) bytes_.append(kCallTail);
  id_at_ = bytes_.find(kIdZero) + kIdZero.find('0', kIdZero.find("\"id\""));
}

void CallTemplate::send(Client &client, uint64_t id) {
  for (size_t i = kIdDigits; i-- > 0; id /= 10)
    bytes_[id_at_ + i] = static_cast<char>('0' + id % 10);
  client.send(bytes_, shared_, kCallTail);
}

void ReplyCheck::begin() {
  head_.clear();
  tail_.clear();
  bytes_ = 0;
}

void ReplyCheck::add(std::string_view bytes) {
  bytes_ += bytes.size();
  if (head_.size() < kHeadBytesKept) head_.append(bytes.substr(0, kHeadBytesKept - head_.size()));
  if (bytes_ <= kHeadBytesKept) return;
  tail_.append(bytes.size() > kTailBytesKept ? bytes.substr(bytes.size() - kTailBytesKept) : bytes);
  if (tail_.size() > 4 * kTailBytesKept) tail_.erase(0, tail_.size() - kTailBytesKept);
}

bool ReplyCheck::has_id(uint64_t wanted) const {
  uint64_t got = 0;
  if (!find_number(head_, "\"id\":", got) && !find_number(tail_, "\"id\":", got)) return false;
  return got == wanted;
}

}  // namespace holdfast::bench
