// Follows a text/event-stream as it passes: where events end, which carry data, what their data is.
// Changes no byte, keeps no byte, limits no event's size. WHATWG HTML, server-sent events; facts in
// PROTOCOL terms: a heartbeat may be inserted only where between_events() holds. Line ends are LF,
// CR and CRLF; a CR at the end of the input is undecided until the next byte. A leading BOM is
// skipped. Pure; one per stream; fixed size (no allocation).
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace holdfast::proxy::mcp {

inline constexpr size_t kSseEventNameBytesMax =
    32;  // longer names are reported empty with name_long

// One dispatched frame: what stood between two blank lines.
struct SseEvent {
  std::string_view name;   // the last "event:" value, "" when none; valid during the call only
  bool has_data = false;   // at least one data line
  bool empty_data = true;  // all data lines were empty (a priming event)
  bool has_id = false;     // an "id:" line
  bool has_retry = false;
  bool comment_only = false;  // nothing but comments
  bool name_long = false;
};

// Receives what the scanner finds, in order. Neither call may feed the scanner.
class SseSink {
 public:
  virtual ~SseSink() = default;
  // Bytes of data field values of the current event; lines of one event are joined by "\n" pieces.
  virtual void on_sse_data(std::string_view piece) = 0;
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
  // To be designed by the implementation (fixed size).
  bool between_ = true;
};

}  // namespace holdfast::proxy::mcp
