#include "tests/sim/exchange_world.h"

#include <event2/event.h>
#include <fcntl.h>

#include <algorithm>
#include <cerrno>

#include "tests/sim/exchange_proxy.h"

namespace holdfast::sim {
namespace {

constexpr Millis kShortestDeadline{2000};  // of every configuration; keep-alive's, for one

}  // namespace

ExchangeWorld::ExchangeWorld(uint64_t seed, std::span<const ExchangeConfig> configs,
                             Meddling meddling, Trace &trace)
    : rng_(seed),
      shape_(ExchangeShape::draw(rng_, configs.size())),
      config_(configs[shape_.config]),
      meddling_(meddling),
      books_(trace),
      proxy_(std::make_unique<Proxy>(config_.config)) {
  turn(1);  // the configuration's message
  fds_before_ = open_fds();
}

ExchangeWorld::~ExchangeWorld() = default;

ExchangeWorld::Fds ExchangeWorld::open_fds() {
  Fds open;
  for (size_t fd = 0; fd < open.size(); ++fd)
    open[fd] = ::fcntl(static_cast<int>(fd), F_GETFD) >= 0;
  return open;
}

void ExchangeWorld::turn(size_t count) {
  for (; count > 0; --count) {
    // ignoring: it is never told to stop
    (void)proxy_->worker.turn(EVLOOP_ONCE | EVLOOP_NONBLOCK);
    ++turns_count_;
  }
}

size_t ExchangeWorld::some_bytes() {
  const size_t kind = rng_.below(10);
  if (kind < 2) return 1 + rng_.below(8);
  if (kind < 5) return 1 + rng_.below(300);
  return kind < 8 ? 1 + rng_.below(20'000) : 1 << 18;
}

void ExchangeWorld::step() {
  const size_t what = rng_.below(100);
  if (what < 10) {
    connect_client();
  } else if (what < 50) {
    if (!clients_.empty()) act(*rng_.pick(clients_));
  } else if (what < 96 || (!shape_.impatient && what < 99)) {
    if (!servers_.empty()) act(*rng_.pick(servers_));
  } else {
    pass(rng_.percent(70) ? rng_.between(Millis{1}, Millis{400})
                          : rng_.between(Millis{400}, Millis{6000}));
  }
  turn(rng_.below(3));
  std::erase_if(clients_, [](const auto &client) { return !client->open(); });
  std::erase_if(servers_, [](const auto &server) { return !server->open(); });
  meddle();
  check_bounds();
}

void ExchangeWorld::connect_client() {
  if (clients_.size() >= shape_.clients_max) return;
  UniqueFd near;
  FarEnd end = FarEnd::pair(near, shape_.slow_kernel ? shape_.kernel_bytes : 0);
  const size_t index = ++last_tag_;
  books_.trace().note("client {} connects", index);
  proxy_->worker.add_client(std::move(near), 0, *SocketAddress::numeric("127.0.0.1", 9));
  clients_.push_back(
      std::make_unique<FakeClient>(index, std::move(end), books_, proxy_->clock.now()));
}

void ExchangeWorld::act(FakeClient &client) {
  const size_t what = rng_.below(100);
  if (what < 45) {
    if (!client.has_unsent() && client.may_ask()) {
      for (size_t count = rng_.percent(30) ? 1 + rng_.below(4) : 1; count > 0; --count) {
        if (!client.may_ask()) break;
        client.ask(RequestPlan::draw(rng_, ++last_tag_, shape_, config_.body_bytes_max));
      }
    }
    if (client.has_unsent() && (!client.awaits_invitation() || rng_.percent(10)))
      (void)client.write(some_bytes());  // ignoring: the kernel may be full
  } else if (what < 95) {
    (void)read(client, some_bytes());
  } else if (what < 97) {
    if (!client.half_closed()) client.half_close();
  } else if (rng_.percent(40)) {
    client.leave(rng_.percent(50));
  }
}

void ExchangeWorld::act(FakeServer &server) {
  if (!server.established() && !rng_.percent(20)) return;
  const bool misbehaves = rng_.permille(shape_.flaws_percent);
  if (misbehaves) {
    const size_t what = rng_.below(4);
    if (what == 0 && !server.half_closed()) {
      server.half_close();
    } else if (what == 1 && server.established() && server.request() == nullptr) {
      // Where nothing was asked yet, or something just was, nobody can tell an answer from one that
      // comes too early.
      const bool idle = server.served() && server.end().bytes_for_us() == 0;
      const bool answer = idle && rng_.percent(50);
      server.write_stray(answer ? "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n" : "?");
    } else {
      server.leave(what == 2);
    }
  } else if (!server.established()) {
    server.establish();
  } else if (server.has_unsent() && rng_.percent(60)) {
    (void)server.write(some_bytes());  // ignoring: the kernel may be full
  } else {
    (void)read(server, some_bytes());
  }
}

bool ExchangeWorld::read(FakeClient &client, size_t bytes_max) {
  for (const auto &server : servers_) {  // so that it is known whose request was lost there
    while (server->open() && server->doubtful() && read(*server, 1 << 18)) {
    }
  }
  std::string bytes = client.receive(bytes_max);
  const bool got = !bytes.empty();
  meddle_with_answer(client, bytes);
  if (!bytes.empty()) client.on_bytes(bytes);
  if (!client.ended()) return got;
  meddle_with_end(client);
  client.on_end();
  check_end(client);
  return true;
}

bool ExchangeWorld::read(FakeServer &server, size_t bytes_max) {
  if (!server.established()) return false;
  std::string bytes = server.receive(bytes_max);
  meddle_with_request(server, bytes);
  if (!bytes.empty()) server.on_bytes(bytes);
  if (!server.ended()) return !bytes.empty();
  server.on_end();
  return true;
}

void ExchangeWorld::pass(Millis time, Millis tick) {
  books_.trace().note("{} ms pass", time.count());
  waited_ += time;
  if (waited_ >= kShortestDeadline / 2) books_.note_wait();
  while (time > Millis{0}) {
    const Millis by = std::min(time, tick);
    proxy_->clock.advance(by);
    proxy_->worker.on_tick();
    turn(1);
    time -= by;
  }
}

int ExchangeWorld::on_connect(int fd, unsigned port) {
  const bool trouble = !healing_ && rng_.permille(shape_.flaws_percent * 2);
  if (trouble && rng_.percent(50)) {
    books_.trace().note("backend {} refuses", port);
    books_.break_in_flight();
    errno = ECONNREFUSED;
    return -1;
  }
  UniqueFd near;
  FarEnd end = FarEnd::pair(near, shape_.slow_kernel ? shape_.kernel_bytes : 0);
  if (::dup3(near.get(), fd, O_CLOEXEC) < 0) return -1;
  near.reset();
  end.now_near_at(fd);
  const bool established = !(trouble || (!healing_ && rng_.percent(10)));
  if (!established) end.stuff();
  const size_t index = ++last_tag_;
  books_.trace().note("server {} of backend {} is dialled", index, port);
  servers_.push_back(std::make_unique<FakeServer>(
      index, std::move(end), established, books_, [this](const RequestPlan &request) {
        return AnswerPlan::draw(rng_, ++last_answer_, request, shape_);
      }));
  errno = EINPROGRESS;
  return -1;
}

void ExchangeWorld::on_reset_on_close(int fd) {
  for (const auto &client : clients_) {
    if (client->open() && client->end().near_fd() == fd && client->end().near_open())
      client->on_reset_on_close();
  }
}

}  // namespace holdfast::sim
