#include "common/close_reason.h"

namespace holdfast {
namespace {

constexpr EnumWord<EndReason> kEndReasons[] = {
    {EndReason::idle_timeout, "idle_timeout", "idle for longer than its timeout"},
    {EndReason::orphan_timeout, "orphan_timeout",
     "persistent, without any stream or request for longer than orphan_timeout"},
    {EndReason::unused_timeout, "unused_timeout",
     "no request since initialize for longer than unused_timeout"},
    {EndReason::capacity, "capacity", "ended to make room: the longest idle at the session limit"},
    {EndReason::admin, "admin", "terminated by an administrator"},
    {EndReason::client_delete, "client_delete", "the client ended it with DELETE"},
    {EndReason::client_gone, "client_gone", "the client's stream ended"},
    {EndReason::backend_ended, "backend_ended", "the backend no longer knows it"},
    {EndReason::backend_lost, "backend_lost", "the backend could not be reached"},
    {EndReason::link_lost, "link_lost", "the proxy that held it went away"},
    {EndReason::not_in_snapshot, "not_in_snapshot",
     "the proxy no longer held it after a reconnect"},
    {EndReason::stream_timeout, "stream_timeout",
     "its stream reached stream_timeout or stream_idle_timeout"},
    {EndReason::shutdown, "shutdown", "the proxy stopped"},
    {EndReason::unknown, "unknown", "not known to the proxy"},
};

constexpr EnumWord<StreamReason> kStreamReasons[] = {
    {StreamReason::complete, "complete", "the backend completed its answer"},
    {StreamReason::client_closed, "client_closed", "the client went away"},
    {StreamReason::client_vanished, "client_vanished", "the client's host no longer answers"},
    {StreamReason::backend_cut, "backend_cut", "the backend broke off in the middle"},
    {StreamReason::session_ended, "session_ended", "its session ended"},
    {StreamReason::idle_timeout, "idle_timeout", "its session expired"},
    {StreamReason::admin, "admin", "its session was terminated by an administrator"},
    {StreamReason::write_stalled, "write_stalled", "the client did not read"},
    {StreamReason::stream_idle_timeout, "stream_idle_timeout",
     "the backend sent nothing for stream_idle_timeout"},
    {StreamReason::stream_timeout, "stream_timeout", "the stream was stream_timeout old"},
    {StreamReason::drain, "drain", "the proxy drains"},
    {StreamReason::shutdown, "shutdown", "the proxy stopped"},
    {StreamReason::error, "error", "a fault of the exchange"},
    {StreamReason::unknown, "unknown", "for a reason only a newer version knows"},
};

constexpr EnumWord<ReleaseReason> kReleaseReasons[] = {
    {ReleaseReason::backend_refused, "backend_refused", "the backend refused initialize"},
    {ReleaseReason::backend_failed, "backend_failed", "the backend did not answer initialize"},
    {ReleaseReason::sessionless, "sessionless", "the backend keeps no session"},
    {ReleaseReason::not_legacy, "not_legacy", "the answer was not a legacy event stream"},
    {ReleaseReason::client_gone, "client_gone", "the client went away before the answer"},
    {ReleaseReason::late, "late", "the admission came too late"},
    {ReleaseReason::unknown, "unknown", "for a reason only a newer version knows"},
};

constexpr EnumWord<RefuseReason> kRefuseReasons[] = {
    {RefuseReason::max_sessions, "max_sessions", "the session limit is reached"},
    {RefuseReason::max_sessions_per_user, "max_sessions_per_user",
     "this user's session limit is reached"},
    {RefuseReason::max_sessions_per_address, "max_sessions_per_address",
     "this client address' session limit is reached"},
    {RefuseReason::draining, "draining", "the service is draining"},
    {RefuseReason::sessiond_down, "sessiond_down", "the session daemon cannot be asked"},
    {RefuseReason::unknown, "unknown", "for a reason only a newer version knows"},
};

constexpr EnumWord<Transport> kTransports[] = {
    {Transport::sse, "sse", "HTTP+SSE 2024-11-05"},
    {Transport::streamable, "streamable", "streamable HTTP 2025"},
    {Transport::listen, "listen", "subscriptions/listen 2026-07-28"},
};

constexpr EnumWord<StreamKind> kStreamKinds[] = {
    {StreamKind::get, "get", "a GET stream of a streamable session"},
    {StreamKind::post, "post", "an answer as an event stream"},
    {StreamKind::legacy, "legacy", "the stream of a legacy session"},
    {StreamKind::listen, "listen", "a subscriptions/listen stream"},
};

}  // namespace

std::string_view public_word(EndReason reason) noexcept {
  switch (reason) {
    case EndReason::idle_timeout:
    case EndReason::orphan_timeout:
    case EndReason::unused_timeout:
    case EndReason::stream_timeout:
      return "idle_timeout";
    case EndReason::capacity:
      return "capacity";
    case EndReason::admin:
      return "admin";
    case EndReason::backend_ended:
    case EndReason::backend_lost:
      return "backend_lost";
    case EndReason::client_delete:
    case EndReason::client_gone:
    case EndReason::link_lost:
    case EndReason::not_in_snapshot:
    case EndReason::shutdown:
    case EndReason::unknown:
      break;
  }
  return "unknown";
}

template <>
std::span<const EnumWord<EndReason>> enum_words<EndReason>() noexcept {
  return kEndReasons;
}
template <>
std::span<const EnumWord<StreamReason>> enum_words<StreamReason>() noexcept {
  return kStreamReasons;
}
template <>
std::span<const EnumWord<ReleaseReason>> enum_words<ReleaseReason>() noexcept {
  return kReleaseReasons;
}
template <>
std::span<const EnumWord<RefuseReason>> enum_words<RefuseReason>() noexcept {
  return kRefuseReasons;
}
template <>
std::span<const EnumWord<Transport>> enum_words<Transport>() noexcept {
  return kTransports;
}
template <>
std::span<const EnumWord<StreamKind>> enum_words<StreamKind>() noexcept {
  return kStreamKinds;
}

}  // namespace holdfast
