// The JSON-RPC response in the answer to a request of our own (or one we listen in on): the whole
// body of a JSON answer, or the first event of a stream that is a response and not one of the
// messages that may precede it. Bounded: what is longer is no answer. Pure; one per answer.
#pragma once

#include <string>
#include <string_view>

#include "proxy/http/message.h"
#include "proxy/mcp/sse_scanner.h"

namespace holdfast::proxy {

class RpcAnswer final : public mcp::SseSink {
 public:
  static constexpr size_t kBytesMax = 64 * 1024;  // initialize results have 1 to 10 KB

  // The answer's head; an answer that is neither JSON nor an event stream has no response in it.
  void begin(const http::ResponseHead &head);
  void feed(std::string_view bytes);
  void end();  // the body is complete

  // The response is here: nothing more has to be read.
  bool found() const noexcept { return found_; }
  // It is a result and no error. REQUIRES: found()
  bool ok() const noexcept { return ok_; }
  const std::string &json() const noexcept { return text_; }  // REQUIRES: found()

  void on_sse_data(std::string_view piece) override { append(piece); }
  void on_sse_event(const mcp::SseEvent &event, size_t end) override;

 private:
  enum class Form : uint8_t { none, json, events };
  void append(std::string_view piece);
  void look();

  mcp::SseScanner sse_;
  std::string text_;
  Form form_ = Form::none;
  bool too_long_ = false;  // of the body, or of the event
  bool found_ = false;
  bool ok_ = false;
};

}  // namespace holdfast::proxy
