#include "sessiond/core/sharing.h"

#include <algorithm>
#include <limits>

namespace holdfast::sessiond {
namespace {

int32_t sum(int32_t a, int32_t b) noexcept {
  return static_cast<int32_t>(
      std::min<int64_t>(int64_t{a} + b, std::numeric_limits<int32_t>::max()));
}

Holding &append(Session &session, Instance &instance) {
  auto holding = std::make_unique<Holding>();
  holding->session = &session;
  holding->instance = &instance;
  instance.shares.push_back(*holding);
  return *session.sharing->holders.emplace_back(std::move(holding));
}

}  // namespace

Holding *find_holding(Session &session, const Instance &instance) noexcept {
  if (!session.sharing) return nullptr;
  for (const auto &holding : session.sharing->holders) {
    if (holding->instance == &instance) return holding.get();
  }
  return nullptr;
}

bool holds(const Session &session, const Instance &instance) noexcept {
  if (session.instance == &instance) return true;
  if (!session.sharing) return false;
  const auto &holders = session.sharing->holders;
  return std::any_of(holders.begin(), holders.end(),
                     [&](const auto &holding) { return holding->instance == &instance; });
}

Part &part_of(Session &session, const Instance &instance) noexcept {
  Holding *const holding = find_holding(session, instance);
  return holding != nullptr ? static_cast<Part &>(*holding) : session;
}

void merge(Session &session) noexcept {
  if (!session.sharing) return;
  Part whole;
  whole.used = session.used;
  whole.last_activity = whole.last_use = MonoTime::min();
  for (const auto &part : session.sharing->holders) {
    whole.last_activity = std::max(whole.last_activity, part->last_activity);
    whole.last_use = std::max(whole.last_use, part->last_use);
    whole.requests = std::max(whole.requests, part->requests);
    whole.in_flight = sum(whole.in_flight, part->in_flight);
    whole.streams = sum(whole.streams, part->streams);
    whole.used = whole.used || part->used;
  }
  static_cast<Part &>(session) = whole;
}

Holding &add_holder(Session &session, Instance &instance) {
  if (!session.sharing) {
    session.sharing = std::make_unique<Sharing>();
    static_cast<Part &>(append(session, *session.instance)) = session;
    session.sharing->asked_alone = session.asked != Ask::none;
    session.was_shared = true;
    session.used = true;  // in doubt: no holder knows of all its requests
  }
  Holding &holding = append(session, instance);
  holding.last_activity = session.last_activity;
  holding.last_use = session.last_use;
  holding.requests = session.requests;
  merge(session);
  return holding;
}

void remove_holder(Session &session, const Instance &instance) {
  auto &holders = session.sharing->holders;
  const auto gone = std::find_if(holders.begin(), holders.end(), [&](const auto &holding) {
    return holding->instance == &instance;
  });
  (*gone)->instance->shares.erase(**gone);
  const Part told = **gone;
  holders.erase(gone);
  for (const auto &holding : holders) {
    holding->last_activity = std::max(holding->last_activity, told.last_activity);
    holding->last_use = std::max(holding->last_use, told.last_use);
  }
  merge(session);
  if (holders.size() > 1) return;
  const bool used = session.used;
  static_cast<Part &>(session) = *holders.front();
  session.used = used;
  holders.front()->instance->shares.erase(*holders.front());
  session.sharing.reset();
}

}  // namespace holdfast::sessiond
