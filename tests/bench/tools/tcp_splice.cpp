// tcp-splice LISTEN_PORT BACKEND_PORT: the least a proxy can do. Accepts, connects and copies bytes
// both ways; it understands nothing, so its CPU time per request is the floor under any HTTP proxy
// on the same machine.
#include <sys/epoll.h>
#include <sys/socket.h>

#include <cerrno>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "tests/bench/tools/options.h"
#include "tests/bench/tools/sockets.h"

namespace holdfast::bench {
namespace {

struct Pair;

struct End {
  UniqueFd fd;
  Pair *pair = nullptr;  // whose end it is
  bool reading = true;
  bool writing = false;
  std::string unsent;  // what this socket could not take yet
};

struct Pair {
  End client;
  End backend;
  bool dead = false;
};

class Splice {
 public:
  Splice(uint16_t port, uint16_t backend_port)
      : listener_(listen_tcp("127.0.0.1", port)),
        backend_(inet_address("127.0.0.1", backend_port)) {
    epoll_set(epoll_, EPOLL_CTL_ADD, listener_.get(), EPOLLIN, nullptr);
  }

  [[noreturn]] void run() {
    std::vector<epoll_event> events(1024);
    for (;;) {
      const int count = ::epoll_wait(epoll_, events.data(), static_cast<int>(events.size()), -1);
      for (int i = 0; i < count; ++i) {
        const epoll_event &event = events[static_cast<size_t>(i)];
        if (event.data.ptr == nullptr) {
          accept_all();
        } else {
          handle(*static_cast<End *>(event.data.ptr), event.events);
        }
      }
      for (Pair *pair : finished_) pairs_.erase(pair);
      finished_.clear();
    }
  }

 private:
  void accept_all() {
    while (UniqueFd fd = accept_tcp(listener_.get())) {
      UniqueFd to = connect_tcp(backend_);
      if (!to) continue;
      auto pair = std::make_unique<Pair>();
      pair->client.fd = std::move(fd);
      pair->backend.fd = std::move(to);
      for (End *end : {&pair->client, &pair->backend}) {
        end->pair = pair.get();
        epoll_set(epoll_, EPOLL_CTL_ADD, end->fd.get(), EPOLLIN, end);
      }
      Pair *key = pair.get();
      pairs_.emplace(key, std::move(pair));
    }
  }

  void handle(End &end, uint32_t events) {
    if (end.pair->dead) return;
    if ((events & EPOLLOUT) != 0) flush(end);
    if (!end.pair->dead && end.reading && (events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0) {
      const ssize_t got = ::recv(end.fd.get(), buffer_.data(), buffer_.size(), 0);
      if (got > 0) {
        forward(end, static_cast<size_t>(got));
      } else if (got == 0 || errno != EAGAIN) {
        finish(*end.pair);
      }
    }
  }

  // Sends what came from `from` to the other end; keeps the rest and stops reading.
  void forward(End &from, size_t bytes) {
    End &to = other(from);
    const ssize_t wrote = ::send(to.fd.get(), buffer_.data(), bytes, MSG_NOSIGNAL);
    if (wrote < 0 && errno != EAGAIN && errno != ENOTCONN) {
      finish(*to.pair);
      return;
    }
    const size_t sent = wrote > 0 ? static_cast<size_t>(wrote) : 0;
    if (sent == bytes) return;
    to.unsent.append(buffer_.data() + sent, bytes - sent);
    to.writing = true;
    from.reading = false;
    arm(to);
    arm(from);
  }

  void flush(End &end) {
    const ssize_t wrote = ::send(end.fd.get(), end.unsent.data(), end.unsent.size(), MSG_NOSIGNAL);
    if (wrote < 0 && errno != EAGAIN) {
      finish(*end.pair);
      return;
    }
    if (wrote > 0) end.unsent.erase(0, static_cast<size_t>(wrote));
    if (!end.unsent.empty()) return;
    end.writing = false;
    other(end).reading = true;
    arm(end);
    arm(other(end));
  }

  void arm(End &end) const {
    const uint32_t events =
        (end.reading ? uint32_t{EPOLLIN} : 0) | (end.writing ? uint32_t{EPOLLOUT} : 0);
    epoll_set(epoll_, EPOLL_CTL_MOD, end.fd.get(), events, &end);
  }

  static End &other(End &end) {
    return &end == &end.pair->client ? end.pair->backend : end.pair->client;
  }

  void finish(Pair &pair) {
    if (pair.dead) return;
    pair.dead = true;
    finished_.push_back(&pair);
  }

  const int epoll_ = make_epoll();
  UniqueFd listener_;
  sockaddr_in backend_;
  std::vector<char> buffer_ = std::vector<char>(256 * 1024);
  std::unordered_map<Pair *, std::unique_ptr<Pair>> pairs_;
  std::vector<Pair *> finished_;  // freed after the batch of events they may still be in
};

}  // namespace
}  // namespace holdfast::bench

int main(int argc, char **argv) {
  using namespace holdfast::bench;
  if (argc != 3) die("usage: tcp-splice LISTEN_PORT BACKEND_PORT");
  (void)raise_nofile();  // ignoring: what it is now is what there is
  Splice splice(static_cast<uint16_t>(std::stoi(argv[1])),
                static_cast<uint16_t>(std::stoi(argv[2])));
  splice.run();
}
