#include "proxy/backend_ping.h"

#include <algorithm>
#include <utility>

namespace holdfast::proxy {
namespace {

Millis some_of(Millis tenth, uint64_t chance) {
  return Millis{static_cast<Millis::rep>(chance % static_cast<uint64_t>(tenth.count() + 1))};
}

}  // namespace

BackendPing::BackendPing(PingTerms terms, uint64_t chance, MonoTime now)
    : terms_(std::move(terms)), early_(some_of(terms_.every / 10, chance)), last_use_(now) {}

MonoTime BackendPing::due() const {
  const MonoTime due = last_use_ + terms_.every - early_;
  if (failures_ == 0) return due;
  const unsigned times = std::min(1U << std::min(failures_ - 1, 16U), kPingBackoffMax);
  return std::max(due, last_failure_ + terms_.every * times);
}

void BackendPing::pinged(bool ok, MonoTime now) {
  if (ok) {
    failures_ = 0;
    used(now);
  } else {
    ++failures_;
    last_failure_ = now;
  }
}

}  // namespace holdfast::proxy
