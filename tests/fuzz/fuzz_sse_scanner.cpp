// SseScanner over any bytes, in random pieces, against the format's own algorithm: split the whole
// stream into lines, then read them one by one.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "proxy/mcp/sse_scanner.h"
#include "tests/proxy/mcp/scan_support.h"

using holdfast::proxy::mcp::kSseEventNameBytesMax;
using holdfast::proxy::mcp::SseScanner;
using holdfast::test::Frame;
using holdfast::test::FrameSink;

static void require(bool holds, const char *what) {
  if (holds) return;
  (void)std::fprintf(stderr, "fuzz_sse_scanner: %s\n", what);
  std::abort();
}

namespace {

struct Model {
  std::vector<Frame> frames;
  bool between = true;
};

struct OpenFrame {
  Frame frame;
  bool any_line = false;
  bool any_field = false;
};

void read_line(std::string_view line, OpenFrame &open) {
  open.any_line = true;
  if (line[0] == ':') return;
  open.any_field = true;
  const size_t colon = line.find(':');
  const std::string_view name = line.substr(0, colon);
  std::string_view value =
      colon == std::string_view::npos ? std::string_view() : line.substr(colon + 1);
  if (value.starts_with(' ')) value.remove_prefix(1);
  if (name == "data") {
    if (open.frame.has_data) open.frame.data += '\n';
    open.frame.data += value;
    open.frame.has_data = true;
    if (!value.empty()) open.frame.empty_data = false;
  } else if (name == "event") {
    open.frame.name_long = value.size() > kSseEventNameBytesMax;
    open.frame.name = open.frame.name_long ? std::string_view() : value;
  } else if (name == "id") {
    open.frame.has_id = true;
  } else if (name == "retry") {
    open.frame.has_retry = true;
  }
}

Model read_stream(std::string_view stream) {
  Model model;
  OpenFrame open;
  size_t at = stream.starts_with("\xEF\xBB\xBF") ? 3 : 0;
  while (true) {
    const size_t end = stream.find_first_of("\r\n", at);
    if (end == std::string_view::npos) break;
    const bool crlf = stream.substr(end, 2) == "\r\n";
    if (end > at) {
      read_line(stream.substr(at, end - at), open);
    } else if (open.any_line) {
      open.frame.comment_only = !open.any_field;
      open.frame.end = end + 1;
      model.frames.push_back(open.frame);
      open = {};
    }
    at = end + (crlf ? 2 : 1);
  }
  model.between = at == stream.size() && !open.any_line && !stream.ends_with('\r');
  return model;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  const std::string_view stream(static_cast<const char *>(static_cast<const void *>(data)), size);
  const Model model = read_stream(stream);
  std::mt19937 random(static_cast<uint32_t>(std::hash<std::string_view>{}(stream)));
  for (const size_t piece_bytes_max : {size_t{1}, size_t{6}, size_t{40}, size + 1}) {
    SseScanner scanner;
    FrameSink sink;
    holdfast::test::feed_in_pieces(stream, random, piece_bytes_max,
                                   [&](std::string_view piece) { sink.feed(scanner, piece); });
    require(sink.frames() == model.frames, "the frames differ");
    require(scanner.between_events() == model.between, "between_events() differs");
  }
  return 0;
}
