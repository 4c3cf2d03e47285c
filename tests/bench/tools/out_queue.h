// Bytes waiting to be sent on one socket: owned bytes, then optionally a view of long-lived shared
// bytes (a big payload, never copied), then owned bytes.
#pragma once

#include <algorithm>
#include <cerrno>
#include <string>
#include <string_view>

#include "tests/bench/tools/wire.h"

namespace holdfast::bench {

class OutQueue {
 public:
  void append(std::string_view bytes) { (shared_.empty() ? before_ : after_).append(bytes); }
  void append_shared(std::string_view bytes) { shared_ = bytes; }
  bool empty() const { return size() == 0; }
  size_t size() const { return before_.size() + shared_.size() + after_.size() - sent_; }

  // Sends as much as the socket takes. False means the connection is dead.
  bool flush(Wire &wire) {
    while (!empty()) {
      iovec pieces[3];
      const ssize_t wrote = wire.send(pieces, unsent(pieces));
      if (wrote < 0 && errno == EINTR) continue;
      if (wrote < 0) return errno == EAGAIN;
      sent_ += static_cast<size_t>(wrote);
    }
    clear();
    return true;
  }

  void clear() {
    before_.clear();
    after_.clear();
    shared_ = {};
    sent_ = 0;
  }

 private:
  size_t unsent(iovec (&pieces)[3]) {
    size_t count = 0;
    size_t skip = sent_;
    for (const std::string_view part :
         {std::string_view(before_), shared_, std::string_view(after_)}) {
      const size_t skipped = std::min(skip, part.size());
      skip -= skipped;
      if (part.size() == skipped) continue;
      pieces[count++] = {const_cast<char *>(part.data()) + skipped,  // only read from
                         part.size() - skipped};
    }
    return count;
  }

  std::string before_;
  std::string after_;
  std::string_view shared_;
  size_t sent_ = 0;
};

}  // namespace holdfast::bench
