#include "proxy/rpc_answer.h"

#include "proxy/initialize_result.h"
#include "proxy/mcp/era.h"

namespace holdfast::proxy {

void RpcAnswer::begin(const http::ResponseHead &head) {
  *this = RpcAnswer();
  const std::string_view coding = head.fields.value(http::FieldId::content_encoding);
  if (!coding.empty() && coding != "identity") return;
  const std::string_view type = head.fields.value(http::FieldId::content_type);
  if (mcp::content_type_is(type, "application/json")) {
    form_ = Form::json;
  } else if (mcp::content_type_is(type, "text/event-stream")) {
    form_ = Form::events;
  }
}

void RpcAnswer::append(std::string_view piece) {
  if (found_ || too_long_) return;
  too_long_ = piece.size() > kBytesMax - text_.size();
  if (!too_long_) text_.append(piece);
}

void RpcAnswer::feed(std::string_view bytes) {
  if (form_ == Form::json) append(bytes);
  if (form_ == Form::events && !found_) sse_.feed(bytes, *this);
}

void RpcAnswer::on_sse_event(const mcp::SseEvent &, size_t) {
  if (found_) return;
  if (!too_long_) look();
  if (!found_) text_.clear();
  too_long_ = false;
}

void RpcAnswer::end() {
  if (form_ == Form::json && !too_long_) look();
}

void RpcAnswer::look() {
  const std::optional<bool> response = is_result(text_);
  found_ = response.has_value();
  ok_ = response.value_or(false);
}

}  // namespace holdfast::proxy
