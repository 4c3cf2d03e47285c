#include "common/suggest.h"

#include <algorithm>
#include <vector>

namespace holdfast {

namespace {

constexpr size_t kWordCharsMax = 64;  // no name of ours is longer; a hostile word costs nothing
constexpr size_t kEditsMax = 3;

}  // namespace

size_t edit_distance(std::string_view a, std::string_view b) {
  const size_t width = b.size() + 1;
  std::vector<size_t> two_above(width);
  std::vector<size_t> above(width);
  std::vector<size_t> row(width);
  for (size_t j = 0; j < width; ++j) above[j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    row[0] = i;
    for (size_t j = 1; j < width; ++j) {
      const size_t change = a[i - 1] == b[j - 1] ? 0 : 1;
      row[j] = std::min({above[j] + 1, row[j - 1] + 1, above[j - 1] + change});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
        row[j] = std::min(row[j], two_above[j - 2] + 1);
      }
    }
    std::swap(two_above, above);
    std::swap(above, row);
  }
  return above[b.size()];
}

std::string_view nearest(std::string_view word, std::span<const std::string_view> candidates) {
  if (word.size() > kWordCharsMax) return {};
  const size_t allowed = std::min(kEditsMax, std::max<size_t>(1, word.size() / 3));
  size_t best = allowed + 1;
  std::string_view found;
  for (const std::string_view candidate : candidates) {
    const size_t longer = std::max(word.size(), candidate.size());
    const size_t shorter = std::min(word.size(), candidate.size());
    if (longer - shorter >= best) continue;  // the lengths alone are too far apart
    const size_t distance = edit_distance(word, candidate);
    if (distance >= best) continue;
    best = distance;
    found = candidate;
  }
  return found;
}

std::string did_you_mean(std::string_view word, std::span<const std::string_view> candidates) {
  const std::string_view found = nearest(word, candidates);
  return found.empty() ? "" : "; did you mean \"" + std::string(found) + "\"?";
}

}  // namespace holdfast
