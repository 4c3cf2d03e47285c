#include "proxy/mcp/sse_scanner.h"

#include <algorithm>
#include <cstring>

#include "proxy/mcp/find_either.h"

namespace holdfast::proxy::mcp {

namespace {

constexpr std::string_view kBom = "\xEF\xBB\xBF";
constexpr uint8_t kBomDone = 0xFF;

std::string_view view(const char *begin, const char *end) {
  return {begin, static_cast<size_t>(end - begin)};
}

}  // namespace

void SseScanner::feed(std::string_view bytes, SseSink &sink) {
  const char *const begin = bytes.data();
  const char *const end = begin + bytes.size();
  const char *p = begin;
  if (p == end || (bom_bytes_ != kBomDone && !skip_bom(&p, end))) return;
  while (p != end) {
    const char c = *p;
    if (cr_pending_) {
      cr_pending_ = false;
      if (c == '\n') {
        ++p;
        continue;
      }
    }
    if (c == '\n' || c == '\r') {
      ++p;
      on_line_end(c, static_cast<size_t>(p - begin), sink);
      continue;
    }
    switch (lex_) {
      case Lex::line_start:
        p = feed_line(p, end, sink);
        break;
      case Lex::field_name:
        p = feed_field_name(p, end);
        if (p != end && *p == ':') {
          ++p;
          on_field(field_name(), sink);
          lex_ = Lex::value_start;
        }
        break;
      case Lex::value_start:
        if (c == ' ') ++p;
        lex_ = Lex::value;
        break;
      case Lex::value:
        p = feed_value(p, end, sink);
        break;
    }
  }
  between_ = lex_ == Lex::line_start && !cr_pending_ && !any_field_ && !any_comment_;
}

// Moves *p behind a byte order mark at the start of the stream. Bytes that turn out not to be one
// begin a field name; their value does not matter, no name we know begins so. Result: whether any
// input is left to scan.
bool SseScanner::skip_bom(const char **p, const char *end) {
  while (*p != end && bom_bytes_ < kBom.size() && **p == kBom[bom_bytes_]) {
    ++*p;
    ++bom_bytes_;
  }
  if (bom_bytes_ < kBom.size()) {
    between_ = bom_bytes_ == 0;
    if (*p == end) return false;
    if (bom_bytes_ > 0) {
      on_line_start(kBom[0]);
      on_name_bytes(kBom.substr(0, bom_bytes_));
    }
  }
  bom_bytes_ = kBomDone;
  between_ = lex_ == Lex::line_start;
  return *p != end;
}

void SseScanner::on_line_start(char c) {
  field_ = Field::ignored;
  field_name_size_ = 0;
  if (c == ':') {
    any_comment_ = true;
    lex_ = Lex::value;
  } else {
    lex_ = Lex::field_name;
  }
}

// Reads what is here of a line, from its first byte on: nearly always all of it, so that it need
// not be looked at byte by byte. Of a longer part than any name we know has, without a colon, the
// rest does not matter.
const char *SseScanner::feed_line(const char *p, const char *end, SseSink &sink) {
  const char *const stop = find_either(p, end, '\n', '\r');
  on_line_start(*p);
  if (lex_ == Lex::value) return stop;  // a comment
  const char *const name_stop = p + std::min<ptrdiff_t>(stop - p, kFieldNameBytesMax + 1);
  const char *const name_end = std::find(p, name_stop, ':');
  if (name_end == name_stop) {
    on_name_bytes(view(p, name_end));
    return stop;
  }
  on_field(view(p, name_end), sink);
  const char *value = name_end + 1;
  lex_ = value == stop ? Lex::value_start : Lex::value;
  if (value != stop && *value == ' ') ++value;
  if (value != stop) on_value(view(value, stop), sink);
  return stop;
}

const char *SseScanner::feed_field_name(const char *p, const char *end) {
  const char *name_end =
      std::find_if(p, end, [](char c) { return c == ':' || c == '\n' || c == '\r'; });
  on_name_bytes(view(p, name_end));
  return name_end;
}

void SseScanner::on_name_bytes(std::string_view bytes) {
  if (field_name_size_ > kFieldNameBytesMax) return;
  const size_t fitting = std::min(bytes.size(), kFieldNameBytesMax - field_name_size_);
  std::memcpy(field_name_.data() + field_name_size_, bytes.data(), fitting);
  field_name_size_ =
      static_cast<uint8_t>(field_name_size_ + fitting + (fitting < bytes.size() ? 1 : 0));
}

SseScanner::Field SseScanner::find_field(std::string_view name) {
  if (name == "data") return Field::data;
  if (name == "event") return Field::event;
  if (name == "id") return Field::id;
  if (name == "retry") return Field::retry;
  return Field::ignored;
}

// What has come of the line's field name; empty: of one that is longer than any we know.
std::string_view SseScanner::field_name() const {
  if (field_name_size_ > kFieldNameBytesMax) return {};
  return {field_name_.data(), field_name_size_};
}

// The line's field name is complete.
void SseScanner::on_field(std::string_view name, SseSink &sink) {
  any_field_ = true;
  field_ = find_field(name);
  switch (field_) {
    case Field::data:
      if (marks_.has_data) sink.on_sse_data("\n");
      marks_.has_data = true;
      return;
    case Field::event:
      event_name_size_ = 0;
      marks_.name_long = false;
      return;
    case Field::id:
      marks_.has_id = true;
      return;
    case Field::retry:
      marks_.has_retry = true;
      return;
    case Field::ignored:
      return;
  }
}

const char *SseScanner::feed_value(const char *p, const char *end, SseSink &sink) {
  const char *value_end = find_either(p, end, '\n', '\r');
  on_value(view(p, value_end), sink);
  return value_end;
}

void SseScanner::on_value(std::string_view piece, SseSink &sink) {
  if (field_ == Field::data) {
    marks_.empty_data = false;
    sink.on_sse_data(piece);
  } else if (field_ == Field::id) {
    sink.on_sse_id(piece);
  } else if (field_ == Field::event && !marks_.name_long) {
    if (piece.size() > kSseEventNameBytesMax - event_name_size_) {
      marks_.name_long = true;
      return;
    }
    std::memcpy(event_name_.data() + event_name_size_, piece.data(), piece.size());
    event_name_size_ = static_cast<uint8_t>(event_name_size_ + piece.size());
  }
}

void SseScanner::on_line_end(char c, size_t end, SseSink &sink) {
  cr_pending_ = c == '\r';
  if (lex_ == Lex::line_start) return dispatch(end, sink);
  if (lex_ == Lex::field_name)
    on_field(field_name(), sink);  // a name without a colon has the empty value
  lex_ = Lex::line_start;
}

// A blank line: the frame is complete.
void SseScanner::dispatch(size_t end, SseSink &sink) {
  if (!any_field_ && !any_comment_) return;
  marks_.comment_only = !any_field_;
  SseEvent event{marks_, {}};
  if (!marks_.name_long) event.name = {event_name_.data(), event_name_size_};
  sink.on_sse_event(event, end);
  marks_ = SseMarks{};
  event_name_size_ = 0;
  any_field_ = any_comment_ = false;
}

}  // namespace holdfast::proxy::mcp
