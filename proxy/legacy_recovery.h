// The conversation that opens the lost backend of an HTTP+SSE session again, while its client's
// stream stands: another stream from a backend, then over its endpoint the client's own initialize,
// `notifications/initialized`, and what the server held for the client and can be told again. The
// answers to these come down the new stream and go no further; whatever else comes is kept, and
// goes to the client once its stream has been given the connection. A RecoveryTask, which says who
// owns it and how it ends; lives on the worker of the client's stream.
//
//   open ──endpoint──▶ initialize ──same result──▶ initialized ──2xx──▶ replay … ──▶ recovered
#pragma once

#include <memory>
#include <string>

#include "proxy/backend_conn.h"
#include "proxy/mcp/rpc_scanner.h"
#include "proxy/mcp/sse_scanner.h"
#include "proxy/recovery_task.h"

namespace holdfast::proxy {

class LegacyRecovery final : public RecoveryTask, public mcp::SseSink {
 public:
  // What the backend says of its own accord before it has been told everything: a few notices.
  static constexpr size_t kHeldBytesMax = 256 * 1024;
  static constexpr size_t kAnswerBytesMax = 64 * 1024;  // initialize results have 1 to 10 KB

  LegacyRecovery(Worker &worker, RecoveryOrder order);
  ~LegacyRecovery() override;

  void on_sse_data(std::string_view piece) override;
  void on_sse_event(const mcp::SseEvent &event, size_t end) override;

 private:
  enum class Step : uint8_t { open, initialize, initialized, replay };

  // The two connections: what each hears.
  class Side : public BackendUser {
   public:
    explicit Side(LegacyRecovery &task) : task_(task) {}
    void on_backend_turn_end() override { task_.go_on(); }
    void on_backend_fault(BackendFault fault, const char *detail) override {
      task_.broke(fault, detail);
    }
    void on_backend_writable() override { task_.arm_for_answer(); }
    void on_backend_blocked() override { task_.arm_for_answer(); }

   protected:
    ~Side() = default;
    LegacyRecovery &task_;
  };
  class StreamSide final : public Side {
   public:
    using Side::Side;
    void on_backend_head(const http::ResponseHead &head) override { task_.on_stream_head(head); }
    void on_backend_data(std::string_view data) override { task_.on_stream_data(data); }
    void on_backend_end() override { task_.fail(502, "the backend's new stream has ended"); }
  };
  class PostSide final : public Side {
   public:
    using Side::Side;
    void on_backend_head(const http::ResponseHead &head) override;
    void on_backend_data(std::string_view) override {}
    void on_backend_end() override { task_.posted_ = true; }
  };

  void begin() override;
  void let_go(bool forget) override;
  bool goes_elsewhere() override;

  void open_stream();
  void on_stream_head(const http::ResponseHead &head);
  void on_stream_data(std::string_view data);
  void on_endpoint();
  void go_on();
  void say(std::string_view body);
  void on_posted();
  void on_said();
  void succeed();
  void park_post();
  void drop_stream();

  StreamSide stream_side_{*this};
  PostSide post_side_{*this};
  std::unique_ptr<BackendConn> stream_;
  std::unique_ptr<BackendConn> post_;
  mcp::SseScanner sse_;
  mcp::RpcScanner message_;      // of the event that comes
  std::string text_;             // its data, up to kAnswerBytesMax
  std::string held_;             // of the stream: what is the client's, and the event that comes
  std::string endpoint_;         // where the backend wants messages: origin-form
  std::string awaited_;          // raw id of the answer that is to come; empty: none is
  std::string answer_;           // it
  const char *fault_ = nullptr;  // what ends the session, found while the stream was read
  size_t event_at_ = 0;          // where the event that comes begins in held_
  size_t fed_at_ = 0;            // and the piece that is being read
  size_t replayed_ = 0;
  Step step_ = Step::open;
  bool posted_ = false;    // the POST's answer is complete
  bool answered_ = false;  // what was awaited has come
};

}  // namespace holdfast::proxy
