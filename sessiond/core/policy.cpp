#include "sessiond/core/policy.h"

namespace holdfast::sessiond {

std::string_view to_word(AtCapacity value) noexcept {
  switch (value) {
    case AtCapacity::reject:
      return "reject";
    case AtCapacity::evict_idle:
      return "evict_idle";
  }
  return "";
}

std::vector<std::string> to_words(const Activity &activity) {
  switch (activity.kind) {
    case Activity::Kind::requests:
      return {"requests"};
    case Activity::Kind::messages:
      return {"messages"};
    case Activity::Kind::methods:
      break;
  }
  return activity.methods;
}

bool is_persistent(const Policy &policy) noexcept {
  return policy.persistent_mode.value_or(!policy.max_sessions.has_value());
}

bool can_lock_everybody_out(const Policy &policy) noexcept {
  return is_persistent(policy) && policy.max_sessions.has_value();
}

}  // namespace holdfast::sessiond
