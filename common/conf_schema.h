// What a configuration may say, as data: one constexpr row per directive is what the checker, the
// help, the suggestions, the shipped files' test and the daemons' builders read. Adding a directive
// is a row here-shaped in the daemon's table, a line in its builder, and a test.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace holdfast {

// Blocks as bits; each daemon numbers its own. Bit 0 is always the main level.
using ConfContexts = uint32_t;
inline constexpr ConfContexts kConfMain = 1;

// What the first argument must be. The rest, where there is one, is for the builder to judge.
enum class ConfType : uint8_t {
  none,    // no argument, or anything: the builder judges
  time,    // min and max in milliseconds; a number without a unit is seconds
  size,    // min and max in bytes
  count,   // a whole number from min to max
  onoff,   // on or off
  choice,  // one of `words`
};

inline constexpr uint8_t kManyArgs = UINT8_MAX;

struct ConfRow {
  std::string_view name;
  ConfContexts contexts = kConfMain;  // where it may stand
  uint8_t args_min = 1;
  uint8_t args_max = 1;     // kManyArgs = as many as there are
  ConfContexts opens = 0;   // the context inside its block; 0 = it has no block
  bool repeatable = false;  // may stand several times in one block
  bool free_form = false;   // its block holds lines of the builder's own, and no directives
  ConfType type = ConfType::none;
  uint64_t min = 0;
  uint64_t max = UINT64_MAX;
  std::string_view words = {};         // "auto|serve|refuse": accepted besides the type
  std::string_view default_text = {};  // the arguments that say the default; empty = there is none
  std::string_view help = {};          // one line for a person
  bool secret_value = false;           // a dump shows its last argument as "***"
};

struct ConfContextName {
  ConfContexts bit;
  std::string_view name;
};

// Words of another configuration, so that a directive in the wrong file is told where it belongs.
struct ConfForeign {
  std::string_view file;  // "sessiond.conf"
  std::span<const std::string_view> names;
};

struct ConfSchema {
  std::span<const ConfRow> rows;
  std::span<const ConfContextName> contexts;
  ConfForeign foreign;
  std::span<const std::string_view> nginx_only;  // known, and not had
  std::span<const std::string_view> later;       // planned: "not supported by this version"

  // The row for `name` in a context; nullptr when it may not stand there.
  const ConfRow *find(std::string_view name, ConfContexts context) const noexcept;
  // Whether any row, anywhere, has this name.
  bool knows(std::string_view name) const noexcept;
  // The contexts of all rows of that name.
  ConfContexts contexts_of(std::string_view name) const noexcept;
  // "http, server, location"
  std::string context_names(ConfContexts contexts) const;
};

// True when `word` is one of "a|b|c".
bool is_choice(std::string_view words, std::string_view word) noexcept;
// "a|b|c" as "a, b, c".
std::string choices_text(std::string_view words);

}  // namespace holdfast
