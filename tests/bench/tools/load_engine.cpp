#include "tests/bench/tools/load_engine.h"

#include <sys/epoll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>

namespace holdfast::bench {

void Engine::every(unsigned ms, std::function<void()> hook) {
  period_ns_ = uint64_t{ms} * 1'000'000;
  hook_ = std::move(hook);
  hook_due_ns_ = now_ns() + period_ns_;
}

void Engine::run(uint64_t until_ns) {
  std::vector<epoll_event> events(512);
  stopped_ = false;
  while (!stopped_) {
    const uint64_t now = now_ns();
    if (now >= until_ns) break;
    if (hook_ && now >= hook_due_ns_) {
      hook_();
      hook_due_ns_ = now_ns() + period_ns_;
    }
    const uint64_t wait_ns = hook_ ? std::min(until_ns - now, period_ns_) : until_ns - now;
    const int count = ::epoll_wait(epoll_, events.data(), static_cast<int>(events.size()),
                                   static_cast<int>(wait_ns / 1'000'000 + 1));
    for (int i = 0; i < count; ++i) {
      const epoll_event &event = events[static_cast<size_t>(i)];
      Client *client = static_cast<Client *>(event.data.ptr);
      if (client->is_open()) client->handle(event.events);
    }
  }
}

void Client::open(unsigned index, int receive_buffer) {
  close_socket();
  const unsigned source = settings_.sources > 1 ? 1 + index % settings_.sources : 0;
  wire_ = Wire(connect_tcp(settings_.address, {source, receive_buffer}), settings_.tls);
  if (!wire_) {
    ++errors_.connect;
    return;
  }
  connecting_ = shaking_ = true;
  parser_.reset();
  out_.clear();
  interest_ = EPOLLIN | EPOLLOUT;
  epoll_set(engine_.epoll_, EPOLL_CTL_ADD, wire_.fd(), interest_, this);
}

void Client::close_socket() {
  wire_ = Wire();
  ++generation_;
}

void Client::send(std::string_view bytes, std::string_view shared, std::string_view after) {
  out_.append(bytes);
  if (!shared.empty()) {
    out_.append_shared(shared);
    out_.append(after);
  }
  if (!connecting_ && !shaking_) flush();
}

void Client::pause_reading(bool pause) {
  paused_ = pause;
  update_interest();
}

void Client::flush() {
  if (!wire_) return;
  if (out_.flush(wire_)) {
    update_interest();
  } else {
    fail();
  }
}

void Client::update_interest() {
  if (!wire_) return;
  const bool writes = connecting_ || (shaking_ ? wire_.wants_write() : !out_.empty());
  const uint32_t wanted = (paused_ ? 0 : uint32_t{EPOLLIN}) | (writes ? uint32_t{EPOLLOUT} : 0);
  if (wanted == interest_) return;
  interest_ = wanted;
  epoll_set(engine_.epoll_, EPOLL_CTL_MOD, wire_.fd(), wanted, this);
}

void Client::fail() {
  close_socket();
  on_closed();
}

void Client::handle(uint32_t events) {
  if (connecting_ && (events & (EPOLLOUT | EPOLLERR | EPOLLHUP)) != 0) {
    if (!finish_connect()) return;
  }
  if (shaking_) {
    if (connecting_ || !finish_handshake()) return;
  } else if ((events & EPOLLOUT) != 0) {
    flush();
  }
  if (wire_ && (events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0) read();
}

bool Client::finish_connect() {
  int error = 0;
  socklen_t bytes = sizeof error;
  (void)::getsockopt(wire_.fd(), SOL_SOCKET, SO_ERROR, &error, &bytes);
  if (error != 0) {
    ++errors_.connect;
    fail();
    return false;
  }
  connecting_ = false;
  return true;
}

bool Client::finish_handshake() {
  switch (wire_.shake_hands()) {
    case Wire::Shake::more:
      update_interest();
      return false;
    case Wire::Shake::failed:
      ++errors_.tls;
      fail();
      return false;
    case Wire::Shake::done:
      break;
  }
  shaking_ = false;
  flush();
  return true;
}

void Client::read() {
  const uint32_t generation = generation_;
  const ssize_t got = wire_.receive(engine_.buffer_.data(), engine_.buffer_.size());
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (got <= 0) {
    (void)parser_.eof(*this);  // ignoring: the connection has ended either way
    if (generation == generation_) fail();
    return;
  }
  if (!parser_.feed({engine_.buffer_.data(), static_cast<size_t>(got)}, *this)) {
    ++errors_.malformed;
    fail();
    return;
  }
  if (generation == generation_) after_read();
}

}  // namespace holdfast::bench
