// The word a person probably meant. Pure.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace holdfast {

// Damerau-Levenshtein distance: letters inserted, dropped, changed, or two neighbours swapped.
size_t edit_distance(std::string_view a, std::string_view b);

// The nearest candidate within max(1, length/3) and below 4 edits; empty when none is near. The
// first of equally near ones.
std::string_view nearest(std::string_view word, std::span<const std::string_view> candidates);

// `; did you mean "server"?`, or nothing.
std::string did_you_mean(std::string_view word, std::span<const std::string_view> candidates);

}  // namespace holdfast
