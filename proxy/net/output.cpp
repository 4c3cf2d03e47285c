#include "proxy/net/output.h"

#include <utility>

namespace holdfast::proxy {
namespace {

Output::Status loss(const IoResult &wrote) {
  return wrote.host_gone() ? Output::Status::host_gone : Output::Status::failed;
}

}  // namespace

void Output::keep(std::span<const iovec> pieces, size_t skip_bytes) {
  // Sent bytes at the front are given back before growing, so that the buffer stays near its bound.
  if (!rest_) rest_ = std::make_unique<Rest>();
  rest_->bytes.erase(0, std::exchange(rest_->start, 0));
  for (const iovec &piece : pieces) {
    if (skip_bytes >= piece.iov_len) {
      skip_bytes -= piece.iov_len;
      continue;
    }
    rest_->bytes.append(static_cast<const char *>(piece.iov_base) + skip_bytes,
                        piece.iov_len - skip_bytes);
    skip_bytes = 0;
  }
}

void Output::hold(std::span<const iovec> pieces) { keep(pieces, 0); }

std::string Output::take() {
  const std::unique_ptr<Rest> rest = std::move(rest_);
  return rest ? rest->bytes.substr(rest->start) : std::string();
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
  if (wrote.status == IoStatus::failed) return loss(wrote);
  sent_bytes_ += wrote.bytes;
  if (wrote.bytes == total) return Status::sent;
  keep(pieces, wrote.bytes);
  return Status::pending;
}

Output::Status Output::flush(ByteStream &stream) {
  while (unsent_bytes() > 0) {
    const iovec rest{rest_->bytes.data() + rest_->start, unsent_bytes()};
    const IoResult wrote = stream.write({&rest, 1});
    if (wrote.status == IoStatus::failed) return loss(wrote);
    if (wrote.status == IoStatus::would_block) return Status::pending;
    sent_bytes_ += wrote.bytes;
    rest_->start += wrote.bytes;
  }
  rest_.reset();
  return Status::sent;
}

}  // namespace holdfast::proxy
