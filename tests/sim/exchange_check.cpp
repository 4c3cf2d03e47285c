// What must hold after every step, and what is left when all trouble has ended.
#include <event2/event.h>

#include <algorithm>

#include "proxy/backend_pool.h"
#include "tests/sim/exchange_proxy.h"

namespace holdfast::sim {
namespace {

constexpr size_t kAllBytes = 1 << 18;
constexpr size_t kQuietRounds = 3;       // without a byte: nothing more happens by itself
constexpr size_t kRoundsMax = 2'000;     // beyond, the proxy turns in a circle
constexpr Millis kAllDeadlines{40'000};  // the sum of those that may follow each other
constexpr Millis kPoolDeadlines{8'000};  // an idle backend connection, a lingering client
// R1: an answer costs one receive buffer, and what its framing and its first event add to it.
constexpr uint64_t kHeldAnswerMax = 64 * 1024 + 16 * 1024;
// A request, the body that waits for its method and one receive buffer.
constexpr uint64_t kHeldRequestMax = 64 * 1024 + 2 * 64 * 1024;

}  // namespace

void ExchangeWorld::check_bounds() {
  const size_t backends_count = proxy_->backends->size();
  for (proxy::BackendId id = 0; id < backends_count; ++id) {
    const size_t idle = proxy_->worker.pool(id).idle_count();
    require(idle <= config_.keepalive_count, "R1", "{} idle connections to backend {}", idle, id);
  }
  for (const auto &server : servers_) {
    const AskedRequest *const request = server->request();
    if (request == nullptr) continue;
    for (const auto &client : clients_) {
      if (client->open() && client->awaited() == request) check_held(*client, *server);
    }
  }
}

// R1: what the proxy has read on one side and not passed on to the other.
void ExchangeWorld::check_held(FakeClient &client, FakeServer &server) {
  if (!client.end().near_open() || !server.end().near_open()) return;
  const AskedRequest &request = *server.request();
  if (server.answer_sent_bytes() > kHeldAnswerMax && client.in_answer()) {
    const uint64_t taken = server.answer_sent_bytes() - server.end().bytes_for_near();
    const uint64_t passed = client.answer_bytes() + client.end().bytes_for_us();
    require(taken <= passed + kHeldAnswerMax, "R1", "{} bytes of the answer to {} are held",
            taken - passed, request.plan.tag);
  }
  if (request.plan.wire.size() > kHeldRequestMax) {
    const uint64_t taken =
        std::min(client.sent_bytes() - client.end().bytes_for_near(), request.end);
    const uint64_t passed = server.request_read_bytes() + server.end().bytes_for_us();
    require(taken <= request.begin + passed + kHeldRequestMax, "R1",
            "{} bytes of request {} are held", taken - request.begin - passed, request.plan.tag);
  }
}

bool ExchangeWorld::pump(FakeClient &client, bool patient) {
  bool moved = false;
  while (client.has_unsent() && !(patient && client.awaits_invitation())) {
    if (client.write(kAllBytes) == 0) break;
    moved = true;
  }
  while (client.open() && read(client, kAllBytes)) moved = true;
  return moved;
}

bool ExchangeWorld::pump(FakeServer &server) {
  bool moved = !server.established();
  server.establish();
  while (server.has_unsent() && server.write(kAllBytes) > 0) moved = true;
  while (server.open() && read(server, kAllBytes)) moved = true;
  return moved;
}

// Everybody does once what can be done.
bool ExchangeWorld::pump(bool patient) {
  turn(2);
  bool moved = false;
  for (size_t i = 0; i < servers_.size(); ++i) moved = pump(*servers_[i]) || moved;
  for (const auto &client : clients_) moved = pump(*client, patient) || moved;
  std::erase_if(clients_, [](const auto &client) { return !client->open(); });
  std::erase_if(servers_, [](const auto &server) { return !server->open(); });
  check_bounds();
  return moved;
}

// Until nothing more happens without time passing.
void ExchangeWorld::settle() {
  size_t rounds = 0;
  for (size_t quiet = 0; quiet < 2 * kQuietRounds; ++rounds) {
    quiet = pump(quiet < kQuietRounds) ? 0 : quiet + 1;
    require(rounds < kRoundsMax, "F5", "the proxy never rests");
  }
  check_rest();
}

// R2: a loop that has nothing to do sleeps. An event that is ready and brings nothing about would
// wake it for ever.
void ExchangeWorld::check_rest() {
  event_base *const base = proxy_->worker.base();
  (void)event_base_get_max_events(base, EVENT_BASE_COUNT_ACTIVE, 1);  // ignoring: the old maximum
  turn(1);
  const int active = event_base_get_max_events(base, EVENT_BASE_COUNT_ACTIVE, 0);
  require(active == 0, "R2", "the loop turns for nothing: {} events", active);
}

bool ExchangeWorld::at_backend(const AskedRequest &request) {
  return std::any_of(servers_.begin(), servers_.end(), [&](const auto &server) {
    return server->request() == &request && server->silent();
  });
}

// F5, with everything sent and read and no time passed: whoever waits, waits for a backend that is
// silent.
void ExchangeWorld::check_answered() {
  for (const auto &client : clients_) {
    AskedRequest *const request = client->awaited();
    if (!client->fresh(proxy_->clock.now()) || client->finished() || request == nullptr) continue;
    if (!request->written || request->waited) continue;
    require(at_backend(*request), "F5", "request {} waits for nobody", request->plan.tag);
  }
}

// F5, D2: a connection that ends without the answer to a request that came whole had a reason.
void ExchangeWorld::check_end(FakeClient &client) {
  const AskedRequest *const request = client.awaited();
  if (request == nullptr || client.finished() || !request->written) return;
  if (!client.fresh(proxy_->clock.now()) || request->waited || request->behind_close) return;
  // Who goes on for long behind a last request is not listened to for ever (kLingerBytesMax).
  if (request->plan.closes && client.sent_bytes() > request->end + 64 * 1024) return;
  const bool reason = request->broken || request->plan.flaw != RequestPlan::Flaw::none;
  require(reason, "F5", "request {} came whole and its connection ends{}", request->plan.tag,
          client.in_answer() ? " inside its answer" : "");
}

// Event streams may be silent for ever, and calls may wait so for their answers: their backends end
// them. All else has deadlines.
void ExchangeWorld::end_endless() {
  for (const auto &server : servers_) {
    if (!server->open() || !server->silent() || server->answer() == nullptr) continue;
    if (server->answer()->kind == AnswerPlan::Kind::events || server->request()->plan.patient)
      server->leave(rng_.percent(50));
  }
}

void ExchangeWorld::heal() {
  healing_ = true;
  books_.trace().note("all trouble ends");
  settle();
  check_answered();
  end_endless();
  for (Millis left = kAllDeadlines; left > Millis{0} && !clients_.empty(); left -= Millis{500}) {
    pass(Millis{500}, Millis{500});
    settle();
    end_endless();  // there may be more of them on the way
  }
  check_all_ended();
  check_nothing_left();
}

// R3: every connection of a client that only waits ends by some deadline, keep-alive's at last.
void ExchangeWorld::check_all_ended() {
  for (const auto &client : clients_) {
    AskedRequest *const request = client->awaited();
    require(false, "R3", "client {} is still there, waiting for {}", client->index(),
            request != nullptr ? request->plan.tag : 0);
  }
}

// R2: after everybody has gone and the pool's time is over.
void ExchangeWorld::check_nothing_left() {
  pass(kPoolDeadlines);
  settle();
  proxy::Worker &worker = proxy_->worker;
  require(servers_.empty(), "R2", "{} backend connections are left", servers_.size());
  require(worker.exchanges_count() == 0, "R2", "{} exchanges are left", worker.exchanges_count());
  require(worker.wheel().armed_count() == 0, "R2", "{} timers are left",
          worker.wheel().armed_count());
  const int64_t open = worker.counters().get(proxy::Counter::connections_open);
  require(open == 0, "R2", "{} connections are counted", open);
  for (proxy::BackendId id = 0; id < proxy_->backends->size(); ++id) {
    const int64_t running = proxy_->stats->cells[id].running.load();
    require(running == 0, "R2", "{} requests are counted at backend {}", running, id);
  }
  const Fds left = open_fds() & ~fds_before_;
  require(left.none(), "R2", "descriptors are left: {}", left.to_string());
}

}  // namespace holdfast::sim
