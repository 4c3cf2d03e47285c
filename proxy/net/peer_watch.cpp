#include "proxy/net/peer_watch.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

namespace holdfast::proxy {
namespace {

// One unanswered probe may be on its way at the moment of the look.
constexpr unsigned kUnansweredProbes = 2;

bool owes_answer(const TcpState &state) {
  return (state.unacked > 0 && state.since_ack > state.since_sent) ||
         state.unanswered >= kUnansweredProbes;
}

}  // namespace

std::optional<TcpState> tcp_state(int fd) noexcept {
  tcp_info info{};
  socklen_t bytes = sizeof info;
  if (::getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &bytes) != 0) return std::nullopt;
  return TcpState{info.tcpi_unacked, info.tcpi_probes, Millis{info.tcpi_last_data_sent},
                  Millis{info.tcpi_last_ack_recv}};
}

bool PeerWatch::gone(const TcpState &state, MonoTime now, Millis limit) noexcept {
  if (!owes_answer(state)) {
    waiting_since_ = MonoTime::max();
    return false;
  }
  const bool answered = waiting_since_ != MonoTime::max() && state.since_ack < now - waiting_since_;
  if (waiting_since_ == MonoTime::max() || answered) {
    waiting_since_ = now;
    return false;
  }
  return now - waiting_since_ >= limit;
}

}  // namespace holdfast::proxy
