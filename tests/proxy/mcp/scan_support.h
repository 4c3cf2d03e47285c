// What the scanner tests share: feeding a document in pieces, and writing down what a scanner found
// so that two runs can be compared.
#pragma once

#include <cstddef>
#include <cstdint>
#include <random>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "proxy/mcp/rpc_scanner.h"
#include "proxy/mcp/sse_scanner.h"

namespace holdfast::test {

// The same numbers in every run, so that a failure can be repeated.
inline std::mt19937 repeatable_random(uint32_t seed) { return std::mt19937(seed); }

// Calls take(piece) with consecutive pieces of `bytes`, 0 to `piece_bytes_max` bytes each.
template <class Random, class Take>
void feed_in_pieces(std::string_view bytes, Random &random, size_t piece_bytes_max, Take take) {
  std::uniform_int_distribution<size_t> piece_bytes(0, piece_bytes_max);
  while (!bytes.empty()) {
    const std::string_view piece = bytes.substr(0, piece_bytes(random));
    take(piece);
    bytes.remove_prefix(piece.size());
  }
}

inline std::string describe(const proxy::mcp::RpcScanner &scanner) {
  using State = proxy::mcp::RpcScanner::State;
  std::string out = scanner.state() == State::more   ? "more"
                    : scanner.state() == State::done ? "done"
                                                     : "unclear";
  if (scanner.batch()) out += " batch";
  out += " total=" + std::to_string(scanner.messages_total());
  for (const proxy::mcp::RpcMessage &m : scanner) {
    out += "\n";
    const std::pair<const char *, const std::string &> texts[] = {
        {"method", m.method},          {"id", m.id},
        {"request_id", m.request_id},  {"client_name", m.client_name},
        {"version", m.client_version}, {"protocol", m.protocol_version},
        {"uri", m.resource_uri},       {"name", m.tool_name}};
    for (const auto &[label, text] : texts) {
      if (!text.empty()) out.append(" ").append(label).append("=").append(text);
    }
    const std::pair<const char *, bool> flags[] = {
        {"has_method", m.has_method}, {"has_id", m.has_id},           {"has_result", m.has_result},
        {"has_error", m.has_error},   {"method_long", m.method_long}, {"complete", m.complete}};
    const std::pair<const char *, proxy::mcp::Match> matches[] = {
        {"name", m.name_match}, {"uri", m.uri_match}, {"task", m.task_match}};
    for (const auto &[label, match] : matches) {
      if (match == proxy::mcp::Match::same) out.append(" same ").append(label);
    }
    for (const auto &[label, flag] : flags) {
      if (flag) out.append(" ").append(label);
    }
  }
  return out;
}

// What one frame of an event stream was found to be.
struct Frame {
  std::string name;
  std::string data;
  bool has_data = false;
  bool empty_data = true;
  bool has_id = false;
  bool has_retry = false;
  bool comment_only = false;
  bool name_long = false;
  size_t end = 0;  // offset in the whole stream
  bool operator==(const Frame &) const = default;
};

// Collects the frames of one stream fed in any number of pieces.
class FrameSink : public proxy::mcp::SseSink {
 public:
  void feed(proxy::mcp::SseScanner &scanner, std::string_view bytes) {
    scanner.feed(bytes, *this);
    fed_ += bytes.size();
  }
  void on_sse_data(std::string_view piece) override { data_ += piece; }
  void on_sse_event(const proxy::mcp::SseEvent &event, size_t end) override {
    frames_.push_back({std::string(event.name), std::exchange(data_, {}), event.has_data,
                       event.empty_data, event.has_id, event.has_retry, event.comment_only,
                       event.name_long, fed_ + end});
  }
  const std::vector<Frame> &frames() const { return frames_; }
  // Data of the frame that has not ended yet.
  const std::string &open_data() const { return data_; }

 private:
  std::vector<Frame> frames_;
  std::string data_;
  size_t fed_ = 0;
};

}  // namespace holdfast::test
