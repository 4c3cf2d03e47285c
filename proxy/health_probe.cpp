#include "proxy/health_probe.h"

#include <algorithm>

#include "common/ids.h"
#include "common/log.h"
#include "proxy/control.h"
#include "proxy/worker.h"

namespace holdfast::proxy {
namespace {

constexpr Millis kFirstWithin{1000};

// Statuses a gateway or a server says of itself when it cannot serve.
bool says_unavailable(int status) { return status >= 502 && status <= 504; }

}  // namespace

HealthProbe::HealthProbe(Worker &worker, BackendId subject, BackendId at, HealthCheck how)
    : worker_(worker),
      subject_(subject),
      at_(at),
      how_(std::move(how)),
      cell_(worker.backend_stats().cells[subject]),
      timer_(worker.wheel(), *this) {}

// Nothing is known any more, so nothing is held against it.
HealthProbe::~HealthProbe() {
  drop();
  cell_.check.store(CheckResult::unchecked, std::memory_order_relaxed);
}

void HealthProbe::start() {
  timer_.arm(worker_.now() + some_of(std::min(how_.interval, kFirstWithin)));
}

void HealthProbe::rest() { timer_.arm(worker_.now() + how_.interval + some_of(how_.jitter)); }

Millis HealthProbe::some_of(Millis most) {
  if (most <= Millis{0}) return Millis{0};
  const std::string chance = std::to_string(subject_) + ' ' + std::to_string(asked_count_);
  return Millis{keyed_hash(chance) % static_cast<uint64_t>(most.count())};
}

void HealthProbe::ask() {
  // Under maintenance it may be anything but well.
  if (cell_.order.load(std::memory_order_relaxed) == ServerOrder::maint) return rest();
  ++asked_count_;
  status_ = 0;
  timer_.arm(worker_.now() + how_.timeout);
  conn_ = BackendConn::dial(worker_, at_);
  const bool get = !how_.uri.empty();
  conn_->begin(*this, get ? http::Method::get : http::Method::options);
  if (how_.kind == HealthCheck::Kind::tcp) return;
  const std::string &server = worker_.backends().at(subject_).server;
  std::string text = get ? "GET " + how_.uri : "OPTIONS /";
  text += " HTTP/1.1\r\nHost: " + (server.starts_with("unix:") ? "localhost" : server);
  text += "\r\nUser-Agent: holdfast-health-check\r\nAccept: */*\r\nConnection: close\r\n\r\n";
  const iovec all{text.data(), text.size()};
  conn_->send({&all, 1});
  conn_->request_sent();
}

// Any answer but those is one of a server that is there; a uri was chosen to say more.
CheckResult HealthProbe::judge(int status) const {
  const bool good = how_.uri.empty() ? !says_unavailable(status) : status < 400;
  return good ? CheckResult::ok : CheckResult::bad_status;
}

void HealthProbe::on_backend_head(const http::ResponseHead &head) {
  if (head.status >= 200) status_ = head.status;
}

// The head says it all; the rest of the answer may be a stream without end.
void HealthProbe::on_backend_turn_end() {
  if (status_ != 0) conclude(judge(status_));
}

void HealthProbe::on_backend_writable() {
  if (how_.kind == HealthCheck::Kind::tcp) conclude(CheckResult::ok);
}

void HealthProbe::on_backend_fault(BackendFault fault, const char *) {
  switch (fault) {
    case BackendFault::connect_refused:
    case BackendFault::tls_failed:
      return conclude(CheckResult::refused);
    case BackendFault::closed_early:
    case BackendFault::cut:
    case BackendFault::malformed:
    case BackendFault::stalled:
      return conclude(CheckResult::bad_answer);
    case BackendFault::no_descriptor:
      drop();  // it is we who cannot ask
      return rest();
  }
}

void HealthProbe::on_deadline(WheelTimer &) {
  if (conn_) {
    conclude(CheckResult::no_answer);
  } else {
    ask();
  }
}

void HealthProbe::drop() {
  if (!conn_) return;
  (void)conn_->release();  // ignoring: not used again
  worker_.bury(std::move(conn_));
}

void HealthProbe::conclude(CheckResult result) {
  drop();
  rest();
  const bool good = result == CheckResult::ok;
  fails_ = good ? 0 : fails_ + 1;
  passes_ = good ? passes_ + 1 : 0;
  if (good) worker_.note_backend(subject_, true);
  const bool down = cell_.check_failed();
  if (good ? !down || passes_ >= how_.passes : down || fails_ >= how_.fails) decide(result);
}

void HealthProbe::decide(CheckResult verdict) {
  const bool was_down = cell_.check_failed();
  cell_.check.store(verdict, std::memory_order_relaxed);
  if (cell_.check_failed() == was_down) return;
  cell_.note_change(worker_.now());
  worker_.control_now().backend_changed();
  const std::string &name = worker_.backends().at(subject_).name;
  if (was_down) {
    log_info("event=backend_up backend={} by=health_check passes={}", name, passes_);
  } else {
    log_warn("event=backend_down backend={} by=health_check check={} status={} fails={}", name,
             to_word(verdict), status_, fails_);
  }
}

}  // namespace holdfast::proxy
