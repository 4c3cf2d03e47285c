// What a worker counts: relaxed atomics with one writer each, read by the control thread for the
// link's stats message. One table names them all; the word is the metric's name without prefix.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <string_view>

namespace holdfast::proxy {

enum class Counter : uint8_t {
  connections_accepted,
  connections_open,
  connections_refused,
  requests,
  responses_2xx,
  responses_3xx,
  responses_4xx,
  responses_5xx,
  streams_open,
  stream_bytes,
  bytes_from_clients,
  bytes_to_clients,
  backend_connections,
  backend_reuses,
  backend_failures,
  protocol_errors,
  handshake_failures,
  responses_refused,
  sessions_opened,
  sessions_refused,
  heartbeats,
  early_streams,
  legacy_streams_waiting,
  sessions_recovered,
  recoveries_failed,
  stale_answers,
  backend_pings,
  backend_pings_failed,
  sessions_not_pinged,
  backpressure_pauses,
  count_
};
inline constexpr size_t kCounters = static_cast<size_t>(Counter::count_);

struct CounterRow {
  Counter counter;
  std::string_view word;
  bool gauge;  // goes down again
};
inline constexpr std::array<CounterRow, kCounters> kCounterTable = {{
    {Counter::connections_accepted, "connections_accepted", false},
    {Counter::connections_open, "connections_open", true},
    {Counter::connections_refused, "connections_refused", false},
    {Counter::requests, "http_requests", false},
    {Counter::responses_2xx, "http_responses_2xx", false},
    {Counter::responses_3xx, "http_responses_3xx", false},
    {Counter::responses_4xx, "http_responses_4xx", false},
    {Counter::responses_5xx, "http_responses_5xx", false},
    {Counter::streams_open, "streams_open", true},
    {Counter::stream_bytes, "stream_bytes", false},
    {Counter::bytes_from_clients, "client_bytes_received", false},
    {Counter::bytes_to_clients, "client_bytes_sent", false},
    {Counter::backend_connections, "backend_connections", false},
    {Counter::backend_reuses, "backend_connection_reuses", false},
    {Counter::backend_failures, "backend_failures", false},
    {Counter::protocol_errors, "client_protocol_errors", false},
    {Counter::handshake_failures, "client_tls_failures", false},
    {Counter::responses_refused, "backend_protocol_errors", false},
    {Counter::sessions_opened, "sessions_opened", false},
    {Counter::sessions_refused, "sessions_refused", false},
    {Counter::heartbeats, "heartbeats", false},
    {Counter::early_streams, "early_streams", false},
    {Counter::legacy_streams_waiting, "legacy_streams_waiting", true},
    {Counter::sessions_recovered, "sessions_recovered", false},
    {Counter::recoveries_failed, "session_recoveries_failed", false},
    {Counter::stale_answers, "stale_client_answers", false},
    {Counter::backend_pings, "backend_pings", false},
    {Counter::backend_pings_failed, "backend_pings_failed", false},
    {Counter::sessions_not_pinged, "sessions_not_pinged", false},
    {Counter::backpressure_pauses, "backpressure_pauses", false},
}};

class Counters {
 public:
  // The owning worker only: a plain load and store, no locked instruction.
  void add(Counter counter, int64_t n = 1) noexcept {
    auto &cell = cells_[static_cast<size_t>(counter)];
    cell.store(cell.load(std::memory_order_relaxed) + n, std::memory_order_relaxed);
  }
  // Any thread.
  int64_t get(Counter counter) const noexcept {
    return cells_[static_cast<size_t>(counter)].load(std::memory_order_relaxed);
  }

 private:
  std::array<std::atomic<int64_t>, kCounters> cells_{};
};

// The upstreams' names under which the directory keeps what is nobody's backend: sessiond's HTTP
// socket, and the ports at which servers are only checked.
inline constexpr std::string_view kManagementUpstream = "(sessiond)";
inline constexpr std::string_view kCheckUpstream = "(check)";
constexpr bool is_internal(std::string_view upstream) noexcept {
  return upstream == kManagementUpstream || upstream == kCheckUpstream;
}

}  // namespace holdfast::proxy
