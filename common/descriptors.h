// What a forked process keeps of its parent's descriptors. Called in the child, before it has
// threads.
#pragma once

#include <span>

namespace holdfast {

// Closes every descriptor from 3 on that is not in `keep`, whoever opened it: what else the parent
// holds (locks, listeners, connections of people who wait for an answer) must end with the parent.
void close_descriptors_except(std::span<const int> keep);

}  // namespace holdfast
