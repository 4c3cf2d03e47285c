// One client of the legacy HTTP+SSE transport: POSTs on one connection, replies on the event stream
// of another.
#pragma once

#include <string>

#include "tests/bench/tools/load_context.h"
#include "tests/bench/tools/sse_parser.h"

namespace holdfast::bench {

class LegacyClient {
 public:
  LegacyClient(LoadContext &load, unsigned index);
  void start();

 private:
  struct Stream final : Client {
    explicit Stream(LegacyClient &owner_);
    void on_head(const Head &head) override;
    void on_body(std::string_view bytes) override { sse.feed(bytes, *this); }
    void on_event(std::string_view name, std::string_view data);
    void on_closed() override { ++errors_.closed; }
    LegacyClient &owner;
    SseParser sse;
  };
  struct Posts final : Client {
    explicit Posts(LegacyClient &owner_);
    void on_head(const Head &head) override;
    void on_end() override;
    void after_read() override;
    void on_closed() override { ++errors_.closed; }
    LegacyClient &owner;
    int status = 0;
    bool close_after = false;
  };
  enum class State : uint8_t { initialize, initialized, calling };

  void on_endpoint(std::string_view target);
  void on_message(std::string_view data);
  void advance();

  LoadContext &load_;
  Stream stream_;
  Posts posts_;
  State state_ = State::initialize;
  const unsigned index_;
  std::string path_;
  CallTemplate call_;
  uint64_t id_ = 0;
  uint64_t sent_ns_ = 0;
  bool accepted_ = false;  // the 202 has come
  bool replied_ = false;   // the event has come
};

}  // namespace holdfast::bench
