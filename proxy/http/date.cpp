#include "proxy/http/date.h"

#include <array>
#include <ctime>
#include <string_view>

namespace holdfast::proxy::http {
namespace {

constexpr std::array<std::string_view, 7> kDays = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
constexpr std::array<std::string_view, 12> kMonths = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                      "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};

void put_number(std::string &out, int value, int divisor) {
  for (; divisor > 0; divisor /= 10) out += static_cast<char>('0' + value / divisor % 10);
}

}  // namespace

std::string http_date(WallTime when) {
  const auto seconds = std::chrono::floor<std::chrono::seconds>(when.time_since_epoch());
  const auto time = static_cast<std::time_t>(seconds.count());
  std::tm utc{};
  (void)::gmtime_r(&time, &utc);  // ignoring: fails only beyond the years above; then zeros
  std::string out;
  out.reserve(kDateBytes);
  out.append(kDays[static_cast<size_t>(utc.tm_wday)]).append(", ");
  put_number(out, utc.tm_mday, 10);
  out.append(" ").append(kMonths[static_cast<size_t>(utc.tm_mon)]).append(" ");
  put_number(out, utc.tm_year + 1900, 1000);
  out += ' ';
  put_number(out, utc.tm_hour, 10);
  out += ':';
  put_number(out, utc.tm_min, 10);
  out += ':';
  put_number(out, utc.tm_sec, 10);
  out.append(" GMT");
  return out;
}

}  // namespace holdfast::proxy::http
