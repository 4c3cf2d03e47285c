// The Date field's value (RFC 9110 5.6.7: IMF-fixdate, always GMT, always English). Pure.
#pragma once

#include <cstddef>
#include <string>

#include "common/clock.h"

namespace holdfast::proxy::http {

inline constexpr size_t kDateBytes = 29;  // "Sun, 06 Nov 1994 08:49:37 GMT"

// `when` to the second. Years outside 0 to 9999 do not happen: the wall clock counts 64-bit
// milliseconds, and whoever sets it so has other troubles; the year is then cut to four digits.
std::string http_date(WallTime when);

}  // namespace holdfast::proxy::http
