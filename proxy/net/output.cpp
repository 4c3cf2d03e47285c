#include "proxy/net/output.h"

namespace holdfast::proxy {

void Output::keep(std::span<const iovec> pieces, size_t skip_bytes) {
  // Sent bytes at the front are given back before growing, so that the buffer stays near its bound.
  if (start_ > 0) {
    buffer_.erase(0, start_);
    start_ = 0;
  }
  for (const iovec &piece : pieces) {
    if (skip_bytes >= piece.iov_len) {
      skip_bytes -= piece.iov_len;
      continue;
    }
    buffer_.append(static_cast<const char *>(piece.iov_base) + skip_bytes,
                   piece.iov_len - skip_bytes);
    skip_bytes = 0;
  }
}

void Output::hold(std::span<const iovec> pieces) { keep(pieces, 0); }

std::string Output::take() {
  std::string rest = buffer_.substr(start_);
  std::string().swap(buffer_);
  start_ = 0;
  return rest;
}

Output::Status Output::write(ByteStream &stream, std::span<const iovec> pieces) {
  if (unsent_bytes() > 0) {
    keep(pieces, 0);
    return Status::pending;
  }
  size_t total = 0;
  for (const iovec &piece : pieces) total += piece.iov_len;
  if (total == 0) return Status::sent;
  const IoResult wrote = stream.write(pieces);
  if (wrote.status == IoStatus::failed) {
    sys_errno_ = wrote.sys_errno;
    return Status::failed;
  }
  sent_bytes_ += wrote.bytes;
  if (wrote.bytes == total) return Status::sent;
  keep(pieces, wrote.bytes);
  return Status::pending;
}

Output::Status Output::flush(ByteStream &stream) {
  while (unsent_bytes() > 0) {
    const iovec rest{buffer_.data() + start_, unsent_bytes()};
    const IoResult wrote = stream.write({&rest, 1});
    if (wrote.status == IoStatus::failed) {
      sys_errno_ = wrote.sys_errno;
      return Status::failed;
    }
    if (wrote.status == IoStatus::would_block) return Status::pending;
    sent_bytes_ += wrote.bytes;
    start_ += wrote.bytes;
  }
  std::string().swap(buffer_);
  start_ = 0;
  return Status::sent;
}

}  // namespace holdfast::proxy
