#include "proxy/acceptor.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "common/log.h"
#include "proxy/worker.h"

namespace holdfast::proxy {
namespace {

constexpr int kAcceptsPerWake = 16;
constexpr timeval kBackOff{0, 100'000};

bool out_of_resources(int error) {
  return error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM;
}

// ignoring failures: a Unix socket has none of these; without them only latency, and how soon a
// dead peer is noticed, suffer
void set(int fd, int level, int option, int64_t value) {
  const int n = static_cast<int>(value);
  (void)::setsockopt(fd, level, option, &n, sizeof n);
}

// What a listener is set to, the connections it accepts inherit: many system calls less for each.
// Those it has accepted already keep what it was set to before a reload.
void set_for_connections(int listener, const ClientKeepAlive &keepalive) {
  const auto seconds = [](Millis time) { return std::max<int64_t>(time.count() / 1000, 1); };
  set(listener, IPPROTO_TCP, TCP_NODELAY, 1);
  set(listener, SOL_SOCKET, SO_KEEPALIVE, keepalive.on ? 1 : 0);
  set(listener, IPPROTO_TCP, TCP_KEEPIDLE, seconds(keepalive.idle));
  set(listener, IPPROTO_TCP, TCP_KEEPINTVL, seconds(keepalive.interval));
  set(listener, IPPROTO_TCP, TCP_KEEPCNT, keepalive.probes);
  set(listener, IPPROTO_TCP, TCP_USER_TIMEOUT, keepalive.user_timeout.count());
}

}  // namespace

Acceptor::Acceptor(Worker &worker, UniqueFd fd, size_t listener)
    : worker_(worker), fd_(std::move(fd)), listener_(listener) {
  set_for_connections(fd_.get(), worker.config()->listeners[listener].keepalive);
  event_.reset(event_new(worker.base(), fd_.get(), EV_READ | EV_PERSIST, &on_readable_c, this));
  resume_.reset(event_new(worker.base(), -1, 0, &on_resume_c, this));
  (void)event_add(event_.get(), nullptr);
}

void Acceptor::pause(uint8_t reason, bool on) {
  const bool was = paused_ != 0;
  paused_ = static_cast<uint8_t>(on ? paused_ | reason : paused_ & ~reason);
  if (was == (paused_ != 0)) return;
  if (paused_ != 0) {
    (void)event_del(event_.get());
  } else {
    (void)event_add(event_.get(), nullptr);
  }
}

void Acceptor::on_readable() {
  for (int i = 0; i < kAcceptsPerWake; ++i) {
    if (!worker_.may_accept()) return;
    sockaddr_storage storage{};
    socklen_t bytes = sizeof storage;
    auto *address = static_cast<sockaddr *>(static_cast<void *>(&storage));
    UniqueFd fd(::accept4(fd_.get(), address, &bytes, SOCK_NONBLOCK | SOCK_CLOEXEC));
    if (!fd) {
      if (out_of_resources(errno)) back_off(errno);
      return;  // EAGAIN, or a connection that was gone before we came
    }
    const bool last = worker_.is_reserved(fd.get());
    const std::optional<SocketAddress> peer = SocketAddress::from(address, bytes);
    worker_.add_client(std::move(fd), listener_, peer.value_or(SocketAddress{}));
    if (last) {
      back_off(EMFILE);
      return;
    }
  }
}

void Acceptor::back_off(int sys_errno) {
  worker_.note_accept_trouble(sys_errno);
  pause(kNoDescriptors, true);
  (void)event_add(resume_.get(), &kBackOff);
}

void Acceptor::on_resume() {
  if (worker_.descriptors_left()) {
    pause(kNoDescriptors, false);
    return;
  }
  (void)event_add(resume_.get(), &kBackOff);
}

void Acceptor::on_readable_c(evutil_socket_t, short, void *self) noexcept {
  static_cast<Acceptor *>(self)->on_readable();
}
void Acceptor::on_resume_c(evutil_socket_t, short, void *self) noexcept {
  static_cast<Acceptor *>(self)->on_resume();
}

}  // namespace holdfast::proxy
