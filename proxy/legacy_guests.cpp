#include "proxy/legacy_guests.h"

namespace holdfast::proxy {

void LegacyGuests::add(link::Record record, BackendId backend) {
  const std::lock_guard lock(mutex_);
  std::string id = record.session;
  guests_.insert_or_assign(std::move(id), Guest{std::move(record), backend});
}

std::optional<LegacyGuests::Home> LegacyGuests::find(std::string_view id,
                                                     std::string_view user) const {
  const std::lock_guard lock(mutex_);
  const auto at = guests_.find(id);
  if (at == guests_.end() || !equal_constant_time(at->second.record.user, user))
    return std::nullopt;
  return Home{at->second.backend, at->second.record.backend_session};
}

std::vector<link::Record> LegacyGuests::all() const {
  const std::lock_guard lock(mutex_);
  std::vector<link::Record> records;
  for (const auto &[id, guest] : guests_) records.push_back(guest.record);
  return records;
}

void LegacyGuests::clear() {
  const std::lock_guard lock(mutex_);
  guests_.clear();
}

}  // namespace holdfast::proxy
