// What all workers share about each backend: what it carries, how it has done, and whether it takes
// new sessions. One cell per number of the backend directory; relaxed atomics, because each value
// stands for itself and a choice made a moment too late harms nobody. Any thread.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <string_view>
#include <utility>

#include "common/clock.h"
#include "common/server_state.h"
#include "proxy/backend_directory.h"

namespace holdfast::proxy {

// How the last active checks of a backend went, as far as they decide something.
enum class CheckResult : uint8_t { unchecked, ok, refused, no_answer, bad_answer, bad_status };
std::string_view to_word(CheckResult result) noexcept;

// What an admin said of a server; `none` leaves it to the configuration.
enum class ServerOrder : uint8_t { none, ready, drain, maint };
ServerOrder order_of(ServerState state) noexcept;

struct BackendStats {
  static constexpr int32_t kConfiguredWeight = -1;

  // A line of the processor's cache each: requests to different backends do not meet.
  struct alignas(64) Cell {
    std::atomic<int64_t> requests{0};
    std::atomic<int64_t> errors{0};
    std::atomic<int64_t> sessions{0};  // bound to it; the registry's door counts
    std::atomic<int64_t> running{0};   // requests and streams under way, where least_conn asks
    std::atomic<bool> up{true};        // the last word of whoever tried it

    // Passive health (max_fails within fail_timeout), of the server whose first address this is.
    std::atomic<uint32_t> fails{0};
    std::atomic<int64_t> first_fail_ms{INT64_MIN};
    std::atomic<int64_t> out_until_ms{INT64_MIN};

    std::atomic<int32_t> weight{kConfiguredWeight};  // an admin's word; else the configuration's
    std::atomic<ServerOrder> order{ServerOrder::none};
    std::atomic<CheckResult> check{CheckResult::unchecked};  // the checker's verdict
    std::atomic<int64_t> changed_ms{INT64_MIN};  // when it last went up, down, or to another state

    bool check_failed() const noexcept {
      const CheckResult result = check.load(std::memory_order_relaxed);
      return result != CheckResult::unchecked && result != CheckResult::ok;
    }
    void note_change(MonoTime now) noexcept {
      changed_ms.store(now.time_since_epoch().count(), std::memory_order_relaxed);
    }
  };
  std::array<Cell, kBackendsMax> cells;
};

// One exchange counted at its backend for as long as the object lives.
class RunningMark {
 public:
  RunningMark() = default;
  explicit RunningMark(std::atomic<int64_t> &count) : count_(&count) {
    count.fetch_add(1, std::memory_order_relaxed);
  }
  RunningMark(RunningMark &&other) noexcept : count_(std::exchange(other.count_, nullptr)) {}
  RunningMark &operator=(RunningMark &&other) noexcept {
    if (this != &other) {
      end();
      count_ = std::exchange(other.count_, nullptr);
    }
    return *this;
  }
  ~RunningMark() { end(); }
  void end() noexcept {
    if (count_ != nullptr) count_->fetch_sub(1, std::memory_order_relaxed);
    count_ = nullptr;
  }

 private:
  std::atomic<int64_t> *count_ = nullptr;
};

}  // namespace holdfast::proxy
