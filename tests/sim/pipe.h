// One direction of a link: what was said and has not been heard yet, in order. As whole messages,
// or (slower, and closer to a socket) as bytes that come in pieces through the real line codec. A
// broken pipe keeps a beginning of what was on its way, maybe with half a line at its end.
#pragma once

#include <deque>
#include <optional>
#include <string>
#include <utility>

#include "common/clock.h"
#include "common/limits.h"
#include "common/line_codec.h"
#include "common/link_messages.h"
#include "tests/sim/rng.h"
#include "tests/sim/trace.h"

namespace holdfast::sim {

inline Result<link::ToSessiond> decode_line(std::string_view line, const link::ToSessiond *) {
  return link::decode_to_sessiond(line);
}
inline Result<link::ToProxy> decode_line(std::string_view line, const link::ToProxy *) {
  return link::decode_to_proxy(line);
}

template <class M>
class Pipe {
 public:
  explicit Pipe(bool bytes) : bytes_(bytes) {}

  bool empty() const noexcept { return sent_.empty(); }
  size_t size() const noexcept { return sent_.size(); }
  MonoTime oldest() const { return sent_.front(); }  // REQUIRES: not empty

  void push(M message, MonoTime now) {
    sent_.push_back(now);
    if (bytes_) {
      lines_.push_back(link::encode(message) + "\n");
    } else {
      messages_.push_back(std::move(message));
    }
  }

  // The next message. REQUIRES: not empty.
  M pop(Rng &rng) {
    sent_.pop_front();
    if (!bytes_) {
      M message = std::move(messages_.front());
      messages_.pop_front();
      return message;
    }
    std::string_view line;
    while (!codec_.next(line)) feed(rng);
    auto message = decode_line(line, static_cast<const M *>(nullptr));
    require(static_cast<bool>(message), "C2", "not understood: {}", line);
    return *std::move(message);
  }

  // The connection broke: only the first `kept` messages still arrive, and maybe half a line.
  void truncate(size_t kept, Rng &rng) {
    if (sent_.size() <= kept) return;
    if (!bytes_) {
      sent_.resize(kept);
      messages_.resize(kept);
      return;
    }
    // The reader may hold a piece of the first line already: lines are counted from the last.
    const size_t lost = sent_.size() - kept;
    sent_.resize(kept);
    std::string &half = lines_[lines_.size() - lost];
    half.resize(rng.below(half.size() + 1) / 2);  // never all of it
    lines_.resize(lines_.size() - lost + 1);
  }

 private:
  // A piece of any size, maybe with the end of one line and the beginning of the next.
  void feed(Rng &rng) {
    while (lines_.front().empty()) lines_.pop_front();
    std::string &line = lines_.front();
    const size_t piece = 1 + rng.below(line.size());
    codec_.append(std::string_view(line).substr(0, piece));
    line.erase(0, piece);
    if (line.empty()) lines_.pop_front();
  }

  bool bytes_;
  std::deque<MonoTime> sent_;
  std::deque<M> messages_;
  std::deque<std::string> lines_;  // not yet with the reader
  LineCodec codec_{kLinkLineBytesMax};
};

}  // namespace holdfast::sim
