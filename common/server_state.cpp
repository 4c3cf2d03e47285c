#include "common/server_state.h"

namespace holdfast {
namespace {

constexpr EnumWord<ServerState> kServerStates[] = {
    {ServerState::ready, "ready", "takes new sessions"},
    {ServerState::drain, "drain", "takes no new sessions; is still checked"},
    {ServerState::maint, "maint", "takes no new sessions and is not checked"},
};

}  // namespace

template <>
std::span<const EnumWord<ServerState>> enum_words<ServerState>() noexcept {
  return kServerStates;
}

}  // namespace holdfast
