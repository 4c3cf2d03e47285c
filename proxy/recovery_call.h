// The conversation that opens a lost streamable backend session again: the client's own initialize,
// then `notifications/initialized`, then what the server held for the client and can be told again.
// A RecoveryTask, which says who owns it and how it ends.
//
//   initialize ──same result──▶ initialized ──2xx──▶ replay … ──▶ recovered
#pragma once

#include <memory>
#include <string>

#include "proxy/backend_conn.h"
#include "proxy/recovery_task.h"
#include "proxy/rpc_answer.h"

namespace holdfast::proxy {

// A GET for an event stream of this backend session.
std::string stream_request(const RecoveryHeads &heads, std::string_view backend_session);

class RecoveryCall final : public RecoveryTask, public BackendUser {
 public:
  RecoveryCall(Worker &worker, RecoveryOrder order);
  ~RecoveryCall() override;

  void on_backend_head(const http::ResponseHead &head) override;
  void on_backend_data(std::string_view data) override { answer_.feed(data); }
  void on_backend_end() override;
  void on_backend_turn_end() override;
  void on_backend_fault(BackendFault fault, const char *detail) override { broke(fault, detail); }
  void on_backend_writable() override { arm_for_answer(); }
  void on_backend_blocked() override { arm_for_answer(); }

 private:
  enum class Step : uint8_t { initialize, initialized, replay };
  void begin() override;
  void let_go(bool forget) override;
  void say(std::unique_ptr<BackendConn> conn, std::string_view body);
  void say_next(std::string_view body);
  void park();
  void step_done();
  void on_initialized();
  void next_replay();
  void succeed();

  std::unique_ptr<BackendConn> conn_;
  RpcAnswer answer_;
  std::string opened_;  // the backend's new id for the session
  size_t replayed_ = 0;
  Step step_ = Step::initialize;
  bool complete_ = false;
};

}  // namespace holdfast::proxy
