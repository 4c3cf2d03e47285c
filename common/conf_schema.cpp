#include "common/conf_schema.h"

#include <algorithm>

namespace holdfast {

namespace {

// Calls `use` for each of "a|b|c" until it answers true.
template <class Use>
bool any_of_words(std::string_view words, Use use) {
  while (!words.empty()) {
    const size_t bar = std::min(words.find('|'), words.size());
    if (use(words.substr(0, bar))) return true;
    words.remove_prefix(std::min(bar + 1, words.size()));
  }
  return false;
}

}  // namespace

const ConfRow *ConfSchema::find(std::string_view name, ConfContexts context) const noexcept {
  const auto it = std::find_if(rows.begin(), rows.end(), [&](const ConfRow &row) {
    return row.name == name && (row.contexts & context) != 0;
  });
  return it == rows.end() ? nullptr : &*it;
}

ConfContexts ConfSchema::contexts_of(std::string_view name) const noexcept {
  ConfContexts all = 0;
  for (const ConfRow &row : rows) {
    if (row.name == name) all |= row.contexts;
  }
  return all;
}

bool ConfSchema::knows(std::string_view name) const noexcept { return contexts_of(name) != 0; }

std::string ConfSchema::context_names(ConfContexts wanted) const {
  std::string text;
  for (const ConfContextName &context : contexts) {
    if ((context.bit & wanted) == 0) continue;
    if (!text.empty()) text += ", ";
    text += context.name;
  }
  return text;
}

bool is_choice(std::string_view words, std::string_view word) noexcept {
  return any_of_words(words, [word](std::string_view choice) { return choice == word; });
}

std::string choices_text(std::string_view words) {
  std::string text;
  (void)any_of_words(words, [&text](std::string_view choice) {  // ignoring: visits them all
    if (!text.empty()) text += ", ";
    text += choice;
    return false;
  });
  return text;
}

}  // namespace holdfast
