// Any bytes as a bundle from the master: refused, or understood so that writing it again and
// reading that gives the same.
#include <cstdlib>

#include "common/conf_source.h"

using namespace holdfast;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  const std::string text(data, data + size);
  const auto bundle = ConfBundle::parse(text);
  if (!bundle) return 0;
  const std::string written = bundle->serialise();
  const auto again = ConfBundle::parse(written);
  if (!again || again->serialise() != written) std::abort();
  return 0;
}
