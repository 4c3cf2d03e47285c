#include "proxy/backend_claims.h"

#include <algorithm>
#include <string>
#include <utility>

#include "common/ids.h"

namespace holdfast::proxy {
namespace {

constexpr size_t kSlotsMin = 8;
constexpr unsigned kUserBits = 40;  // what BackendClaims::Entry has room for

uint64_t place_of(BackendId backend, std::string_view backend_session) {
  std::string name = std::to_string(backend);
  name += ' ';  // no number has one: two pairs are never one text
  name += backend_session;
  return std::max<uint64_t>(keyed_hash(name), 1);  // 0 marks a free slot
}

uint64_t user_of(std::string_view user) { return keyed_hash(user) >> (64 - kUserBits); }

}  // namespace

bool BackendClaims::claim(BackendId backend, std::string_view backend_session,
                          std::string_view user) {
  if (backend_session.empty()) return true;
  const uint64_t place = place_of(backend, backend_session);
  const uint64_t owner = user_of(user);
  Stripe &stripe = stripe_of(place);
  const std::lock_guard lock(stripe.mutex);
  if ((stripe.taken + 1) * 8 > stripe.slots.size() * 7)
    stripe.resize(std::max(kSlotsMin, stripe.slots.size() * 2));
  Entry &entry = stripe.slots[stripe.slot_of(place)];
  if (entry.place == 0) {
    entry.place = place;
    entry.held = owner << kCountBits;
    ++stripe.taken;
  } else if (entry.user() != owner || entry.sessions_count() == kSessionsMax) {
    return false;
  }
  ++entry.held;
  return true;
}

void BackendClaims::release(BackendId backend, std::string_view backend_session,
                            std::string_view user) {
  if (backend_session.empty()) return;
  const uint64_t place = place_of(backend, backend_session);
  Stripe &stripe = stripe_of(place);
  const std::lock_guard lock(stripe.mutex);
  if (stripe.slots.empty()) return;
  const size_t slot = stripe.slot_of(place);
  Entry &entry = stripe.slots[slot];
  if (entry.place == 0 || entry.user() != user_of(user)) return;
  --entry.held;
  if (entry.sessions_count() > 0) return;
  stripe.free_slot(slot);
  // What a burst needed is given back, with room to spare: it must not be needed again at once.
  if (stripe.slots.size() > kSlotsMin && stripe.taken * 8 < stripe.slots.size())
    stripe.resize(stripe.slots.size() / 2);
}

size_t BackendClaims::size() const {
  size_t taken = 0;
  for (const Stripe &stripe : stripes_) {
    const std::lock_guard lock(stripe.mutex);
    taken += stripe.taken;
  }
  return taken;
}

size_t BackendClaims::Stripe::slot_of(uint64_t place) const {
  const size_t mask = slots.size() - 1;
  size_t slot = place & mask;
  while (slots[slot].place != 0 && slots[slot].place != place) slot = (slot + 1) & mask;
  return slot;
}

void BackendClaims::Stripe::resize(size_t slots_count) {
  const std::vector<Entry> old = std::exchange(slots, std::vector<Entry>(slots_count));
  for (const Entry &entry : old) {
    if (entry.place != 0) slots[slot_of(entry.place)] = entry;
  }
}

// Moves back what had to go past the slot, so that no search ends before it.
void BackendClaims::Stripe::free_slot(size_t slot) {
  const size_t mask = slots.size() - 1;
  --taken;
  slots[slot] = {};
  for (size_t next = (slot + 1) & mask; slots[next].place != 0; next = (next + 1) & mask) {
    const size_t wanted = slots[next].place & mask;
    const bool may_move = ((next - wanted) & mask) >= ((next - slot) & mask);
    if (!may_move) continue;
    slots[slot] = std::exchange(slots[next], {});
    slot = next;
  }
}

}  // namespace holdfast::proxy
