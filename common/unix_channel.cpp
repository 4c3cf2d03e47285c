#include "common/unix_channel.h"

#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <vector>

#include "common/limits.h"
#include "common/line_codec.h"
#include "common/unix_address.h"

namespace holdfast {
namespace {

constexpr size_t kReadBytes = 16 * 1024;
constexpr int kReadsPerTurn = 8;               // then the other sockets of the loop have their turn
constexpr size_t kKeptQueueBytes = 64 * 1024;  // a larger queue gives its memory back when drained
constexpr std::chrono::milliseconds kFlushDeadline{2000};

Error end_of_file() { return Error{Errc::io, 0, "the peer closed the connection"}; }

Error socket_error(const char *what) {
  const int saved = errno;
  return Error{Errc::io, saved, std::string(what) + ": " + std::strerror(saved)};
}

bool would_block() { return errno == EAGAIN || errno == EWOULDBLOCK; }

}  // namespace

// open ──close(true), EOF with output queued──▶ flushing ──written, deadline, error──▶ over
//   └──────────close(false), EOF, error, bound──────────────────────────────────────▶ over
// `over` waits for on_turn, which the loop calls, to report on_closed.
struct UnixChannel::Impl {
  enum class State { open, flushing, over };

  Impl(UnixChannel &own, event_base *base, UniqueFd taken, const ChannelLimits &bounds,
       Handler &told)
      : channel(own),
        handler(told),
        limits(bounds),
        fd(std::move(taken)),
        peer(peer_credentials(fd.get())),
        codec(bounds.line_bytes_max),
        read_event(make_event(base, fd.get(), EV_READ | EV_PERSIST, on_readable_c, this)),
        write_event(make_event(base, fd.get(), EV_WRITE, on_writable_c, this)),
        turn_event(make_event(base, -1, 0, on_turn_c, this)),
        deadline_event(make_event(base, -1, 0, on_deadline_c, this)) {
    (void)event_add(read_event.get(), nullptr);  // ignoring: fails only without memory for epoll
  }

  void wake() { event_active(turn_event.get(), 0, 0); }

  size_t queued() const { return out.size() - out_start; }

  bool queue(std::string_view bytes, std::string_view end) {
    if (state != State::open) return false;
    if (queued() + bytes.size() + end.size() > limits.queue_bytes_max) return false;
    if (queued() == 0) wake();  // one write for all that is queued in this turn of the loop
    out += bytes;
    out += end;
    return true;
  }

  void start_flushing() {
    if (state != State::open) return;
    state = State::flushing;
    (void)event_del(read_event.get());  // ignoring: deleting cannot fail here
    add_timer(deadline_event.get(), kFlushDeadline);
    wake();
  }

  void fail(Error why) {
    if (state == State::over) return;
    if (state == State::open) reason = std::move(why);
    state = State::over;
    (void)event_del(read_event.get());      // ignoring: as above
    (void)event_del(write_event.get());     // ignoring: as above
    (void)event_del(deadline_event.get());  // ignoring: as above
    wake();
  }

  // A peer that only half-closed (socat does, after its input) still reads its answer.
  void on_end_of_file() {
    if (queued() == 0) return fail(end_of_file());
    reason = end_of_file();
    start_flushing();
  }

  void deliver_lines() {
    std::string_view line;
    bool completed = false;
    while (state == State::open && !paused && codec.next(line)) {
      completed = true;
      handler.on_line(channel, line);
    }
    if (state == State::open && codec.failed()) {
      fail(Error{Errc::limit, 0,
                 "a line is longer than " + std::to_string(limits.line_bytes_max) + " bytes"});
    }
    watch_half_line(completed);
  }

  // The deadline runs from a line's first bytes, so that a peer cannot extend it byte by byte.
  void watch_half_line(bool completed) {
    if (state != State::open || limits.half_line_deadline.count() == 0) return;
    const bool waiting = codec.half_line() && !paused;
    if (half_line_armed && (completed || !waiting)) {
      (void)event_del(deadline_event.get());  // ignoring: as above
      half_line_armed = false;
    }
    if (half_line_armed || !waiting) return;
    add_timer(deadline_event.get(), limits.half_line_deadline);
    half_line_armed = true;
  }

  void on_readable() {
    // Not on the stack, where the compiler would zero it each time. What is read is taken over
    // before anybody is called.
    static thread_local std::array<char, kReadBytes> buffer;
    for (int i = 0; i < kReadsPerTurn && state == State::open && !paused; ++i) {
      const ssize_t n = recv(fd.get(), buffer.data(), buffer.size(), MSG_DONTWAIT);
      if (n > 0) {
        codec.append({buffer.data(), static_cast<size_t>(n)});
        deliver_lines();
        if (static_cast<size_t>(n) < buffer.size()) return;  // most likely all there is
      } else if (n == 0) {
        return on_end_of_file();
      } else if (errno != EINTR) {
        if (!would_block()) fail(socket_error("read"));
        return;
      }
    }
  }

