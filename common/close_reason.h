// Why things end, one table each: the enumerator equals its word on the wire, in the log and in the
// metrics. A reason has `unknown` for words only a newer peer knows. Pure. The tables are in
// close_reason.cpp; a test round-trips every row.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

namespace holdfast {

// How a session ended.
enum class EndReason : uint8_t {
  idle_timeout,     // idle for longer than its policy's timeout
  orphan_timeout,   // persistent, and without any stream or request for longer than that
  unused_timeout,   // no request since initialize for longer than that
  capacity,         // the longest idle, ended to make room for another (evict_idle)
  admin,            // terminated by a person
  client_delete,    // the client sent DELETE
  client_gone,      // legacy or listen: the client's stream ended, and the session is its stream
  backend_ended,    // the backend answered 404 to the session, or ended the legacy stream
  backend_lost,     // the backend could not be reached any more
  link_lost,        // sessiond: the proxy's link ended and the session could not outlive it
  not_in_snapshot,  // sessiond: the proxy no longer knows it, and no reason reached us
  stream_timeout,   // legacy or listen: its stream reached stream_timeout or stream_idle_timeout
  shutdown,         // the proxy stopped
  unknown,          // asked to drop an id that is not known; or a word that is not
};

inline constexpr size_t kEndReasonsCount = static_cast<size_t>(EndReason::unknown) + 1;

// How one stream (or long answer) ended.
enum class StreamReason : uint8_t {
  complete,             // the backend ended its answer properly
  client_closed,        // the client went away
  client_vanished,      // its host no longer answers, without having said a word
  backend_cut,          // the backend broke off in the middle
  session_ended,        // the session ended (its EndReason says why)
  idle_timeout,         // the session expired
  admin,                // dropped by a person
  write_stalled,        // the client did not read within its deadline
  stream_idle_timeout,  // the backend sent nothing on it for that long
  stream_timeout,       // it was that old
  drain,
  shutdown,
  error,  // a fault of the exchange itself; the log has it
  unknown,
};

// Why a reservation was given back.
enum class ReleaseReason : uint8_t {
  backend_refused,  // a non-2xx answer to initialize
  backend_failed,   // no answer
  sessionless,      // 2xx without a session id: the backend keeps none
  not_legacy,       // the GET was not answered by a legacy event stream
  client_gone,
  late,  // admitted after the proxy had stopped waiting
  unknown,
};
inline constexpr size_t kReleaseReasonsCount = static_cast<size_t>(ReleaseReason::unknown) + 1;

// Why an admission was refused.
enum class RefuseReason : uint8_t {
  max_sessions,
  max_sessions_per_user,
  max_sessions_per_address,
  draining,
  sessiond_down,
  unknown,
};
inline constexpr size_t kRefuseReasonsCount = static_cast<size_t>(RefuseReason::unknown) + 1;

// True for the ends that a policy's passing time brings.
constexpr bool is_expiry(EndReason reason) noexcept {
  return reason == EndReason::idle_timeout || reason == EndReason::orphan_timeout ||
         reason == EndReason::unused_timeout;
}
// Whether an `ended` for this reason ends the session for all who hold it (PROTOCOL.md 1.6): the
// client or the backend has said so. Any other speaks for the holder alone.
constexpr bool ends_for_all(EndReason reason) noexcept {
  return reason == EndReason::client_delete || reason == EndReason::client_gone ||
         reason == EndReason::backend_ended || reason == EndReason::stream_timeout;
}
// How the streams of a session end that ends for this reason.
constexpr StreamReason stream_reason_of(EndReason reason) noexcept {
  if (is_expiry(reason)) return StreamReason::idle_timeout;
  return reason == EndReason::admin ? StreamReason::admin : StreamReason::session_ended;
}

// What a client is told of the end of its session (error.data.reason): idle_timeout, admin,
// capacity, backend_lost or unknown. Finer words are for those who operate the service.
std::string_view public_word(EndReason reason) noexcept;

enum class Transport : uint8_t { sse, streamable, listen };
enum class StreamKind : uint8_t { get, post, legacy, listen };

template <class E>
struct EnumWord {
  E value;
  std::string_view word;
  std::string_view help;  // one line for people
};
// The table of an enum; specialised for each of the enums above.
template <class E>
std::span<const EnumWord<E>> enum_words() noexcept;

template <class E>
std::string_view to_word(E value) noexcept {
  for (const auto &row : enum_words<E>()) {
    if (row.value == value) return row.word;
  }
  return "unknown";
}
template <class E>
std::optional<E> from_word(std::string_view word) noexcept {
  for (const auto &row : enum_words<E>()) {
    if (row.word == word) return row.value;
  }
  return std::nullopt;
}

// What a word stands for that is not in the table, where the enum has a value for that.
template <class E>
constexpr std::optional<E> value_of_other_words() noexcept {
  if constexpr (requires { E::unknown; }) {
    return E::unknown;
  } else {
    return std::nullopt;
  }
}

template <>
std::span<const EnumWord<EndReason>> enum_words<EndReason>() noexcept;
template <>
std::span<const EnumWord<StreamReason>> enum_words<StreamReason>() noexcept;
template <>
std::span<const EnumWord<ReleaseReason>> enum_words<ReleaseReason>() noexcept;
template <>
std::span<const EnumWord<RefuseReason>> enum_words<RefuseReason>() noexcept;
template <>
std::span<const EnumWord<Transport>> enum_words<Transport>() noexcept;
template <>
std::span<const EnumWord<StreamKind>> enum_words<StreamKind>() noexcept;

}  // namespace holdfast
