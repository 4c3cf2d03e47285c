// How other threads talk to a worker: a bounded queue and an eventfd. post() from any thread, never
// blocks; the worker drains it in its own loop. Messages name exchanges by number: one that has
// ended in the meantime is ignored.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "common/clock.h"
#include "common/close_reason.h"
#include "common/unique_fd.h"
#include "proxy/backend_directory.h"
#include "proxy/recovery_order.h"
#include "proxy/stop_kind.h"
#include "proxy/wake_queue.h"

namespace holdfast::proxy {

struct Config;

// The answer to Control::admit.
struct AdmitAnswer {
  uint64_t exchange = 0;
  bool admitted = false;
  bool persistent = false;
  RefuseReason reason = RefuseReason::max_sessions;  // when not admitted
  int64_t retry_after_s = 1;
};
// The session of this exchange has ended: end the answer as SPEC section 1 says.
struct FinishExchange {
  uint64_t exchange = 0;
  EndReason reason = EndReason::unknown;
  Millis idle{0};  // of the session, when it ended
};
// A POST came for a legacy stream that has no session yet: open its backend. Answered by exactly
// one LegacyOpened, unless the asker's worker has ended.
struct OpenLegacy {
  uint64_t exchange = 0;  // the stream
  uint32_t asker_worker = 0;
  uint64_t asker = 0;
  std::string client_name;  // as the initialize has it
  std::string client_version;
  std::string authorization;  // of the POST; empty: it had none
};
// status 0: the session is there now. Else what the POST is answered with.
struct LegacyOpened {
  uint64_t exchange = 0;
  int status = 0;
  std::string message = {};
  std::string_view reason = {};      // error.data.reason: a word of close_reason.h; empty: none
  std::string_view extra_name = {};  // of a field that goes with the status: a constant
  std::string extra_value = {};
};
// Tell a backend that a session is over (DELETE, bounded retries).
struct DeleteAtBackend {
  BackendId backend = kNoBackend;
  std::string target;  // origin-form
  std::string backend_session;
};
// sessiond has handed back everything it had for us (or its time is up): unknown ids may be
// refused.
struct RestoreDone {};
// The session this exchange waits for may be used now, or not any more: it looks again.
struct SessionReady {
  uint64_t exchange = 0;
};
// What this exchange waited for is over: the session can be used again, or `status` is its answer.
struct RecoveryDone {
  uint64_t exchange = 0;
  int status = 0;         // 0: recovered
  std::string challenge;  // WWW-Authenticate that goes with a 401
};
// The session lives in a backend session of this generation: an event stream of the client goes on
// with this request to its backend.
struct SpliceStream {
  uint64_t exchange = 0;
  uint32_t generation = 0;
  std::string request;
};
// Open the lost backend of an HTTP+SSE session again: for the worker that has its client's stream.
struct ReopenLegacy {
  std::unique_ptr<RecoveryOrder> order;
};
// A POST of a legacy session whose backend was lost meanwhile had been taken by that one: whoever
// called with it is told down the stream.
struct CallsLost {
  uint64_t exchange = 0;  // the stream
  ExchangeRef carrier;
};
struct SwapConfig {
  std::shared_ptr<const Config> config;
  std::vector<UniqueFd> listener_fds;  // parallel to Config's listens; closed with the message
};
struct DrainWorker {
  bool on = true;
};
struct StopWorker {
  StopKind kind = StopKind::fast;
};

using WorkerMessage =
    std::variant<AdmitAnswer, FinishExchange, DeleteAtBackend, RestoreDone, SessionReady,
                 RecoveryDone, SpliceStream, SwapConfig, DrainWorker, StopWorker, OpenLegacy,
                 LegacyOpened, ReopenLegacy, CallsLost>;

class WorkerMailbox {
 public:
  static constexpr size_t kMessagesMax =
      1 << 20;  // one FinishExchange per stream of a full worker, and room

  // Any thread. False: full (the message is dropped; only possible when the worker is stuck).
  bool post(WorkerMessage message);
  // Worker thread: the descriptor to watch, and everything that has come (replaces `out`).
  int fd() const noexcept { return queue_.fd(); }
  void drain(std::vector<WorkerMessage> &out);

 private:
  WakeQueue<WorkerMessage> queue_;
};

}  // namespace holdfast::proxy
