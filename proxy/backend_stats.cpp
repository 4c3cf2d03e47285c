#include "proxy/backend_stats.h"

namespace holdfast::proxy {

std::string_view to_word(CheckResult result) noexcept {
  switch (result) {
    case CheckResult::unchecked:
      return "";
    case CheckResult::ok:
      return "ok";
    case CheckResult::refused:
      return "refused";
    case CheckResult::no_answer:
      return "no_answer";
    case CheckResult::bad_answer:
      return "bad_answer";
    case CheckResult::bad_status:
      return "bad_status";
  }
  return "";
}

ServerOrder order_of(ServerState state) noexcept {
  switch (state) {
    case ServerState::ready:
      return ServerOrder::ready;
    case ServerState::drain:
      return ServerOrder::drain;
    case ServerState::maint:
      return ServerOrder::maint;
  }
  return ServerOrder::none;
}

}  // namespace holdfast::proxy
