// SseScanner finds frames and their data in event streams, with every line end and however the
// bytes arrive, and says exactly where bytes of our own may stand.
#include "proxy/mcp/sse_scanner.h"

#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "tests/proxy/mcp/scan_support.h"
#include "tests/support/hf_test.h"

using holdfast::proxy::mcp::SseScanner;
using holdfast::test::Frame;
using holdfast::test::FrameSink;

static std::string describe(const std::vector<Frame> &frames) {
  std::string out;
  for (const Frame &frame : frames) {
    if (!out.empty()) out += '\n';
    out += frame.name.empty() ? "-" : frame.name;
    if (frame.has_data) out += frame.empty_data ? " empty" : " data=" + frame.data;
    if (frame.has_id) out += " id";
    if (frame.has_retry) out += " retry";
    if (frame.comment_only) out += " comment";
    if (frame.name_long) out += " long";
  }
  return out;
}

static std::vector<Frame> scan(std::string_view stream) {
  SseScanner scanner;
  FrameSink sink;
  sink.feed(scanner, stream);
  return sink.frames();
}

static std::string replaced(std::string_view text, std::string_view line_end) {
  std::string out;
  for (const char c : text) {
    if (c == '\n') {
      out += line_end;
    } else {
      out += c;
    }
  }
  return out;
}

struct Case {
  const char *stream;  // with LF line ends
  const char *found;
};

// Events as SDK servers write them, then the corners of the format.
static const Case kCases[] = {
    {"id: 3e67c672-8fc8-4f7e-9f28-5af2b7d217e5\ndata: \n\n", "- empty id"},
    {"id: U\nretry: 5000\ndata: \n\n", "- empty id retry"},
    {"event: message\nid: U\ndata: {\"result\":{},\"jsonrpc\":\"2.0\",\"id\":2}\n\n",
     "message data={\"result\":{},\"jsonrpc\":\"2.0\",\"id\":2} id"},
    {": keepalive\n\n", "- comment"},
    {"event: endpoint\ndata: /message?sessionId=2574303c-47ca-4de1-b6dd-fb108f962de4\n\n",
     "endpoint data=/message?sessionId=2574303c-47ca-4de1-b6dd-fb108f962de4"},
    {": ping\n\nevent: message\ndata: 1\n\n: ping\n\n", "- comment\nmessage data=1\n- comment"},
    {"data: a\ndata: b\n\n", "- data=a\nb"},
    {"data\n\n", "- empty"},
    {"data\ndata\n\n", "- empty"},
    {"data: \ndata:x\n\n", "- data=\nx"},
    {"data:x\ndata\n\n", "- data=x\n"},
    {"data:  two spaces\n\n", "- data= two spaces"},
    {"data:\ttab\n\n", "- data=\ttab"},
    {"data: a:b: c\n\n", "- data=a:b: c"},
    {"data : x\n\n", "-"},
    {" data: x\n\n", "-"},
    {"Data: x\n\n", "-"},
    {"dat: x\ndataa: y\n\n", "-"},
    {"eventx: x\n\n", "-"},
    {"id\nretry\nevent\n\n", "- id retry"},
    {":\n:x\n\n", "- comment"},
    {": x\ndata: 1\n\n", "- data=1"},
    {"data: 1\n: x\n\n", "- data=1"},
    {": x\nunknown\n\n", "-"},
    {"event: a\nevent: b\ndata: 1\n\n", "b data=1"},
    {"event: a\nevent\ndata: 1\n\n", "- data=1"},
    {"event: a\n\ndata: 1\n\n", "a\n- data=1"},
    {"\n\n\ndata: 1\n\n\n\ndata: 2\n\n", "- data=1\n- data=2"},
    {"event: 0123456789abcdef0123456789abcdef\n\n", "0123456789abcdef0123456789abcdef"},
    {"event: 0123456789abcdef0123456789abcdef0\ndata: 1\n\n", "- data=1 long"},
    {"event: 0123456789abcdef0123456789abcdef0\nevent: x\n\n", "x"},
    {"data: never finished\n", ""},
    {"data: never finished", ""},
    {"\xEF\xBB\xBF"
     "data: 1\n\n",
     "- data=1"},
    {"\xEF\xBB\xBF\n\ndata: 1\n\n", "- data=1"},
    {"\xEF\xBB\xBF\xEF\xBB\xBF"
     "data: 1\n\n",
     "-"},
    {"\n\xEF\xBB\xBF"
     "data: 1\n\n",
     "-"},
    {"\xEF\xBB"
     "data: 1\n\n",
     "-"},
    {"\xEF\n\n", "-"},
    {"\xEF\xBB:\n\n", "-"},
};

