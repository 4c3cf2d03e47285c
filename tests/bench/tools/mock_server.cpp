#include "tests/bench/tools/mock_server.h"

#include <sys/epoll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>

namespace holdfast::bench {
namespace {

constexpr uint64_t kTickNs = 500'000;
constexpr int kBurstMax = 64;  // events of one stream and tick

}  // namespace

MockServer::MockServer(MockSettings settings)
    : settings_(std::move(settings)),
      text_(settings_.resp_bytes, 'x'),
      padding_(settings_.event_bytes, 'e'),
      listener_(listen_tcp(settings_.host, settings_.port)) {
  epoll_set(epoll_, EPOLL_CTL_ADD, listener_.get(), EPOLLIN, nullptr);
}

void MockServer::run(const volatile int &stop) {
  std::vector<epoll_event> events(1024);
  uint64_t last_tick_ns = 0;
  while (stop == 0) {
    const int count =
        ::epoll_wait(epoll_, events.data(), static_cast<int>(events.size()), wait_ms(now_ns()));
    for (int i = 0; i < count; ++i) {
      const epoll_event &event = events[static_cast<size_t>(i)];
      if (event.data.ptr == nullptr) {
        accept_all();
        continue;
      }
      MockConn &conn = *static_cast<MockConn *>(event.data.ptr);
      if (!conn.dead && (event.events & EPOLLOUT) != 0) push(conn);
      if (!conn.dead && (event.events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0) readable(conn);
    }
    if (!ticking_.empty() || !delayed_.empty()) {
      const uint64_t now = now_ns();
      if (now - last_tick_ns >= kTickNs || !delayed_.empty()) {
        last_tick_ns = now;
        tick(now);
      }
    }
    sweep();
  }
}

void MockServer::accept_all() {
  while (UniqueFd fd = accept_tcp(listener_.get())) {
    ++counters_.accepted;
    counters_.peak_conns = std::max(counters_.peak_conns, ++conns_count_);
    const auto slot = static_cast<size_t>(fd.get());
    if (by_fd_.size() <= slot) by_fd_.resize(slot + 1024);
    auto conn = std::make_unique<MockConn>(*this, Wire(std::move(fd), settings_.tls));
    conn->generation = ++next_generation_;
    epoll_set(epoll_, EPOLL_CTL_ADD, conn->wire.fd(), EPOLLIN, conn.get());
    by_fd_[slot] = std::move(conn);
  }
}

void MockServer::readable(MockConn &conn) {
  const ssize_t got = conn.wire.receive(buffer_.data(), buffer_.size());
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (got <= 0) {
    conn.dead = true;
  } else if (!conn.parser.feed({buffer_.data(), static_cast<size_t>(got)}, conn)) {
    ++counters_.malformed;
    conn.dead = true;
  }
  if (conn.dead) finished_.push_back(&conn);
}

void MockServer::push(MockConn &conn) {
  if (conn.dead) return;
  if (!conn.out.flush(conn.wire)) {
    conn.dead = true;
    finished_.push_back(&conn);
    return;
  }
  const bool waits = !conn.out.empty();
  if (waits == conn.writing) return;
  epoll_set(epoll_, EPOLL_CTL_MOD, conn.wire.fd(), EPOLLIN | (waits ? uint32_t{EPOLLOUT} : 0),
            &conn);
  conn.writing = waits;
}

void MockServer::sweep() {
  std::sort(finished_.begin(), finished_.end());
  finished_.erase(std::unique(finished_.begin(), finished_.end()), finished_.end());
  for (MockConn *conn : finished_) drop(*conn);
  finished_.clear();
}

void MockServer::drop(MockConn &conn) {
  if (conn.stream == MockConn::StreamKind::legacy) legacy_.erase(conn.session);
  if (conn.stream == MockConn::StreamKind::mcp && settings_.rate > 0) std::erase(ticking_, &conn);
  --conns_count_;
  by_fd_[static_cast<size_t>(conn.wire.fd())].reset();
}

// Sends every delayed answer and every event that has become due.
void MockServer::tick(uint64_t now) {
  while (!delayed_.empty() && delayed_.top().due_ns <= now) {
    const Delayed due = delayed_.top();
    delayed_.pop();
    MockConn *conn = by_fd_[static_cast<size_t>(due.fd)].get();
    if (conn != nullptr && conn->generation == due.generation && !conn->dead) answer(*conn, due.id);
  }
  for (MockConn *conn : ticking_) send_due_events(*conn, now);
}

void MockServer::send_due_events(MockConn &conn, uint64_t now) {
  const double period_ns = 1e9 / settings_.rate;
  for (int i = 0; !conn.dead && conn.due_ns <= static_cast<double>(now) && i < kBurstMax; ++i) {
    conn.due_ns += period_ns;
    if (conn.out.size() > settings_.stall_bytes) {  // the reader is behind: it never existed
      ++counters_.stalled;
    } else {
      send_event(conn);
    }
  }
}

int MockServer::wait_ms(uint64_t now) const {
  if (!ticking_.empty()) return 1;
  if (delayed_.empty()) return -1;
  const uint64_t due = delayed_.top().due_ns;
  return due <= now ? 0 : static_cast<int>((due - now) / 1'000'000 + 1);
}

void MockServer::print_counters() const {
  const std::pair<const char *, uint64_t> rows[] = {
      {"accepted", counters_.accepted},   {"peak_conns", counters_.peak_conns},
      {"requests", counters_.requests},   {"initialize", counters_.initialize},
      {"calls", counters_.calls},         {"deletes", counters_.deletes},
      {"streams", counters_.streams},     {"events", counters_.events},
      {"stalled", counters_.stalled},     {"not_found", counters_.not_found},
      {"malformed", counters_.malformed},
  };
  const char *separator = "{";
  for (const auto &[name, value] : rows) {
    (void)std::printf("%s\"%s\":%llu", separator, name, static_cast<unsigned long long>(value));
    separator = ",";
  }
  (void)std::puts("}");
}

}  // namespace holdfast::bench
