#include "proxy/ping_call.h"

#include "common/log.h"
#include "proxy/backend_pool.h"
#include "proxy/control.h"
#include "proxy/initialize_result.h"
#include "proxy/recovery_call.h"
#include "proxy/worker.h"

namespace holdfast::proxy {

PingCall::PingCall(Worker &worker, PingOrder order, uint64_t number)
    : worker_(worker),
      order_(std::move(order)),
      id_("\"holdfast-ping-" + std::to_string(number) + "\""),
      timer_(worker.wheel(), *this) {}

PingCall::~PingCall() = default;

void PingCall::start() {
  worker_.counters().add(Counter::backend_pings);
  std::unique_ptr<BackendConn> idle = worker_.pool(order_.backend).take(worker_.now());
  conn_ = idle ? std::move(idle) : BackendConn::dial(worker_, order_.backend);
  conn_->begin(*this, http::Method::post);
  const std::string body = R"({"jsonrpc":"2.0","id":)" + id_ + R"(,"method":"ping"})";
  std::string text = order_.head;
  if (!order_.version.empty())
    text.append("MCP-Protocol-Version: ").append(order_.version).append("\r\n");
  text.append("Mcp-Session-Id: ").append(order_.backend_session);
  text.append("\r\nContent-Length: ").append(std::to_string(body.size()));
  text.append("\r\n\r\n").append(body);
  const iovec all{text.data(), text.size()};
  conn_->send({&all, 1});
  conn_->request_sent();
  timer_.arm(worker_.now() + kAnswerMax);
}

void PingCall::on_backend_head(const http::ResponseHead &head) {
  if (head.status < 200) return;
  status_ = head.status;
  answer_.begin(head);
}

void PingCall::on_backend_data(std::string_view data) {
  if (status_ < 300) {
    answer_.feed(data);
  } else if (refusal_.size() < kRefusalBytesMax) {
    refusal_.append(data.substr(0, kRefusalBytesMax - refusal_.size()));
  }
}

void PingCall::on_backend_end() {
  complete_ = true;
  answer_.end();
}

void PingCall::on_backend_turn_end() {
  if (!complete_ && !answer_.found()) return;
  park();
  judge();
}

void PingCall::park() {
  if (!conn_) return;
  if (conn_->release()) {
    worker_.pool(order_.backend).put(std::move(conn_), worker_.now(), 1);
  } else {
    worker_.bury(std::move(conn_));
  }
}

void PingCall::judge() {
  // An error in JSON-RPC comes from a server that is awake and knows the session.
  if (status_ < 300) {
    if (answer_.found()) give_streams_a_backend();
    return done(answer_.found(), "the answer is none to a ping");
  }
  if (means_session_lost(status_, refusal_, id_)) return lost();
  if (status_ == 401 || status_ == 403) worker_.registry().deny_pings(order_.session);
  done(false, "the backend refused");
}

// As a request that asks for a stream the ping's own may serve: it differs in its method alone.
RecoveryHeads PingCall::heads() const {
  return {order_.head, "GET" + order_.head.substr(order_.head.find(' ')), order_.version, {}};
}

// The session lives: streams of its client that lost their connections alone go on.
void PingCall::give_streams_a_backend() {
  const WaitingStreams waiting = worker_.registry().take_waiting_streams(order_.session);
  for (const ExchangeRef &stream : waiting.streams) {
    worker_.tell(stream.worker, SpliceStream{stream.exchange, order_.generation,
                                             stream_request(heads(), order_.backend_session)});
  }
}

// Forgotten all the same. A 400 that speaks of sessions is enough to open it again, for then it is
// compared, but not to end it.
void PingCall::lost() {
  using Start = SessionRecovery::Start;
  RecoveryOrder order;
  const Start start = worker_.registry().start_recovery(order_.session, std::nullopt,
                                                        order_.generation, order.plan);
  if (start == Start::lead) {
    order.session = order_.session;
    order.backend = order_.backend;
    order.heads = heads();
    worker_.recover(std::move(order));
  } else if (start == Start::hopeless && status_ == 404) {
    std::optional<EndedSession> ended =
        worker_.registry().end(order_.session, EndReason::backend_ended);
    if (ended) worker_.control().session_ended(std::move(*ended));
  }
  done(false, "the backend does not know the session");
}

void PingCall::done(bool ok, const char *detail) {
  if (!ok) {
    worker_.counters().add(Counter::backend_pings_failed);
    if (worker_.fault_log().allow(worker_.now())) {
      log_warn("event=backend_ping_failed session={} backend={} status={} detail={} suppressed={}",
               handle_of(order_.session), worker_.backends().at(order_.backend).name, status_,
               quoted(detail), worker_.fault_log().suppressed());
    }
  }
  worker_.registry().pinged(order_.session, ok);
  worker_.call_done(*this);
}

void PingCall::on_backend_fault(BackendFault, const char *detail) {
  park();
  done(false, detail);
}

void PingCall::on_deadline(WheelTimer &) {
  park();
  done(false, "no answer in time");
}

}  // namespace holdfast::proxy
