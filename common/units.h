// Durations, sizes, switches and bounded integers as configurations, the environment and the ctl
// write them, and back. Pure; the messages are complete but for the place, which the caller adds.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "common/clock.h"
#include "common/result.h"

namespace holdfast {

// What a number without a unit means: seconds in configurations (as in nginx), milliseconds in the
// environment (as in the variables users already have).
enum class BareUnit { seconds, milliseconds };

// "500ms", "30s", "1h30m", "0": units y M w d h m s ms, largest first, each at most once. At most
// kDurationMax. Errc::config: `"10q" is not a time; write 500ms, 30s, 10m, 1h30m`.
Result<Millis> parse_duration(std::string_view text, BareUnit bare = BareUnit::seconds);
inline constexpr Millis kDurationMax{std::chrono::hours{24 * 365 * 100}};

// "512", "8m", "1G": bytes, with k m g in either case. Errc::config names the text.
Result<uint64_t> parse_size(std::string_view text);

// "on", "off". Errc::config names the text.
Result<bool> parse_switch(std::string_view text);
// The environment's wider choice, without case: true/false, 1/0, yes/no, on/off.
Result<bool> parse_loose_switch(std::string_view text);

// A whole number of decimal digits only within [min, max]. Errc::config names text and range.
Result<uint64_t> parse_count(std::string_view text, uint64_t min, uint64_t max);
// The same where no message is wanted.
std::optional<uint64_t> parse_whole(std::string_view text, uint64_t min, uint64_t max);

// The shortest text that parse_duration reads as the same time: "1h30m", "1500ms", "0s".
std::string duration_text(Millis duration);
// The shortest text that parse_size reads as the same size: "8m", "1000".
std::string size_text(uint64_t bytes);

// Policy names are words of a configuration and travel on the link: 1 to 64 characters of
// [A-Za-z0-9._-], the first one a letter or a digit.
bool is_policy_name(std::string_view name) noexcept;

}  // namespace holdfast
