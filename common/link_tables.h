// The link's messages as data: per message its word on the wire, per member one row. Encoder and
// decoder (link_messages.cpp) read these rows and nothing else, so that they cannot disagree; a new
// member is one row here and one line in PROTOCOL.md. Constants only; private to link_messages.cpp.
#pragma once

#include <cstddef>
#include <string_view>
#include <tuple>

#include "common/limits.h"
#include "common/link_messages.h"

namespace holdfast::link {

// What a member must satisfy. Numbers are always 0 … kLinkNumberMax.
struct Rule {
  size_t bytes_min = 0;  // of a text
  size_t bytes_max = kLinkTextBytesMax;
  size_t count_max = kLinkListMax;  // of a list
  bool optional = false;            // absent means the struct's default; empty texts are not sent
};

inline constexpr Rule kPlain{};
inline constexpr Rule kOptional{.optional = true};
inline constexpr Rule kId{.bytes_min = 1, .bytes_max = kSessionIdBytesMax};
inline constexpr Rule kUser{.bytes_min = 1, .bytes_max = kUserBytesMax};
inline constexpr Rule kBackendId{.bytes_max = kBackendSessionBytesMax, .optional = true};
inline constexpr Rule kTarget{.bytes_max = kLinkTargetBytesMax, .optional = true};
inline constexpr Rule kClientText{.bytes_max = kClientNameBytesMax, .optional = true};
inline constexpr Rule kMessage{.bytes_max = kLinkMessageBytesMax};
inline constexpr Rule kEntries{.count_max = kActivityPerLineMax};

// One member: its name on the wire, where it lives, what it must satisfy.
template <class M, class T>
struct Field {
  std::string_view name;
  T M::*member;
  Rule rule = kPlain;
};
// clang 14 deduces no aggregates by itself.
template <class M, class T>
Field(std::string_view, T M::*, Rule = kPlain) -> Field<M, T>;
// The members of a nested struct stand directly in the message (the record of `snapshot`).
template <class M, class T>
struct Inlined {
  T M::*member;
};
template <class M, class T>
Inlined(T M::*) -> Inlined<M, T>;

// kWord<M>: the value of "t". kRows<M>: the members, in the order they are written.
template <class M>
inline constexpr std::string_view kWord{};
template <class M>
inline constexpr std::tuple<> kRows{};

template <>
inline constexpr auto kRows<Record> = std::tuple{
    Field{"session", &Record::session, kId},
    Field{"user", &Record::user, kUser},
    Field{"policy", &Record::policy},
    Field{"transport", &Record::transport},
    Field{"backend", &Record::backend},
    Field{"backend_session", &Record::backend_session, kBackendId},
    Field{"target", &Record::target, kTarget},
    Field{"age_ms", &Record::age_ms},
    Field{"idle_ms", &Record::idle_ms},
    Field{"in_flight", &Record::in_flight},
    Field{"requests", &Record::requests},
    Field{"streams", &Record::streams},
    Field{"persistent", &Record::persistent},
    Field{"peer", &Record::peer},
    Field{"client_name", &Record::client_name, kClientText},
    Field{"client_version", &Record::client_version, kClientText},
};
template <>
inline constexpr auto kRows<PolicyInfo> = std::tuple{
    Field{"name", &PolicyInfo::name},
    Field{"persistent", &PolicyInfo::persistent},
    Field{"timeout_ms", &PolicyInfo::timeout_ms},
    Field{"max_sessions", &PolicyInfo::max_sessions, kOptional},
    Field{"max_sessions_per_user", &PolicyInfo::max_sessions_per_user, kOptional},
    Field{"max_sessions_per_address", &PolicyInfo::max_sessions_per_address, kOptional},
    Field{"activity", &PolicyInfo::activity},
    Field{"stream_keeps_alive", &PolicyInfo::stream_keeps_alive},
};
template <>
inline constexpr auto kRows<BackendInfo> = std::tuple{
    Field{"upstream", &BackendInfo::upstream},
    Field{"server", &BackendInfo::server},
    Field{"up", &BackendInfo::up},
    Field{"sessions", &BackendInfo::sessions},
    Field{"requests", &BackendInfo::requests},
    Field{"errors", &BackendInfo::errors},
    Field{"state", &BackendInfo::state, kOptional},
    Field{"set_state", &BackendInfo::set_state, kOptional},
    Field{"weight", &BackendInfo::weight, kOptional},
    Field{"set_weight", &BackendInfo::set_weight, kOptional},
    Field{"check", &BackendInfo::check, kOptional},
    Field{"changed_ms", &BackendInfo::changed_ms, kOptional},
    Field{"removed", &BackendInfo::removed, kOptional},
};
// Written as an array, without names: half of what a busy link carries.
template <>
inline constexpr auto kRows<ActivityEntry> = std::tuple{
    Field{"session", &ActivityEntry::session, kId},
    Field{"idle_ms", &ActivityEntry::idle_ms},
    Field{"in_flight", &ActivityEntry::in_flight},
    Field{"requests", &ActivityEntry::requests},
};

// proxy → sessiond
template <>
inline constexpr std::string_view kWord<Hello> = "hello";
template <>
inline constexpr auto kRows<Hello> = std::tuple{
    Field{"v", &Hello::v},
    Field{"node", &Hello::node, Rule{.bytes_min = 1}},
    Field{"instance", &Hello::instance, kId},
    Field{"pid", &Hello::pid},
    Field{"version", &Hello::version},
    Field{"policies", &Hello::policies},
};
template <>
inline constexpr std::string_view kWord<SnapshotBegin> = "snapshot_begin";
template <>
inline constexpr std::string_view kWord<Snapshot> = "snapshot";
template <>
inline constexpr auto kRows<Snapshot> = std::tuple{Inlined{&Snapshot::record}};
template <>
inline constexpr std::string_view kWord<SnapshotEnd> = "snapshot_end";
template <>
inline constexpr std::string_view kWord<Admit> = "admit";
template <>
inline constexpr auto kRows<Admit> = std::tuple{
    Field{"session", &Admit::session, kId},
    Field{"user", &Admit::user, kUser},
    Field{"policy", &Admit::policy},
    Field{"transport", &Admit::transport},
    Field{"peer", &Admit::peer},
    Field{"client_name", &Admit::client_name, kClientText},
    Field{"client_version", &Admit::client_version, kClientText},
};
template <>
inline constexpr std::string_view kWord<Bound> = "bound";
template <>
inline constexpr auto kRows<Bound> = std::tuple{
    Field{"session", &Bound::session, kId},
    Field{"backend", &Bound::backend},
    Field{"backend_session", &Bound::backend_session, kBackendId},
    Field{"target", &Bound::target, kTarget},
};
template <>
inline constexpr std::string_view kWord<Released> = "released";
template <>
inline constexpr auto kRows<Released> = std::tuple{
    Field{"session", &Released::session, kId},
    Field{"reason", &Released::reason},
};
template <>
inline constexpr std::string_view kWord<Opened> = "opened";
template <>
inline constexpr auto kRows<Opened> = std::tuple{
    Field{"session", &Opened::session, kId},
    Field{"stream", &Opened::stream},
    Field{"kind", &Opened::kind},
};
template <>
inline constexpr std::string_view kWord<Closed> = "closed";
template <>
inline constexpr auto kRows<Closed> = std::tuple{
    Field{"session", &Closed::session, kId}, Field{"stream", &Closed::stream},
    Field{"reason", &Closed::reason},        Field{"idle_ms", &Closed::idle_ms},
    Field{"bytes", &Closed::bytes},
};
template <>
inline constexpr std::string_view kWord<Activity> = "activity";
template <>
inline constexpr auto kRows<Activity> =
    std::tuple{Field{"sessions", &Activity::sessions, kEntries}};
template <>
inline constexpr std::string_view kWord<Alive> = "alive";
template <>
inline constexpr auto kRows<Alive> = std::tuple{
    Field{"session", &Alive::session, kId}, Field{"idle_ms", &Alive::idle_ms},
    Field{"in_flight", &Alive::in_flight},  Field{"use_ms", &Alive::use_ms, kOptional},
    Field{"used", &Alive::used, kOptional},
};
template <>
inline constexpr std::string_view kWord<Idle> = "idle";
template <>
inline constexpr auto kRows<Idle> = std::tuple{
    Field{"session", &Idle::session, kId},
    Field{"round", &Idle::round},
    Field{"idle_ms", &Idle::idle_ms},
};
template <>
inline constexpr std::string_view kWord<Ended> = "ended";
template <>
inline constexpr auto kRows<Ended> = std::tuple{
    Field{"session", &Ended::session, kId},
    Field{"reason", &Ended::reason},
    Field{"idle_ms", &Ended::idle_ms},
};
template <>
inline constexpr std::string_view kWord<Stats> = "stats";
template <>
inline constexpr auto kRows<Stats> = std::tuple{
    Field{"counters", &Stats::counters},
    Field{"backends", &Stats::backends},
};
template <>
inline constexpr std::string_view kWord<Obeyed> = "obeyed";
template <>
inline constexpr auto kRows<Obeyed> = std::tuple{
    Field{"token", &Obeyed::token},
};
template <>
inline constexpr std::string_view kWord<Reloaded> = "reloaded";
template <>
inline constexpr auto kRows<Reloaded> = std::tuple{
    Field{"token", &Reloaded::token},
    Field{"ok", &Reloaded::ok},
    Field{"message", &Reloaded::message, kMessage},
};
template <>
inline constexpr std::string_view kWord<Pong> = "pong";
template <>
inline constexpr auto kRows<Pong> = std::tuple{Field{"n", &Pong::n}};

// both ways
template <>
inline constexpr std::string_view kWord<Unsupported> = "unsupported";
template <>
inline constexpr auto kRows<Unsupported> = std::tuple{Field{"type", &Unsupported::type}};
template <>
inline constexpr std::string_view kWord<Bye> = "bye";
template <>
inline constexpr auto kRows<Bye> = std::tuple{Field{"reason", &Bye::reason}};

// sessiond → proxy
template <>
inline constexpr std::string_view kWord<Welcome> = "welcome";
template <>
inline constexpr auto kRows<Welcome> = std::tuple{
    Field{"v", &Welcome::v},
    Field{"version", &Welcome::version},
    Field{"policies", &Welcome::policies},
    Field{"unknown_policies", &Welcome::unknown_policies},
    Field{"http_socket", &Welcome::http_socket, kOptional},
    Field{"tombstone_lifetime_ms", &Welcome::tombstone_lifetime_ms, kOptional},
};
template <>
inline constexpr std::string_view kWord<Policies> = "policies";
template <>
inline constexpr auto kRows<Policies> = std::tuple{
    Field{"policies", &Policies::policies},
    Field{"unknown_policies", &Policies::unknown_policies},
    Field{"tombstone_lifetime_ms", &Policies::tombstone_lifetime_ms, kOptional},
};
template <>
inline constexpr std::string_view kWord<RestoredBegin> = "restored_begin";
template <>
inline constexpr std::string_view kWord<Restored> = "restored";
template <>
inline constexpr auto kRows<Restored> = std::tuple{Inlined{&Restored::record}};
template <>
inline constexpr std::string_view kWord<RestoredEnd> = "restored_end";
template <>
inline constexpr std::string_view kWord<Siblings> = "siblings";
template <>
inline constexpr auto kRows<Siblings> = std::tuple{Field{"count", &Siblings::count}};
template <>
inline constexpr std::string_view kWord<Admitted> = "admitted";
template <>
inline constexpr auto kRows<Admitted> = std::tuple{
    Field{"session", &Admitted::session, kId},
    Field{"persistent", &Admitted::persistent},
};
template <>
inline constexpr std::string_view kWord<Refused> = "refused";
template <>
inline constexpr auto kRows<Refused> = std::tuple{
    Field{"session", &Refused::session, kId},
    Field{"reason", &Refused::reason},
    Field{"retry_after_s", &Refused::retry_after_s},
};
template <>
inline constexpr std::string_view kWord<Probe> = "probe";
template <>
inline constexpr auto kRows<Probe> = std::tuple{
    Field{"session", &Probe::session, kId},
    Field{"round", &Probe::round},
    Field{"idle_ms_min", &Probe::idle_ms_min},
    Field{"reason", &Probe::reason, kOptional},
};
template <>
inline constexpr std::string_view kWord<Release> = "release";
template <>
inline constexpr auto kRows<Release> = std::tuple{Field{"session", &Release::session, kId}};
template <>
inline constexpr std::string_view kWord<DropIfIdle> = "drop_if_idle";
template <>
inline constexpr auto kRows<DropIfIdle> = std::tuple{
    Field{"session", &DropIfIdle::session, kId},
    Field{"idle_ms_min", &DropIfIdle::idle_ms_min},
    Field{"reason", &DropIfIdle::reason, kOptional},
    Field{"keep_backend", &DropIfIdle::keep_backend, kOptional},
};
template <>
inline constexpr std::string_view kWord<Drop> = "drop";
template <>
inline constexpr auto kRows<Drop> = std::tuple{
    Field{"session", &Drop::session, kId},
    Field{"reason", &Drop::reason},
    Field{"keep_backend", &Drop::keep_backend, kOptional},
};
template <>
inline constexpr std::string_view kWord<Set> = "set";
template <>
inline constexpr auto kRows<Set> = std::tuple{
    Field{"session", &Set::session, kId},
    Field{"persistent", &Set::persistent},
};
template <>
inline constexpr std::string_view kWord<SetServer> = "set_server";
template <>
inline constexpr auto kRows<SetServer> = std::tuple{
    Field{"server", &SetServer::server, Rule{.bytes_min = 1}},
    Field{"state", &SetServer::state, kOptional},
    Field{"weight", &SetServer::weight, kOptional},
};
template <>
inline constexpr std::string_view kWord<Acknowledged> = "acknowledged";
template <>
inline constexpr auto kRows<Acknowledged> =
    std::tuple{Field{"session", &Acknowledged::session, kId}};
template <>
inline constexpr std::string_view kWord<Drain> = "drain";
template <>
inline constexpr auto kRows<Drain> = std::tuple{
    Field{"on", &Drain::on},
    Field{"exit", &Drain::exit, kOptional},
    Field{"token", &Drain::token, kOptional},
};
template <>
inline constexpr std::string_view kWord<Reload> = "reload";
template <>
inline constexpr auto kRows<Reload> = std::tuple{Field{"token", &Reload::token}};
template <>
inline constexpr std::string_view kWord<Ping> = "ping";
template <>
inline constexpr auto kRows<Ping> = std::tuple{Field{"n", &Ping::n}};

}  // namespace holdfast::link
