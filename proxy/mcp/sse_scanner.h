// Follows a text/event-stream as it passes: where events end, which carry data, what their data is.
// Changes no byte, keeps no byte, limits no event's size. WHATWG HTML, server-sent events; facts in
// PROTOCOL terms: a heartbeat may be inserted only where between_events() holds. Line ends are LF,
// CR and CRLF; a CR at the end of the input is undecided until the next byte. A leading BOM is
// skipped. Pure; one per stream; fixed size (no allocation).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace holdfast::proxy::mcp {

inline constexpr size_t kSseEventNameBytesMax =
    32;  // longer names are reported empty with name_long

// Of one frame: what stood between two blank lines, whether a client would dispatch it or not.
// Blank lines with nothing between them are no frame.
struct SseMarks {
  bool has_data : 1 = false;   // at least one data line
  bool empty_data : 1 = true;  // all data lines were empty (a priming event)
  bool has_id : 1 = false;     // an "id:" line
  bool has_retry : 1 = false;
  bool comment_only : 1 = false;  // nothing but comments
  bool name_long : 1 = false;
};
struct SseEvent : SseMarks {
  std::string_view name;  // the last "event:" value, "" when none; valid during the call only
};

// Receives what the scanner finds, in order. No call may feed the scanner.
class SseSink {
 public:
  virtual ~SseSink() = default;
  // Bytes of data field values of the current event; lines of one event are joined by "\n" pieces.
  virtual void on_sse_data(std::string_view piece) = 0;
  // Bytes of the current event's id. An event may have several "id:" lines; few senders do, and
  // then their values come one after the other.
  virtual void on_sse_id(std::string_view) {}
  // The event is complete. `end`: offset in the fed input just after its blank line's first
  // line-end byte that decided it (everything before it belongs to this or earlier events).
  virtual void on_sse_event(const SseEvent &event, size_t end) = 0;
};

class SseScanner {
 public:
  void feed(std::string_view bytes, SseSink &sink);

  // True when the bytes fed so far end exactly between two events and no CR is undecided: the only
  // place where bytes of our own may stand. True before the first byte.
  bool between_events() const { return between_; }

 private:
  //   line_start --name byte--> field_name --":"--> value_start --> value --line end--> line_start
  //       |                                          (drops one space)
  //       +--":"--> value (a comment)
  enum class Lex : uint8_t { line_start, field_name, value_start, value };
  // What the value of the current line is; `ignored` is a comment's or an unknown field's.
  enum class Field : uint8_t { ignored, data, event, id, retry };

  static Field find_field(std::string_view name);

  bool skip_bom(const char **p, const char *end);
  const char *feed_line(const char *p, const char *end, SseSink &sink);
  const char *feed_field_name(const char *p, const char *end);
  const char *feed_value(const char *p, const char *end, SseSink &sink);
  void on_line_start(char c);
  void on_name_bytes(std::string_view bytes);
  std::string_view field_name() const;
  void on_field(std::string_view name, SseSink &sink);
  void on_value(std::string_view piece, SseSink &sink);
  void on_line_end(char c, size_t end, SseSink &sink);
  void dispatch(size_t end, SseSink &sink);

  static constexpr size_t kFieldNameBytesMax = 5;  // "event", "retry"

  Lex lex_ = Lex::line_start;
  Field field_ = Field::ignored;
  uint8_t bom_bytes_ = 0;        // of a byte order mark seen so far; kBomDone: no longer looked for
  uint8_t field_name_size_ = 0;  // one more than fits: an unknown name
  uint8_t event_name_size_ = 0;
  bool cr_pending_ = false;  // the last byte was a CR: a LF next belongs to it
  bool between_ = true;
  bool any_field_ = false;  // of the current frame, as everything below
  bool any_comment_ = false;
  SseMarks marks_;
  std::array<char, kFieldNameBytesMax> field_name_{};
  std::array<char, kSseEventNameBytesMax> event_name_{};
};

}  // namespace holdfast::proxy::mcp
