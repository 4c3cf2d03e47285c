// Unsent bytes of one connection. Writes directly and keeps only what the kernel did not take; the
// buffer exists only while it is not empty, so an idle connection costs nothing for it. The caller
// arms and disarms write interest by what it returns. Worker thread only.
#pragma once

#include <memory>
#include <span>
#include <string>

#include "proxy/net/byte_stream.h"

namespace holdfast::proxy {

class Output {
 public:
  enum class Status : uint8_t {
    sent,      // everything is in the kernel
    pending,   // a rest is kept: call flush() when writable
    failed,    // the connection is broken
    host_gone  // the same, because the peer's host no longer answers; told once
  };

  // Writes the pieces, after what is already waiting.
  Status write(ByteStream &stream, std::span<const iovec> pieces);
  Status flush(ByteStream &stream);
  // Keeps bytes without trying to write (the connection is not established yet).
  void hold(std::span<const iovec> pieces);

  std::string take();  // the unsent bytes; empty afterwards

  size_t unsent_bytes() const noexcept { return rest_ ? rest_->bytes.size() - rest_->start : 0; }
  uint64_t sent_bytes() const noexcept { return sent_bytes_; }  // accepted by the kernel so far

 private:
  void keep(std::span<const iovec> pieces, size_t skip_bytes);

  struct Rest {
    std::string bytes;
    size_t start = 0;  // what stands before has been sent
  };

  std::unique_ptr<Rest> rest_;
  uint64_t sent_bytes_ = 0;
};

}  // namespace holdfast::proxy
