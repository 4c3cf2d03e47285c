// One end of a Unix stream socket that carries lines: reads bounded lines, queues bounded output,
// never blocks. Used for the link on both sides and for admin connections. Loop thread only.
//
//   open ──bytes──▶ on_line … ──EOF, error, bound exceeded, close()──▶ on_closed (once) ──▶ destroy
//
// The handler may call send(), close() and pause() from any callback. It may destroy the channel
// only inside on_closed, which is always the last call and comes from the loop, never from inside
// send() or close().
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

#include "common/ev_ptr.h"
#include "common/result.h"
#include "common/unique_fd.h"

namespace holdfast {

// Who connected, as the kernel saw it then; unknown credentials belong to nobody.
struct PeerCredentials {
  pid_t pid = 0;
  uid_t uid = static_cast<uid_t>(-1);
  gid_t gid = static_cast<gid_t>(-1);
};
PeerCredentials peer_credentials(int fd) noexcept;  // SO_PEERCRED
// Its group, or one of its supplementary ones (SO_PEERGROUPS).
bool peer_in_group(int fd, const PeerCredentials &peer, gid_t group);

struct ChannelLimits {
  size_t line_bytes_max = 0;                        // with its LF
  size_t queue_bytes_max = 0;                       // unsent output
  std::chrono::milliseconds half_line_deadline{0};  // 0: none
};

class UnixChannel {
 public:
  class Handler {
   public:
    virtual ~Handler() = default;
    virtual void on_line(UnixChannel &channel, std::string_view line) = 0;  // without LF (and CR)
    // `why.code`: Errc::io for EOF and socket errors (EOF: sys_errno 0), Errc::limit for a bound.
    virtual void on_closed(UnixChannel &channel, const Error &why) = 0;
    virtual void on_drained(UnixChannel &) {}  // everything queued has been written
  };

  // Takes a connected non-blocking socket; borrows base and handler, which must outlive *this.
  UnixChannel(event_base *base, UniqueFd fd, const ChannelLimits &limits, Handler &handler);
  ~UnixChannel();
  UnixChannel(const UnixChannel &) = delete;
  UnixChannel &operator=(const UnixChannel &) = delete;

  // Queues one line (the LF is added). False: it would exceed the queue's bound; nothing was
  // queued.
  bool send(std::string_view line);
  // Queues bytes as they are (admin answers).
  bool send_raw(std::string_view bytes);
  size_t queued_bytes() const noexcept;

  // Ends the connection; what is queued is written first (at most 2 s) when `flush`. on_closed
  // follows.
  void close(bool flush);
  // Stops and resumes reading, e.g. while a command waits for its answer.
  void pause_reading(bool paused);
  PeerCredentials peer() const noexcept;  // SO_PEERCRED at construction

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// Connects to a Unix stream socket without blocking for long (Unix connects complete at once or
// fail). Errc::io with errno; Errc::limit for a path that does not fit.
Result<UniqueFd> unix_connect(const std::string &path);

}  // namespace holdfast
