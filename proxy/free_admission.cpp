#include "proxy/free_admission.h"

namespace holdfast::proxy {

void FreeAdmission::set_policies(const std::vector<link::PolicyInfo> &policies) {
  const std::lock_guard lock(mutex_);
  policies_.set(policies);
}

void FreeAdmission::set_open(bool open) {
  const std::lock_guard lock(mutex_);
  open_ = open;
}

void FreeAdmission::set_draining(bool draining) {
  const std::lock_guard lock(mutex_);
  draining_ = draining;
}

std::optional<bool> FreeAdmission::persistence_of(std::string_view policy) const {
  const std::lock_guard lock(mutex_);
  if (!open_ || draining_) return std::nullopt;
  const auto known = policies_.find(policy);
  if (!known || known->capped) return std::nullopt;
  return known->persistent;
}

}  // namespace holdfast::proxy