  void write_queue() {
    while (queued() > 0) {
      const ssize_t n =
          ::send(fd.get(), out.data() + out_start, queued(), MSG_NOSIGNAL | MSG_DONTWAIT);
      if (n >= 0) {
        out_start += static_cast<size_t>(n);
      } else if (would_block()) {
        if (out_start > out.size() / 2) compact();
        (void)event_add(write_event.get(), nullptr);  // ignoring: as above
        return;
      } else if (errno != EINTR) {
        return fail(socket_error("write"));
      }
    }
    const bool wrote = !out.empty();
    out_start = 0;
    out.clear();
    if (out.capacity() > kKeptQueueBytes) out = std::string();
    if (state == State::flushing) {
      discard_input();
      return fail(reason);
    }
    if (wrote) handler.on_drained(channel);
  }

  void compact() {
    out.erase(0, out_start);
    out_start = 0;
  }

  // Closing a Unix socket with unread input resets it, and the peer may see the reset before its
  // answer's end.
  void discard_input() {
    std::array<char, kReadBytes> buffer;
    for (int i = 0; i < kReadsPerTurn; ++i) {
      if (recv(fd.get(), buffer.data(), buffer.size(), MSG_DONTWAIT) <= 0) return;
    }
  }

  void on_deadline() {
    if (state == State::flushing) return fail(reason);
    fail(Error{Errc::limit, 0,
               "half a line for " + std::to_string(limits.half_line_deadline.count()) + " ms"});
  }

  // Called by the loop only. Last statement: the handler may destroy the channel in on_closed.
  void on_turn() {
    if (resumed) {
      resumed = false;
      deliver_lines();
    }
    if (state != State::over) write_queue();
    if (state != State::over || reported) return;
    reported = true;
    fd.reset();
    const Error why = reason;
    handler.on_closed(channel, why);
  }

  static void on_readable_c(evutil_socket_t, short, void *self) noexcept {
    static_cast<Impl *>(self)->on_readable();
  }
  static void on_writable_c(evutil_socket_t, short, void *self) noexcept {
    static_cast<Impl *>(self)->write_queue();
  }
  static void on_turn_c(evutil_socket_t, short, void *self) noexcept {
    static_cast<Impl *>(self)->on_turn();
  }
  static void on_deadline_c(evutil_socket_t, short, void *self) noexcept {
    static_cast<Impl *>(self)->on_deadline();
  }

  UnixChannel &channel;
  Handler &handler;
  ChannelLimits limits;
  UniqueFd fd;
  PeerCredentials peer;
  LineCodec codec;
  State state = State::open;
  bool paused = false;
  bool resumed = false;
  bool reported = false;
  bool half_line_armed = false;
  Error reason{Errc::io, 0, "closed by us"};
  std::string out;
  size_t out_start = 0;  // of the first unsent byte
  EventPtr read_event;   // after fd: deleted before it is closed
  EventPtr write_event;
  EventPtr turn_event;
  EventPtr deadline_event;
};

UnixChannel::UnixChannel(event_base *base, UniqueFd fd, const ChannelLimits &limits,
                         Handler &handler)
    : impl_(std::make_unique<Impl>(*this, base, std::move(fd), limits, handler)) {}

UnixChannel::~UnixChannel() = default;

bool UnixChannel::send(std::string_view line) { return impl_->queue(line, "\n"); }
bool UnixChannel::send_raw(std::string_view bytes) { return impl_->queue(bytes, {}); }
size_t UnixChannel::queued_bytes() const noexcept { return impl_->queued(); }
PeerCredentials UnixChannel::peer() const noexcept { return impl_->peer; }

void UnixChannel::close(bool flush) {
  if (flush) return impl_->start_flushing();
  impl_->fail(impl_->reason);
}

void UnixChannel::pause_reading(bool paused) {
  if (impl_->paused == paused || impl_->state != Impl::State::open) return;
  impl_->paused = paused;
  if (paused) {
    (void)event_del(impl_->read_event.get());  // ignoring: deleting cannot fail here
  } else {
    (void)event_add(impl_->read_event.get(), nullptr);  // ignoring: fails only without memory
    impl_->resumed = true;  // lines that had already arrived are delivered by the loop
    impl_->wake();
  }
  impl_->watch_half_line(false);
}

PeerCredentials peer_credentials(int fd) noexcept {
  ucred raw{};
  socklen_t bytes = sizeof raw;
  if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &raw, &bytes) != 0) return PeerCredentials{};
  return PeerCredentials{raw.pid, raw.uid, raw.gid};
}

bool peer_in_group(int fd, const PeerCredentials &peer, gid_t group) {
  if (peer.gid == group) return true;
  socklen_t bytes = 0;  // the kernel says how many it takes, as an error
  if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, nullptr, &bytes) == 0 || errno != ERANGE)
    return false;
  std::vector<gid_t> groups(bytes / sizeof(gid_t));
  if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups.data(), &bytes) != 0) return false;
  return std::find(groups.begin(), groups.end(), group) != groups.end();
}

Result<UniqueFd> unix_connect(const std::string &path) {
  const auto address = UnixAddress::of(path);
  if (!address) return address.error();
  UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd) return socket_error("socket");
  if (::connect(fd.get(), address->get(), UnixAddress::bytes()) != 0) {
    return socket_error(path.c_str());
  }
  return fd;
}

}  // namespace holdfast