// The frames found are those of the format, with each of its three line ends.
HF_TEST(frames_are_described_as_they_are) {
  for (const Case &c : kCases) {
    for (const char *line_end : {"\n", "\r", "\r\n"})
      HF_EQ(describe(scan(replaced(c.stream, line_end))), c.found);
  }
}

// Line ends may be mixed: CR LF is one, LF CR are two.
HF_TEST(line_ends_may_be_mixed) {
  HF_EQ(describe(scan("data: a\r\rdata: b\n\rdata: c\r\n\ndata: d\n\r\n")),
        "- data=a\n- data=b\n- data=c\n- data=d");
  HF_EQ(describe(scan("data: a\r\ndata: b\rdata: c\n\n")), "- data=a\nb\nc");
}

// The same bytes in any split give the same frames at the same offsets, and the same final answer
// to between_events().
HF_TEST(pieces_do_not_matter) {
  std::mt19937 random = holdfast::test::repeatable_random(20261101);
  for (const Case &c : kCases) {
    for (const char *line_end : {"\n", "\r", "\r\n"}) {
      const std::string stream = replaced(c.stream, line_end);
      SseScanner whole_scanner;
      FrameSink whole;
      whole.feed(whole_scanner, stream);
      for (const size_t piece_bytes_max : {1U, 1U, 2U, 5U, 20U, 20U}) {
        SseScanner scanner;
        FrameSink sink;
        holdfast::test::feed_in_pieces(stream, random, piece_bytes_max,
                                       [&](std::string_view piece) { sink.feed(scanner, piece); });
        HF_CHECK(sink.frames() == whole.frames());
        HF_EQ(sink.open_data(), whole.open_data());
        HF_EQ(scanner.between_events(), whole_scanner.between_events());
      }
    }
  }
}

// Bytes of our own may stand only where no frame is open and no CR is undecided.
HF_TEST(between_events_only_between_events) {
  struct Place {
    const char *stream;
    bool between;
  };
  static const Place kPlaces[] = {
      {"", true},
      {"\n", true},
      {"d", false},
      {"data", false},
      {"data:", false},
      {"data: x", false},
      {"data: x\n", false},
      {"data: x\n\n", true},
      {"data: x\n\nd", false},
      {":", false},
      {": x\n", false},
      {": x\n\n", true},
      {"\r", false},
      {"\r\n", true},
      {"\r\r", false},
      {"data: x\r", false},
      {"data: x\r\n", false},
      {"data: x\r\r", false},
      {"data: x\r\r\n", true},
      {"data: x\r\n\r", false},
      {"data: x\r\n\r\n", true},
      {"data: x\n\r", false},
      {"data: x\n\r\n", true},
      {"\xEF", false},
      {"\xEF\xBB", false},
      {"\xEF\xBB\xBF", true},
      {"\xEF\xBB\xBF:", false},
      {"\xEF\xBBx", false},
      {"unknown\n", false},
      {"unknown\n\n", true},
      {"unknown\n\n\n", true},
  };
  for (const Place &place : kPlaces) {
    const std::string_view stream(place.stream);
    SseScanner whole;
    SseScanner bytewise;
    FrameSink sink;
    whole.feed(stream, sink);
    for (size_t i = 0; i < stream.size(); ++i) bytewise.feed(stream.substr(i, 1), sink);
    if (whole.between_events() != place.between) HF_FAIL(place.stream);
    if (bytewise.between_events() != place.between) HF_FAIL(place.stream);
  }
}

