#include "sessiond/core/reports.h"

#include "sessiond/core/policy_table.h"
#include "sessiond/core/reaper.h"

namespace holdfast::sessiond {
namespace {

bool backend_matches(const Session &session, std::string_view wanted) {
  const std::string_view backend = session.backend->text;
  return backend == wanted || (backend.size() > wanted.size() && backend.starts_with(wanted) &&
                               backend[wanted.size()] == '/');
}

}  // namespace

link::Record record_of(const Session &session, MonoTime now) {
  link::Record record;
  record.session = session.id->text();
  record.user = session.user->name;
  record.policy = session.policy->name;
  record.transport = session.transport;
  record.backend = session.backend->text;
  record.backend_session = session.backend_session.view();
  record.target = session.target->text;
  record.age_ms = (now - session.created).count();
  record.idle_ms = (now - session.last_activity).count();
  record.in_flight = session.in_flight;
  record.requests = session.requests;
  record.streams = session.streams;
  record.persistent = is_persistent(session);
  record.peer = session.peer->text;
  record.client_name = session.client_name->text;
  record.client_version = session.client_version->text;
  return record;
}

bool matches(const SessionFilter &filter, const Session &session, MonoTime now) {
  if (filter.user && session.user->name != *filter.user) return false;
  if (filter.policy && session.policy->name != *filter.policy) return false;
  if (filter.backend && !backend_matches(session, *filter.backend)) return false;
  if (filter.transport && session.transport != *filter.transport) return false;
  return !filter.idle_min || now - session.last_activity >= *filter.idle_min;
}

}  // namespace holdfast::sessiond
