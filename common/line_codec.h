// Bytes to bounded lines, pure. A line ends with LF; a CR before it is dropped.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace holdfast {

class LineCodec {
 public:
  explicit LineCodec(size_t line_bytes_max) : line_bytes_max_(line_bytes_max) {}

  // Appends received bytes.
  void append(std::string_view bytes);
  // The next complete line without its end; valid until the next call of a non-const member. False:
  // none yet, or failed().
  bool next(std::string_view &line);
  // A line grew beyond the bound: nothing further is delivered.
  bool failed() const noexcept { return failed_; }
  bool half_line() const noexcept { return start_ < buffer_.size(); }
  size_t buffered_bytes() const noexcept { return buffer_.size() - start_; }

 private:
  size_t line_bytes_max_;
  std::string buffer_;
  size_t start_ = 0;    // of the first undelivered byte
  size_t scanned_ = 0;  // bytes from start_ without LF
  bool failed_ = false;
};

}  // namespace holdfast
