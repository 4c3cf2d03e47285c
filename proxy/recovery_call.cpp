#include "proxy/recovery_call.h"

#include "proxy/backend_pool.h"
#include "proxy/initialize_result.h"
#include "proxy/worker.h"

namespace holdfast::proxy {

std::string stream_request(const RecoveryHeads &heads, std::string_view backend_session) {
  std::string text = heads.get;
  if (!heads.version.empty()) add_field(text, "MCP-Protocol-Version", heads.version);
  add_field(text, "Mcp-Session-Id", backend_session);
  return text.append("\r\n");
}

RecoveryCall::RecoveryCall(Worker &worker, RecoveryOrder order)
    : RecoveryTask(worker, std::move(order)) {}

RecoveryCall::~RecoveryCall() = default;

void RecoveryCall::begin() {
  // A connection of its own: one that rested may have died with the session.
  say(BackendConn::dial(worker_, order_.backend), order_.plan.initialize);
  arm_for_connect();
}

void RecoveryCall::say_next(std::string_view body) {
  std::unique_ptr<BackendConn> idle = worker_.pool(order_.backend).take(worker_.now());
  say(idle ? std::move(idle) : BackendConn::dial(worker_, order_.backend), body);
}

void RecoveryCall::say(std::unique_ptr<BackendConn> conn, std::string_view body) {
  conn_ = std::move(conn);
  complete_ = false;
  answer_ = RpcAnswer();
  conn_->begin(*this, http::Method::post);
  std::string text = order_.heads.post;
  if (step_ != Step::initialize) {
    if (!order_.heads.version.empty())
      add_field(text, "MCP-Protocol-Version", order_.heads.version);
    add_field(text, "Mcp-Session-Id", opened_);
  }
  add_field(text, "Content-Length", std::to_string(body.size()));
  text.append("\r\n").append(body);
  const iovec all{text.data(), text.size()};
  conn_->send({&all, 1});
  conn_->request_sent();
}

void RecoveryCall::on_backend_head(const http::ResponseHead &head) {
  if (head.status < 200) return;
  arm_for_answer();
  status_ = head.status;
  answer_.begin(head);
  if (step_ != Step::initialize) return;
  if (status_ < 300) opened_ = head.fields.value(http::FieldId::mcp_session_id);
  if (status_ == 401) challenge_ = challenge_in(head);
}

void RecoveryCall::on_backend_end() {
  complete_ = true;
  answer_.end();
}

void RecoveryCall::on_backend_turn_end() {
  if (!complete_ && !answer_.found()) return;
  park();
  step_done();
}

void RecoveryCall::park() {
  if (!conn_) return;
  if (conn_->release()) {
    worker_.pool(order_.backend).put(std::move(conn_), worker_.now(), 1);
  } else {
    worker_.bury(std::move(conn_));
  }
}

void RecoveryCall::let_go(bool forget) {
  park();
  if (forget && !opened_.empty())
    worker_.delete_at_backend({order_.backend, order_.plan.target, opened_});
  opened_.clear();
}

void RecoveryCall::step_done() {
  const bool ok = status_ >= 200 && status_ < 300;
  if (!ok && step_ != Step::replay) return refused();
  switch (step_) {
    case Step::initialize:
      return on_initialized();
    case Step::initialized:
    case Step::replay:
      return next_replay();
  }
}

void RecoveryCall::on_initialized() {
  if (!answer_.found()) return fail(502, "no answer to initialize");
  if (opened_.empty()) return lose("the backend keeps no sessions any more");
  if (initialize_fingerprint(answer_.json()) != order_.plan.result)
    return lose("the backend promises something else than before");
  step_ = Step::initialized;
  say_next(kInitialized);
}

// What the server refuses to be told again is not worth the session: the client could not have
// known either.
void RecoveryCall::next_replay() {
  step_ = Step::replay;
  if (replayed_ == order_.plan.replays.size()) return succeed();
  say_next(order_.plan.replays[replayed_++]);
}

void RecoveryCall::succeed() {
  const std::optional<RecoveredSession> recovered = settle(opened_, replayed_);
  if (!recovered) return;
  for (const ExchangeRef &stream : recovered->streams) {
    worker_.tell(stream.worker, SpliceStream{stream.exchange, recovered->generation,
                                             stream_request(order_.heads, opened_)});
  }
  finish(*recovered);
}

}  // namespace holdfast::proxy
