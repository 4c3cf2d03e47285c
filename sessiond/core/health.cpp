#include "sessiond/core/health.h"

#include <algorithm>
#include <map>

#include "sessiond/core/reports.h"

namespace holdfast::sessiond {
namespace {

using OfInstance = IntrusiveList<Session, &Session::of_instance>;

bool is_active(const Session &session, MonoTime now) {
  return is_held(session) || now - session.last_activity < session.policy->rules.timeout;
}

bool every_upstream_serves(const link::Stats &stats) {
  std::map<std::string_view, bool> up;
  for (const link::BackendInfo &backend : stats.backends) {
    if (!backend.removed) up[backend.upstream] |= admits_sessions(backend);
  }
  return std::all_of(up.begin(), up.end(), [](const auto &upstream) { return upstream.second; });
}

}  // namespace

bool admits_sessions(const link::BackendInfo &backend) noexcept {
  return backend.up && backend.state == ServerState::ready && !backend.removed;
}

std::string_view to_word(HealthStatus status) noexcept {
  switch (status) {
    case HealthStatus::ok:
      return "ok";
    case HealthStatus::degraded:
      return "degraded";
    case HealthStatus::draining:
      return "draining";
  }
  return "";
}

std::string_view to_word(Standing standing) noexcept {
  switch (standing) {
    case Standing::opening:
      return "opening";
    case Standing::active:
      return "active";
    case Standing::streaming:
      return "streaming";
    case Standing::idle:
      return "idle";
    case Standing::closing:
      return "closing";
  }
  return "";
}

Standing standing_of(const Session &session) noexcept {
  if (session.state == SessionState::opening) return Standing::opening;
  if (session.state == SessionState::closing) return Standing::closing;
  if (session.in_flight > 0) return Standing::active;
  return session.streams > 0 ? Standing::streaming : Standing::idle;
}

bool backends_up(const Core &core) {
  size_t linked_count = 0;
  for (const auto &[id, link] : core.links()) {
    if (link.instance == nullptr) continue;
    ++linked_count;
    if (!every_upstream_serves(link.stats)) return false;
  }
  return linked_count > 0;
}

Health health(const Core &core, MonoTime now) {
  Health out;
  out.total_count = core.table().session_count();
  for (const auto &[name, instance] : core.table().instances()) {
    for (const Session *s = instance.sessions.front(); s != nullptr; s = OfInstance::next(*s)) {
      if (s->state != SessionState::opening && is_active(*s, now)) ++out.active_count;
    }
  }
  for (const auto &[name, user] : core.table().users()) {
    const size_t sessions_count = user.sessions.size() - user.opening_count;
    if (sessions_count > 0) out.by_user.emplace_back(name, sessions_count);
  }
  std::sort(out.by_user.begin(), out.by_user.end());
  if (core.draining()) {
    out.status = HealthStatus::draining;
  } else if (!backends_up(core)) {
    out.status = HealthStatus::degraded;
  }
  return out;
}

SessionList list_sessions(const Core &core, const SessionFilter &filter, size_t max, MonoTime now) {
  SessionList out;
  for (const auto &[name, instance] : core.table().instances()) {
    for (const Session *s = instance.sessions.front(); s != nullptr; s = OfInstance::next(*s)) {
      if (!matches(filter, *s, now)) continue;
      ++out.matched_count;
      if (out.sessions.size() < max) out.sessions.push_back(s);
    }
  }
  return out;
}

}  // namespace holdfast::sessiond
