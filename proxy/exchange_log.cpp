// What an exchange tells the access log.
#include <strings.h>

#include "proxy/access_log.h"
#include "proxy/client_conn.h"
#include "proxy/exchange.h"
#include "proxy/mcp/endpoint_rewrite.h"
#include "proxy/worker.h"

namespace holdfast::proxy {

void Exchange::begin_log(const http::RequestHead &head) {
  log_ = std::make_unique<ExchangeLog>();
  log_->started = worker_.now();
  log_->request_line.append(head.method_name)
      .append(" ")
      .append(mcp::mask_session_ids(head.target));
  log_->request_line.append(http10_ ? " HTTP/1.0" : " HTTP/1.1");
  for (const http::Field &field : head.fields.all()) {
    if (field.id != http::FieldId::other) continue;
    if (field.name.size() == 10 && ::strncasecmp(field.name.data(), "User-Agent", 10) == 0)
      log_->agent = field.value;
    if (field.name.size() == 7 && ::strncasecmp(field.name.data(), "Referer", 7) == 0) {
      log_->referrer = mcp::mask_session_ids(field.value);
    }
  }
  log_->remote_addr = client_->peer_ip();
}

void Exchange::write_log(std::string_view event) {
  if (!log_) return;
  AccessRecord record;
  record.event = event;
  record.remote_addr = log_->remote_addr;
  record.user = log_->user;
  record.session = session_.view();
  record.transport = kind_ == Kind::legacy_open || kind_ == Kind::legacy_post ? "sse"
                     : kind_ == Kind::listen                                  ? "listen"
                     : !session_.empty()                                      ? "streamable"
                                                                              : "";
  record.request_line = log_->request_line;
  record.referrer = log_->referrer;
  record.agent = log_->agent;
  record.rpc_method = log_->rpc_method;
  record.tool = log_->tool;
  record.rpc_id = request_id_;
  if (home_.backend != kNoBackend) record.upstream = worker_.backends().at(home_.backend).server;
  record.status = status_;
  record.body_bytes = body_bytes_;
  record.duration = worker_.now() - log_->started;
  record.time = worker_.clock().wall();
  worker_.access_writer(*config_, settings_->access_log)->write(record);
}

}  // namespace holdfast::proxy
