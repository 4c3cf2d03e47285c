// The words of proxy.conf: one row each (see conf_schema.h). Constant data.
#pragma once

#include "common/conf_schema.h"

namespace holdfast::proxy {

// The blocks. `http` may stand around servers and upstreams and is not needed.
inline constexpr ConfContexts kMain = kConfMain;
inline constexpr ConfContexts kEvents = 2;
inline constexpr ConfContexts kHttp = 4;
inline constexpr ConfContexts kServer = 8;
inline constexpr ConfContexts kLocation = 16;
inline constexpr ConfContexts kUpstream = 32;
inline constexpr ConfContexts kMap = 64;

const ConfSchema &conf_schema();

}  // namespace holdfast::proxy
