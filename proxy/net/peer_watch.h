// Whether the host at the other end of a connection still answers. TCP alone gives a vanished host
// a quarter of an hour once something is unacknowledged; TCP_USER_TIMEOUT would end it sooner, and
// with it the live client whose window stays closed because it does not read, which is the write
// deadline's business. The kernel's own books tell the two apart: the host of a client that does
// not read says so to whatever it is sent, though that may be something it has no room for, sent
// again every two minutes; a host that is gone answers nothing. One per event stream, asked now and
// then; remembers one moment. Worker thread only.
#pragma once

#include <optional>

#include "common/clock.h"

namespace holdfast::proxy {

// What the kernel says of a TCP connection (TCP_INFO).
struct TcpState {
  unsigned unacked = 0;     // segments sent and not acknowledged
  unsigned unanswered = 0;  // probes sent since the last acknowledgement
  Millis since_sent{0};     // since data was last sent, for the first time or again
  Millis since_ack{0};      // since the last acknowledgement of any kind
};
// nullopt: not a TCP connection.
std::optional<TcpState> tcp_state(int fd) noexcept;

class PeerWatch {
 public:
  // True when every look of at least `limit` has found that the peer owes an answer to what it was
  // sent last, and none of any kind has come in that time. The look that first finds it so begins
  // the time: what was sent a moment ago says nothing yet, however long the peer was silent before.
  bool gone(const TcpState &state, MonoTime now, Millis limit) noexcept;

 private:
  MonoTime waiting_since_ = MonoTime::max();
};

}  // namespace holdfast::proxy
