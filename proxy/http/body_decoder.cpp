#include "proxy/http/body_decoder.h"

#include <algorithm>
#include <charconv>

#include "proxy/http/limits.h"

namespace holdfast::proxy::http {

BodyDecoder::BodyDecoder(Framing framing, uint64_t bytes_max) noexcept
    : bytes_max_(bytes_max), kind_(framing.kind) {
  switch (framing.kind) {
    case BodyKind::none:
      break;
    case BodyKind::length:
      left_bytes_ = framing.length;
      if (left_bytes_ > 0) phase_ = left_bytes_ > bytes_max ? Phase::too_large : Phase::data;
      break;
    case BodyKind::chunked:
      phase_ = Phase::framing;
      break;
    case BodyKind::until_close:
      left_bytes_ = UINT64_MAX;
      phase_ = Phase::data;
      break;
  }
}

// The state is told once the data before it has been handed over, whatever the split.
BodyDecoder::Step BodyDecoder::finish(Step step) const noexcept {
  switch (phase_) {
    case Phase::ended:
      step.state = State::end;
      break;
    case Phase::failed:
      step.state = step.data.empty() ? State::failed : State::more;
      break;
    case Phase::too_large:
      step.state = step.data.empty() ? State::too_large : State::more;
      break;
    default:
      step.state = State::more;
      break;
  }
  return step;
}

BodyDecoder::Step BodyDecoder::next(std::string_view in) noexcept {
  Step step;
  while (step.consumed < in.size()) {
    if (phase_ == Phase::data) {
      if (!step.data.empty()) break;  // one piece a step
      take_data(in.substr(step.consumed), step);
    } else if (phase_ == Phase::framing) {
      take_framing(in.substr(step.consumed), step);
    } else {
      break;
    }
  }
  return finish(step);
}

void BodyDecoder::take_data(std::string_view in, Step &step) noexcept {
  const uint64_t allowed = std::min(left_bytes_, bytes_max_ - decoded_bytes_);
  if (allowed == 0) {  // only until_close gets here: the other kinds check a length beforehand
    phase_ = Phase::too_large;
    return;
  }
  const auto taken = static_cast<size_t>(std::min<uint64_t>(allowed, in.size()));
  step.data = in.substr(0, taken);
  step.consumed += taken;
  decoded_bytes_ += taken;
  if (kind_ == BodyKind::until_close) return;
  left_bytes_ -= taken;
  if (left_bytes_ > 0) return;
  if (kind_ == BodyKind::length) {
    phase_ = Phase::ended;
  } else {
    grammar_.data_ended();
    phase_ = Phase::framing;
  }
}

// Tiny chunks cost their receiver far more than their bytes: the ratio is bounded.
bool BodyDecoder::overhead_allowed(uint64_t more_bytes) const noexcept {
  const uint64_t bytes = overhead_bytes_ + more_bytes;
  return bytes <= kFramingOverheadBytes ||
         (bytes - kFramingOverheadBytes - 1) / kFramingOverheadPerByte < decoded_bytes_;
}

void BodyDecoder::take_framing(std::string_view in, Step &step) noexcept {
  const ChunkGrammar::PlainSize line = grammar_.find_plain_size(in);
  if (line.line_bytes > 0 && overhead_allowed(line.line_bytes) && fits(line.chunk_bytes)) {
    grammar_.take(line);
    overhead_bytes_ += line.line_bytes;
    step.consumed += line.line_bytes;
    left_bytes_ = line.chunk_bytes;
    if (left_bytes_ > 0) phase_ = Phase::data;
    return;
  }
  for (const char c : in) {
    const ChunkGrammar::Event event = grammar_.feed(c);
    if (event == ChunkGrammar::Event::failed) {
      phase_ = Phase::failed;
      return;
    }
    if (event == ChunkGrammar::Event::data && !fits(grammar_.chunk_bytes())) {
      phase_ = Phase::too_large;
      return;
    }
    if (!overhead_allowed(1)) {
      phase_ = Phase::failed;
      return;
    }
    ++overhead_bytes_;
    ++step.consumed;
    if (event == ChunkGrammar::Event::none) continue;
    left_bytes_ = grammar_.chunk_bytes();
    phase_ = event == ChunkGrammar::Event::data ? Phase::data : Phase::ended;
    return;
  }
}

const char *BodyDecoder::error() const noexcept {
  if (phase_ != Phase::failed) return "";
  const char *const grammar = grammar_.error();
  return grammar[0] != '\0' ? grammar : "too much chunk framing for too little data";
}

bool BodyDecoder::finish_at_eof() noexcept {
  if (phase_ == Phase::data && kind_ == BodyKind::until_close) phase_ = Phase::ended;
  return phase_ == Phase::ended;
}

size_t write_chunk_open(char *out, uint64_t bytes) noexcept {
  char *end = std::to_chars(out, out + 16, bytes, 16).ptr;
  end[0] = '\r';
  end[1] = '\n';
  return static_cast<size_t>(end + 2 - out);
}

}  // namespace holdfast::proxy::http
