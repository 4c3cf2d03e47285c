#include "common/line_codec.h"

#include <cstring>

namespace holdfast {

void LineCodec::append(std::string_view bytes) {
  if (failed_) return;
  if (start_ > 0) {  // delivered lines are no longer referred to once more bytes arrive
    buffer_.erase(0, start_);
    start_ = 0;
  }
  buffer_ += bytes;
}

bool LineCodec::next(std::string_view &line) {
  if (failed_) return false;
  const char *from = buffer_.data() + start_ + scanned_;
  const size_t unscanned = buffer_.size() - start_ - scanned_;
  const void *lf = unscanned == 0 ? nullptr : std::memchr(from, '\n', unscanned);
  const size_t line_bytes =
      lf == nullptr ? buffer_.size() - start_
                    : static_cast<size_t>(static_cast<const char *>(lf) - buffer_.data()) - start_;
  if (line_bytes + 1 > line_bytes_max_) {
    failed_ = true;
    buffer_ = std::string();
    start_ = scanned_ = 0;
    return false;
  }
  if (lf == nullptr) {
    scanned_ = line_bytes;
    return false;
  }
  line = std::string_view(buffer_).substr(start_, line_bytes);
  if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
  start_ += line_bytes + 1;
  scanned_ = 0;
  return true;
}

}  // namespace holdfast