// `end` stands behind the byte that made the line blank; the LF of a CR LF comes after it.
HF_TEST(the_end_of_a_frame_is_its_blank_lines_first_byte) {
  const auto ends = [](std::string_view stream) {
    std::string out;
    for (const Frame &frame : scan(stream)) out += std::to_string(frame.end) + " ";
    return out;
  };
  HF_EQ(ends("data: x\n\n:\n\n"), "9 12 ");
  HF_EQ(ends("data: x\r\r:\r\r"), "9 12 ");
  HF_EQ(ends("data: x\r\n\r\n:\r\n\r\n"), "10 15 ");
}

// A heartbeat wherever the scanner allows one leaves the events as they were.
HF_TEST(a_heartbeat_between_events_changes_no_event) {
  std::string stream = "\xEF\xBB\xBF";
  for (const char *line_end : {"\n", "\r\n", "\r", "\n"}) {
    stream += replaced("event: message\nid: 1\ndata: a\ndata: b\n\n: x\n\ndata: c\n\n", line_end);
  }
  const std::string heartbeat = ": ping\n\n";
  std::string with_heartbeats;
  size_t heartbeats_count = 0;
  SseScanner scanner;
  FrameSink ignored;
  for (const char c : stream) {
    with_heartbeats += c;
    scanner.feed({&c, 1}, ignored);
    if (!scanner.between_events()) continue;
    with_heartbeats += heartbeat;
    ++heartbeats_count;
  }
  const auto events = [](std::string_view text) {
    std::vector<Frame> out;
    for (Frame &frame : scan(text)) {
      frame.end = 0;
      if (!frame.comment_only) out.push_back(std::move(frame));
    }
    return out;
  };
  HF_CHECK(events(with_heartbeats) == events(stream));
  HF_CHECK(heartbeats_count >= 10);
}

// Events may be of any size; their data arrives as views into the input.
HF_TEST(large_events_pass_in_pieces_of_the_input) {
  struct Sink : holdfast::proxy::mcp::SseSink {
    std::string_view input;
    size_t bytes = 0;
    size_t joins = 0;
    size_t foreign = 0;
    size_t events = 0;
    void on_sse_data(std::string_view piece) override {
      const bool inside = piece.data() >= input.data() &&
                          piece.data() + piece.size() <= input.data() + input.size();
      if (inside) {
        bytes += piece.size();
      } else if (piece == "\n") {
        ++joins;
      } else {
        ++foreign;
      }
    }
    void on_sse_event(const holdfast::proxy::mcp::SseEvent &, size_t) override { ++events; }
  };
  constexpr size_t kLineBytes = 1'000'000;
  const std::string line = "data: " + std::string(kLineBytes, 'x') + "\n";
  Sink sink;
  SseScanner scanner;
  for (int i = 0; i < 3; ++i) {
    sink.input = line;
    scanner.feed(line, sink);
  }
  scanner.feed("\n", sink);
  HF_EQ(sink.bytes, 3 * kLineBytes);
  HF_EQ(sink.joins, 2U);
  HF_EQ(sink.foreign, 0U);
  HF_EQ(sink.events, 1U);
}

int main() {
  const CMUnitTest tests[] = {
      HF_UNIT(frames_are_described_as_they_are),
      HF_UNIT(line_ends_may_be_mixed),
      HF_UNIT(pieces_do_not_matter),
      HF_UNIT(between_events_only_between_events),
      HF_UNIT(the_end_of_a_frame_is_its_blank_lines_first_byte),
      HF_UNIT(a_heartbeat_between_events_changes_no_event),
      HF_UNIT(large_events_pass_in_pieces_of_the_input),
  };
  return HF_RUN(tests);
}
