#include "common/units.h"

#include <algorithm>
#include <array>
#include <charconv>

namespace holdfast {

namespace {

struct Unit {
  std::string_view name;
  int64_t ms;
};

// Largest first: a text may only walk down this table. "ms" stands before "m" and "s" nowhere else,
// because the longest name that fits is taken.
constexpr std::array<Unit, 8> kUnits{{
    {"y", int64_t{365} * 24 * 3'600'000},
    {"M", int64_t{30} * 24 * 3'600'000},
    {"w", int64_t{7} * 24 * 3'600'000},
    {"d", int64_t{24} * 3'600'000},
    {"h", 3'600'000},
    {"m", 60'000},
    {"s", 1'000},
    {"ms", 1},
}};

std::string quoted_word(std::string_view text) { return '"' + std::string(text) + '"'; }

Error bad(std::string message) { return Error{Errc::config, 0, std::move(message)}; }

Error bad_duration(std::string_view text, BareUnit bare) {
  return bad(quoted_word(text) +
             (bare == BareUnit::seconds
                  ? " is not a time; write 500ms, 30s, 10m, 1h30m"
                  : " is not a time; write 1800000 (milliseconds), 30s, 1h30m"));
}

// Takes the digits at the front of `rest`; nullopt when there are none or they overflow.
std::optional<int64_t> take_number(std::string_view &rest) {
  int64_t value = 0;
  const auto [end, status] = std::from_chars(rest.data(), rest.data() + rest.size(), value);
  if (status != std::errc{} || rest.empty() || rest.front() == '-') return std::nullopt;
  rest.remove_prefix(static_cast<size_t>(end - rest.data()));
  return value;
}

std::string_view take_unit(std::string_view &rest) {
  const size_t size = std::min(rest.find_first_of("0123456789"), rest.size());
  const std::string_view name = rest.substr(0, size);
  rest.remove_prefix(size);
  return name;
}

// value * factor + total, when that stays within `max`.
bool add_scaled(int64_t &total, int64_t value, int64_t factor, int64_t max) {
  if (value > max / factor || total > max - value * factor) return false;
  total += value * factor;
  return true;
}

std::string lower(std::string_view text) {
  std::string result(text);
  for (char &c : result) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return result;
}

bool is_alnum(char c) noexcept {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

}  // namespace

Result<Millis> parse_duration(std::string_view text, BareUnit bare) {
  std::string_view rest = text;
  int64_t total_ms = 0;
  size_t next_unit = 0;
  do {
    const auto value = take_number(rest);
    if (!value) return bad_duration(text, bare);
    const std::string_view name = take_unit(rest);
    int64_t factor = bare == BareUnit::seconds ? 1000 : 1;
    if (!name.empty()) {
      while (next_unit < kUnits.size() && kUnits[next_unit].name != name) ++next_unit;
      if (next_unit == kUnits.size()) return bad_duration(text, bare);
      factor = kUnits[next_unit++].ms;
    } else if (next_unit > 0) {
      return bad_duration(text, bare);  // "1h30": of what?
    }
    if (!add_scaled(total_ms, *value, factor, kDurationMax.count())) {
      return bad(quoted_word(text) + " is more than 100 years");
    }
  } while (!rest.empty());
  return Millis{total_ms};
}

Result<uint64_t> parse_size(std::string_view text) {
  std::string_view rest = text;
  const auto value = take_number(rest);
  int64_t factor = 1;
  if (value && rest.size() == 1) {
    const char unit = lower(rest)[0];
    factor = unit == 'k' ? 1 << 10 : unit == 'm' ? 1 << 20 : unit == 'g' ? 1 << 30 : 0;
    rest.remove_prefix(1);
  }
  int64_t total = 0;
  if (!value || !rest.empty() || factor == 0 || !add_scaled(total, *value, factor, INT64_MAX)) {
    return bad(quoted_word(text) + " is not a size; write 512, 64k, 8m, 1g");
  }
  return static_cast<uint64_t>(total);
}

Result<bool> parse_switch(std::string_view text) {
  if (text == "on") return true;
  if (text == "off") return false;
  return bad(quoted_word(text) + R"( is neither "on" nor "off")");
}

Result<bool> parse_loose_switch(std::string_view text) {
  const std::string word = lower(text);
  for (const std::string_view yes : {"true", "1", "yes", "on"}) {
    if (word == yes) return true;
  }
  for (const std::string_view no : {"false", "0", "no", "off"}) {
    if (word == no) return false;
  }
  return bad(quoted_word(text) + " is not a switch; write true, false, 1, 0, yes, no, on or off");
}

std::optional<uint64_t> parse_whole(std::string_view text, uint64_t min, uint64_t max) {
  uint64_t value = 0;
  const auto [end, status] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (status != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  if (value < min || value > max) return std::nullopt;
  return value;
}

Result<uint64_t> parse_count(std::string_view text, uint64_t min, uint64_t max) {
  if (const auto value = parse_whole(text, min, max)) return *value;
  return bad(quoted_word(text) + " is not a whole number from " + std::to_string(min) + " to " +
             std::to_string(max));
}

std::string duration_text(Millis duration) {
  if (duration.count() == 0) return "0s";
  std::string text;
  int64_t rest_ms = duration.count();
  for (const Unit &unit : kUnits) {
    if (unit.name == "y" || unit.name == "M" || unit.name == "w") continue;  // days read better
    if (rest_ms < unit.ms) continue;
    text += std::to_string(rest_ms / unit.ms);
    text += unit.name;
    rest_ms %= unit.ms;
  }
  return text;
}

std::string size_text(uint64_t bytes) {
  for (const auto &[shift, name] : {std::pair{30, 'g'}, std::pair{20, 'm'}, std::pair{10, 'k'}}) {
    if (bytes > 0 && bytes % (uint64_t{1} << shift) == 0)
      return std::to_string(bytes >> shift) + name;
  }
  return std::to_string(bytes);
}

bool is_policy_name(std::string_view name) noexcept {
  constexpr size_t kPolicyNameCharsMax = 64;
  if (name.empty() || name.size() > kPolicyNameCharsMax || !is_alnum(name.front())) return false;
  return std::all_of(name.begin(), name.end(),
                     [](char c) { return is_alnum(c) || c == '.' || c == '_' || c == '-'; });
}

}  // namespace holdfast
