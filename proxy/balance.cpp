#include "proxy/balance.h"

#include <array>
#include <cmath>

// The library's code becomes part of this file: nothing is linked, nothing to install at run time.
#define XXH_INLINE_ALL
#include <xxhash.h>

namespace holdfast::proxy {

std::optional<uint64_t> balance_key(std::string_view text) {
  if (text.empty()) return std::nullopt;
  return XXH3_64bits(text.data(), text.size());
}

uint64_t balance_server(std::string_view text) { return XXH3_64bits(text.data(), text.size()); }

uint64_t draw(uint64_t key, unsigned attempt) {
  return XXH3_64bits_withSeed(&key, sizeof key, attempt);
}

// -weight / ln(u), with u uniform in (0, 1): the score of a server of weight 2 is the highest twice
// as often as that of one of weight 1.
double rendezvous_score(uint64_t key, uint64_t server, int weight) {
  const std::array<uint64_t, 2> both{key, server};
  const uint64_t mixed = XXH3_64bits(both.data(), sizeof both);
  constexpr double kSteps = 0x1p53;  // what a double holds exactly
  const double uniform = (static_cast<double>(mixed >> 11) + 0.5) / kSteps;
  return -static_cast<double>(weight) / std::log(uniform);
}

}  // namespace holdfast::proxy
