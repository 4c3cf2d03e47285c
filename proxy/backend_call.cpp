#include "proxy/backend_call.h"

#include "common/log.h"
#include "proxy/backend_pool.h"
#include "proxy/worker.h"

namespace holdfast::proxy {

BackendCall::BackendCall(Worker &worker, BackendId backend, std::string target,
                         std::string backend_session)
    : worker_(worker),
      backend_(backend),
      target_(std::move(target)),
      backend_session_(std::move(backend_session)),
      timer_(worker.wheel(), *this) {}

BackendCall::~BackendCall() = default;

void BackendCall::start() {
  ++attempts_;
  complete_ = false;
  std::unique_ptr<BackendConn> idle = worker_.pool(backend_).take(worker_.now());
  conn_ = idle ? std::move(idle) : BackendConn::dial(worker_, backend_);
  conn_->begin(*this, http::Method::delete_);
  std::string text = "DELETE " + target_ +
                     " HTTP/1.1\r\nHost: " + worker_.backends().at(backend_).server +
                     "\r\nMcp-Session-Id: " + backend_session_ + "\r\nAccept: */*\r\n\r\n";
  const iovec all{text.data(), text.size()};
  conn_->send({&all, 1});
  conn_->request_sent();
  timer_.arm(worker_.now() + kAnswerMax);
}

void BackendCall::on_backend_head(const http::ResponseHead &head) {
  if (head.status >= 200) status_ = head.status;
}

void BackendCall::on_backend_turn_end() {
  if (!complete_) return;
  if (conn_->release()) {
    worker_.pool(backend_).put(std::move(conn_), worker_.now(), 1);
  } else {
    worker_.bury(std::move(conn_));
  }
  // 4xx are final too: whatever the backend objects to, asking again will not change it.
  if (status_ >= 500) {
    failed("server error");
    return;
  }
  log_debug("event=backend_session_deleted backend={} status={}",
            worker_.backends().at(backend_).name, status_);
  worker_.call_done(*this);
}

void BackendCall::on_backend_fault(BackendFault, const char *detail) { failed(detail); }

void BackendCall::drop() {
  if (!conn_) return;
  (void)conn_->release();  // ignoring: not used again
  worker_.bury(std::move(conn_));
}

void BackendCall::failed(const char *why) {
  drop();
  if (attempts_ < kAttemptsMax) {
    timer_.arm(worker_.now() + kRetryAfter * attempts_);
    return;
  }
  log_warn("event=backend_delete_failed backend={} attempts={} detail={}",
           worker_.backends().at(backend_).name, attempts_, quoted(why));
  worker_.call_done(*this);
}

void BackendCall::on_deadline(WheelTimer &) {
  if (conn_) {
    failed("no answer in time");
  } else {
    start();
  }
}

}  // namespace holdfast::proxy
