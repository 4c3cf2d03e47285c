// Connections for one request each: connect, the TLS handshake where there is one, GET /ping,
// close; and again. One thread.
#pragma once

#include "tests/bench/tools/load_context.h"

namespace holdfast::bench {

class OnceClient final : public Client {
 public:
  explicit OnceClient(LoadContext &load)
      : Client(load.engine, load.settings, load.errors),
        load_(load),
        ping_(load.requests.get_stream("/ping", "")) {}

  void begin(unsigned index) {
    index_ = index;
    begun_ns_ = now_ns();
    complete_ = false;
    open(index_);
    send(ping_);
  }

  uint64_t begun_ns() const { return begun_ns_; }  // of the connection under way

  void on_head(const Head &head) override { status_ = head.status; }
  void on_end() override { complete_ = true; }
  void after_read() override {
    if (!complete_) return;
    if (status_ == 200) {
      load_.window.count(begun_ns_);
    } else {
      ++errors_.status[status_];
    }
    close_socket();
    begin(index_);
  }
  void on_closed() override {
    constexpr uint64_t kReopenedMax = 10'000;  // a dead target must not make this spin for ever
    if (++errors_.closed < kReopenedMax) begin(index_);
  }

 private:
  LoadContext &load_;
  const std::string ping_;
  unsigned index_ = 0;
  int status_ = 0;
  bool complete_ = false;
  uint64_t begun_ns_ = 0;
};

}  // namespace holdfast::bench
